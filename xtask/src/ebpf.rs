//! `cargo xtask ebpf`: the kernel probes rebuilt from source, for what is committed and embedded.
//!
//! No nightly: Debian's `rustc-web` comes with `core` ready for `bpfel-unknown-none`, `bpf-linker` is built against the
//! same LLVM. RUSTC_BOOTSTRAP is for aya-ebpf's one feature gate (`asm_experimental_arch`).
use crate::{setup, sh};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler's and the linker's LLVM must be of one version.
const LLVM: &str = "22";
const LINKER: &str = "0.13.0";
const RUSTC: &str = "/usr/bin/rustc";
const PACKAGES: &[&str] =
    &["rustc-web", "libstd-rust-web-dev-bpf", "llvm-22-dev", "libpolly-22-dev", "libzstd-dev", "zlib1g-dev"];
const FOLDER: &str = "tracer/src/source/ebpf";
const OBJECT: &str = "natstrace.bpf.o";
/// Beside the object: of which sources it is made.
const STAMP: &str = "natstrace.bpf.sources";

/// Rebuilds the kernel probes' object.
#[derive(Args)]
pub struct Ebpf {
    /// Only check that the committed object is made of the sources as they are
    #[arg(long)]
    check: bool,
}

impl Ebpf {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        if self.check {
            return check();
        }
        let built = build()?;
        std::fs::copy(&built, sh::root().join(FOLDER).join(OBJECT))?;
        std::fs::write(sh::root().join(FOLDER).join(STAMP), stamp()?)?;
        eprintln!("wrote {FOLDER}/{OBJECT}");
        Ok(())
    }
}

/// Fails where the committed object is made of other sources than those here.
pub fn check() -> Result<()> {
    let kept = std::fs::read_to_string(sh::root().join(FOLDER).join(STAMP)).unwrap_or_default();
    ensure!(kept == stamp()?, "{FOLDER}/{OBJECT} is stale: run `cargo xtask ebpf` and commit what it writes");
    Ok(())
}

/// Rebuilds and compares. The path of the rebuilt object where it differs by an octet: another compiler or linker may
/// do that, and then the tests must run on the rebuilt one.
pub fn rebuilt() -> Result<Option<PathBuf>> {
    let built = build()?;
    let same = std::fs::read(&built)? == std::fs::read(sh::root().join(FOLDER).join(OBJECT))?;
    Ok((!same).then_some(built))
}

/// Builds the object, with what it takes installed; its path.
fn build() -> Result<PathBuf> {
    tools()?;
    let target = sh::target().join("ebpf");
    let root = sh::root();
    // The same octets from any folder.
    let flags = format!("--remap-path-prefix={}=.", root.display());
    sh::run(
        Command::new("cargo")
            .current_dir(&root)
            .args(["build", "--quiet", "--release", "--locked", "--target", "bpfel-unknown-none"])
            .args(["--package", "tracer-ebpf", "--bin", "natstrace-bpf", "--target-dir"])
            .arg(&target)
            .env("PATH", path())
            .env("RUSTC", RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_RUSTFLAGS", flags)
            .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "fat")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTUP_TOOLCHAIN"),
    )?;
    let object = target.join("bpfel-unknown-none/release/natstrace-bpf");
    ensure!(object.is_file(), "{} wasn't built", object.display());
    Ok(object)
}

/// Compiler and linker, installed where missing.
fn tools() -> Result<()> {
    let core = "/usr/lib/rustlib/bpfel-unknown-none";
    if !Path::new(RUSTC).is_file() || !Path::new(core).is_dir() || !Path::new(&llvm()).is_dir() {
        setup::install(PACKAGES, "they compile the kernel probes")?;
    }
    if version("bpf-linker", &["--version"]).is_none_or(|v| !v.contains(LINKER)) {
        eprintln!("building bpf-linker {LINKER} (a minute)");
        sh::run(
            sh::cargo()
                .args(["install", "--quiet", "--locked", "--no-default-features", "--features"])
                .arg(format!("llvm-{LLVM}"))
                .arg(format!("bpf-linker@{LINKER}"))
                .env("LLVM_PREFIX", llvm()),
        )?;
    }
    let Some(compiler) = version(RUSTC, &["-vV"]) else { bail!("{RUSTC} doesn't run") };
    ensure!(
        compiler.contains(&format!("LLVM version: {LLVM}.")),
        "{RUSTC} isn't of LLVM {LLVM}:\n{compiler}"
    );
    Ok(())
}

fn llvm() -> String {
    format!("/usr/lib/llvm-{LLVM}")
}

/// What `cargo install` put somewhere is found too.
fn path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(home) = std::env::var_os("HOME") {
        path.push(":");
        path.push(Path::new(&home).join(".cargo/bin"));
    }
    path
}

fn version(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).env("PATH", path()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// A line for every source with its hash, and the recipe: what the object is made of. The compiler on a machine without
/// one can't be asked, so what is wanted of it stands here.
fn stamp() -> Result<String> {
    let mut files = vec![PathBuf::from("tracer-ebpf/Cargo.toml")];
    let mut folders = vec![PathBuf::from("tracer-ebpf/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(sh::root().join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let lock = std::fs::read_to_string(sh::root().join("Cargo.lock"))?;
    let mut text = format!("LLVM {LLVM}, bpf-linker {LINKER}, {}\n", libraries(&lock).join(", "));
    for file in files {
        let content = std::fs::read(sh::root().join(&file)).with_context(|| file.display().to_string())?;
        text.push_str(&format!("{:016x} {}\n", fnv(&content), file.display()));
    }
    Ok(text)
}

/// The libraries the programs are made of, as locked.
fn libraries(lock: &str) -> Vec<String> {
    let packages = lock.split("[[package]]");
    let ours = packages.filter(|p| p.contains("name = \"aya-ebpf"));
    ours.map(|p| p.split('"').skip(1).step_by(2).take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// FNV-1a, 64 bits: against forgetting, not against malice.
fn fnv(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, o| (hash ^ u64::from(*o)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_change_the_stamp() {
        assert_ne!(fnv(b"a"), fnv(b"b"));
        // The published test value of FNV-1a for "a".
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
        let stamp = stamp().unwrap();
        assert!(stamp.contains("aya-ebpf 0.2.1") && stamp.contains("src/probes/kfree_skb.rs"), "{stamp}");
    }
}
