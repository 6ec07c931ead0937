//! What a build needs beside Rust, and what the lab needs: installed where missing, with a word on why.
use crate::sh;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Command, Stdio};

/// libpcap with its headers, for live captures and filter expressions.
pub fn build() -> Result<()> {
    let found = Command::new("pkg-config").args(["--exists", "libpcap"]).status().is_ok_and(|s| s.success());
    if found || Path::new("/usr/include/pcap/pcap.h").is_file() {
        return Ok(());
    }
    install(&["libpcap-dev"], "natstrace links libpcap for live captures and filter expressions")
        .context("install libpcap and its headers yourself (Debian: libpcap-dev, Fedora: libpcap-devel)")
}

/// Installs Debian packages, with a word on why.
pub fn install(packages: &[&str], why: &str) -> Result<()> {
    eprintln!("installing {}: {why}", packages.join(", "));
    let apt = |args: &[&str]| {
        let mut command = Command::new(if sh::is_root() { "env" } else { "sudo" });
        if !sh::is_root() {
            command.arg("env");
        }
        sh::run(command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).args(args))
    };
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
}

/// Counts instructions.
pub fn valgrind() -> Result<()> {
    if is_there("valgrind") {
        return Ok(());
    }
    install(&["valgrind"], "callgrind counts instructions, to notice what has become slower")
}

/// Whether a program can be run.
pub fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The lab's servers, clients and tools.
pub fn lab() -> Result<()> {
    sh::run(sh::cargo().args(["run", "--quiet", "--package", "tests", "--bin", "lab", "--", "--setup"]))
}
