//! What a guest boots: a kernel out of its Debian package, and an initramfs with the programs, their libraries and modules.
use crate::sh;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Modules the guest loads, those they need beside them, in this order. What isn't found is built in.
const MODULES: &[&str] = &["crc32c_generic", "veth", "inet_diag", "tcp_diag", "nfnetlink", "nf_tables"];

/// A kernel, unpacked.
pub struct Kernel {
    /// To boot.
    pub image: PathBuf,
    /// The folder of its modules, with `modules.dep`.
    modules: PathBuf,
}

/// Downloads and unpacks the kernel `meta` stands for; what is there already is taken.
pub fn fetch(folder: &Path, meta: &str) -> Result<Kernel> {
    let package = match newest(meta) {
        Ok(package) => package,
        Err(_) => {
            apt(&["update"], &[])?;
            newest(meta)?
        }
    };
    let place = folder.join(&package);
    let release = package.strip_prefix("linux-image-").unwrap_or(&package).to_owned();
    let modules = place.join("lib/modules").join(&release);
    if !modules.join("modules.dep").is_file() {
        let debs = folder.join("debs");
        fs::create_dir_all(&debs)?;
        let download = || {
            let mut command = Command::new("apt-get");
            command.args(["-qq", "-o", "APT::Sandbox::User=root", "download", &package]);
            sh::run(command.current_dir(&debs))
        };
        download().or_else(|_| apt(&["update"], &[]).and_then(|()| download()))?;
        let named = |path: &PathBuf| {
            path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{package}_")))
        };
        let deb = fs::read_dir(&debs)?.flatten().map(|e| e.path()).find(named);
        sh::run(Command::new("dpkg").arg("-x").arg(deb.context("apt-get brought no package")?).arg(&place))?;
        sh::run(Command::new(tool("depmod")).arg("-b").arg(&place).arg(&release))?;
    }
    Ok(Kernel { image: place.join(format!("boot/vmlinuz-{release}")), modules })
}

/// What `meta` depends on: the package of the newest kernel of its kind.
fn newest(meta: &str) -> Result<String> {
    let out = Command::new("apt-cache").args(["depends", meta]).output().context("apt-cache")?;
    let text = String::from_utf8_lossy(&out.stdout);
    let found = text.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    Ok(format!("linux-image-{}", found.with_context(|| format!("{meta}: not known to apt"))?))
}

/// Writes the initramfs for `kernel`.
pub fn initramfs(kernel: &Kernel, file: &Path) -> Result<()> {
    let root = file.with_extension("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for folder in ["bin", "sbin", "proc", "sys", "dev", "run", "tmp", "modules", "etc"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let init = root.join("init");
    fs::write(&init, include_str!("init.sh"))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    let natstrace = sh::target().join("debug/natstrace");
    let own = std::env::current_exe()?;
    let programs = [
        ("natstrace", natstrace),
        ("xtask", own),
        ("busybox", tool("busybox")),
        ("ip", tool("ip")),
        ("nft", tool("nft")),
        ("nats-server", tool("nats-server")),
    ];
    let mut libraries = BTreeSet::new();
    for (name, program) in &programs {
        libraries.extend(needs(program)?);
        let place = root.join("bin").join(name);
        // Debug information is most of a debug build.
        sh::run(Command::new("strip").arg("-o").arg(&place).arg(program))?;
    }
    for library in libraries {
        let place = root.join(library.strip_prefix("/")?);
        fs::create_dir_all(place.parent().unwrap_or(&root))?;
        fs::copy(&library, place)?;
    }
    modules(kernel, &root.join("modules"))?;
    pack(&root, file)?;
    Ok(fs::remove_dir_all(&root)?)
}

/// The shared libraries of a program, the loader included; none for a static one.
fn needs(program: &Path) -> Result<Vec<PathBuf>> {
    let out = Command::new("ldd").arg(program).output().context("ldd")?;
    let text = String::from_utf8_lossy(&out.stdout);
    ensure!(!text.contains("not found"), "{}: {text}", program.display());
    let word = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(text.lines().filter_map(word).collect())
}

/// Copies the modules and what they need, unpacked, and writes `order`.
fn modules(kernel: &Kernel, place: &Path) -> Result<()> {
    let dep = fs::read_to_string(kernel.modules.join("modules.dep"))?;
    let mut order: Vec<String> = Vec::new();
    for wanted in MODULES {
        let line = dep.lines().find(|line| line.split(':').next().is_some_and(|path| stem(path) == *wanted));
        let Some((path, needs)) = line.and_then(|line| line.split_once(':')) else { continue };
        // modules.dep names what must come first last.
        for path in needs.split_whitespace().rev().chain([path]) {
            let name = format!("{}.ko", stem(path));
            if !order.contains(&name) {
                unpack(&kernel.modules.join(path), &place.join(&name))?;
                order.push(name);
            }
        }
    }
    Ok(fs::write(place.join("order"), order.join("\n") + "\n")?)
}

/// `nf_tables` of `kernel/net/netfilter/nf_tables.ko.xz`.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(".ko").next().unwrap_or(name)
}

fn unpack(module: &Path, place: &Path) -> Result<()> {
    if module.extension().is_some_and(|e| e == "xz") {
        let out = fs::File::create(place)?;
        return sh::run(Command::new("xz").arg("-dc").arg(module).stdout(out));
    }
    fs::copy(module, place)?;
    Ok(())
}

/// The folder as an uncompressed cpio archive: qemu hands it over faster than a guest unpacks.
fn pack(root: &Path, file: &Path) -> Result<()> {
    let mut find = Command::new("find").arg(".").current_dir(root).stdout(Stdio::piped()).spawn()?;
    let list = find.stdout.take().context("find has no output")?;
    let mut cpio = Command::new("cpio");
    cpio.args(["--quiet", "-o", "-H", "newc"]).current_dir(root).stdin(list).stdout(fs::File::create(file)?);
    sh::run(&mut cpio)?;
    ensure!(find.wait()?.success(), "find failed");
    Ok(())
}

/// Where a program is.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|p| p.is_file())
}

fn tool(program: &str) -> PathBuf {
    which(program).unwrap_or_else(|| program.into())
}

/// apt-get, with sudo where needed.
pub fn apt(args: &[&str], packages: &[&str]) -> Result<()> {
    let mut command = Command::new(if sh::is_root() { "env" } else { "sudo" });
    command.args((!sh::is_root()).then_some("env"));
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).args(args).args(packages);
    sh::run(&mut command)
}
