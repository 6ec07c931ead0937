//! What shells and `man` need, made from the arguments themselves.
use super::Args;
use clap::CommandFactory as _;
use std::io::{self, Write};

/// Writes completions for `shell`.
///
/// # Errors
/// When `out` can't be written.
pub fn completions(shell: clap_complete::Shell, out: &mut impl Write) -> io::Result<()> {
    let mut page = Vec::new(); // clap_complete panics on a broken pipe
    clap_complete::generate(shell, &mut Args::command(), "natstrace", &mut page);
    out.write_all(&page)
}

/// Writes the manual page.
///
/// # Errors
/// When `out` can't be written.
pub fn man(out: &mut impl Write) -> io::Result<()> {
    clap_mangen::Man::new(Args::command()).render(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_shell_and_the_page() {
        for shell in clap_complete::Shell::value_variants() {
            let mut out = Vec::new();
            completions(*shell, &mut out).unwrap();
            assert!(String::from_utf8(out).unwrap().contains("summary-every"), "{shell}");
        }
        let mut out = Vec::new();
        man(&mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert!(page.contains(".TH natstrace") && page.contains("idle\\-timeout"), "{page}");
    }
}
