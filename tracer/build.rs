//! Which kernel probes are embedded: the committed object, or the one that `NATSTRACE_BPF_OBJECT` names (CI tests one
//! that was rebuilt from source).
fn main() {
    println!("cargo:rerun-if-env-changed=NATSTRACE_BPF_OBJECT");
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/src/source/ebpf/natstrace.bpf.o");
    let object = std::env::var("NATSTRACE_BPF_OBJECT").unwrap_or_else(|_| committed.to_owned());
    println!("cargo:rerun-if-changed={object}");
    println!("cargo:rustc-env=NATSTRACE_BPF_OBJECT={object}");
}
