//! `cargo xtask kernels`: natstrace on other kernels. Debian's own kernel images boot in qemu, without KVM, with an
//! initramfs that holds natstrace, a nats-server and this program; inside, connections are dropped in every kind of way,
//! and what natstrace said comes back over a serial line and is checked here.
pub mod guest;
mod image;
mod verdicts;

use crate::sh;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Kernels by the Debian package that always names the newest of its kind.
const KERNELS: &[(&str, &str)] =
    &[("6.1", "linux-image-cloud-amd64"), ("6.12", "linux-image-6.12-cloud-amd64")];
/// Programs the host needs, with their packages.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("depmod", "kmod"),
    ("xz", "xz-utils"),
    ("strip", "binutils"),
    ("ldd", "libc-bin"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("nats-server", "nats-server"),
];
/// A guest that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// Boots other kernels and checks natstrace's verdicts there.
#[derive(Args)]
pub struct Kernels {
    /// Only this one: 6.1 or 6.12
    #[arg(long)]
    only: Option<String>,
    /// Show what natstrace wrote inside
    #[arg(long)]
    show: bool,
}

impl Kernels {
    /// All of them, or those asked for.
    pub fn everything() -> Self {
        Self { only: None, show: false }
    }

    /// Does it; a line for each kernel.
    pub fn run(&self) -> Result<()> {
        let wanted: Vec<_> =
            KERNELS.iter().filter(|(name, _)| self.only.as_ref().is_none_or(|o| o == name)).collect();
        ensure!(!wanted.is_empty(), "no such kernel; there are 6.1 and 6.12");
        install()?;
        sh::run(sh::cargo().args(["build", "--quiet", "--package", "natstrace"]))?;
        let folder = sh::target().join("kernels");
        fs::create_dir_all(&folder)?;
        let mut booted = Vec::new();
        for (name, meta) in wanted {
            let kernel = image::fetch(&folder, meta).with_context(|| format!("kernel {name}"))?;
            let initramfs = folder.join(format!("{name}.cpio"));
            image::initramfs(&kernel, &initramfs).with_context(|| format!("initramfs for {name}"))?;
            let results = folder.join(format!("{name}.results"));
            let start = Instant::now();
            let guest =
                Guest::boot(&kernel.image, &initramfs, &folder.join(format!("{name}.console")), &results)?;
            booted.push((name, start, thread::spawn(move || guest.wait()), results));
        }
        let mut failed = 0;
        for (name, start, guest, results) in booted {
            let ended = guest.join().unwrap_or_else(|_| bail!("waiting for qemu broke"));
            let said = String::from_utf8_lossy(&fs::read(&results)?).replace('\r', "");
            if self.show {
                println!("{said}");
            }
            let seconds = start.elapsed().as_secs_f64();
            match ended.and_then(|()| verdicts::check(&said)) {
                Ok(told) => eprintln!("xtask kernels: {name:5} ok     {seconds:6.1} s  {told}"),
                Err(error) => {
                    failed += 1;
                    eprintln!("xtask kernels: {name:5} FAILED {seconds:6.1} s  {error:#}");
                    eprintln!("  what was said inside: {}", results.display());
                }
            }
        }
        ensure!(failed == 0, "kernels: {failed} failed");
        Ok(())
    }
}

/// Installs what is missing, saying why.
fn install() -> Result<()> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| image::which(program).is_none()).map(|(_, p)| *p).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing {}: other kernels boot in qemu with them", missing.join(" "));
    image::apt(&["install", "-y", "--no-install-recommends"], &missing)
}

/// A running qemu.
struct Guest {
    child: Child,
    results: PathBuf,
}

impl Guest {
    fn boot(kernel: &Path, initramfs: &Path, console: &Path, results: &Path) -> Result<Self> {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"]);
        qemu.args(["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]);
        qemu.args(["-append", "console=ttyS0 loglevel=4 panic=-1"]);
        qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
        for serial in [console, results] {
            File::create(serial)?;
            qemu.arg("-serial").arg(format!("file:{}", serial.display()));
        }
        let child = qemu.stdin(Stdio::null()).spawn().context("qemu-system-x86_64")?;
        Ok(Self { child, results: results.to_owned() })
    }

    /// Until it has powered off.
    fn wait(mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "qemu: {status}");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("did not power off within {} s; see {}", PATIENCE.as_secs(), self.results.display())
    }
}
