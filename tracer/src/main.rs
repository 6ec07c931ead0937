//! The `natstrace` binary: everything is in the library.
fn main() -> std::process::ExitCode {
    natstrace::app::main()
}
