//! Monitoring over HTTPS: a real nats-server with a certificate of its own, asked by natstrace on the same host.
use anyhow::{Result, ensure};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::Output;
use tests::check;
use tests::lab::client::Lang;
use tests::lab::scenarios::tls::{Bearer, certificate_of};
use tests::lab::stage::pause;
use tests::lab::{Host, Stage, tools};

/// Says so past the test harness, which swallows what a passing test prints.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// A client with a wrong password at a server that speaks TLS alone: packets don't tell why it is refused.
struct Refused {
    stage: Stage,
    folder: tempfile::TempDir,
    _server: tests::lab::server::Server,
    certificate: String,
}

impl Refused {
    fn play(bearer: Bearer) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut stage =
            Stage::build("monitored", "a wrong password over TLS", &tools::Tools::find()?, folder.path())?;
        let (tls, certificate) = certificate_of(&stage, "timeout: 2", bearer)?;
        let users = "authorization { users: [{ user: u, password: right }] }";
        let server = stage.server(&format!("{tls}\n{users}\nhttps: \"0.0.0.0:8222\""))?;
        let args = format!("--user u --password wrong --tries 1 --ca {certificate}");
        let client = stage.launch(Host::Client, Lang::Python, "intruder", "nats://10.77.2.2:4222", &args)?;
        client.expect("FAILED")?;
        stage.confirm(&server, "authentication error")?;
        pause(300);
        stage.stop()?;
        Ok(Self { stage, folder, _server: server, certificate })
    }

    /// natstrace on the server's host, which trusts what is in `trusted`.
    fn ask(&self, url: &str, trusted: &str) -> Result<Output> {
        let mut command = self.stage.net.command(Host::Server, "env");
        command.arg("-u").arg("SSL_CERT_DIR").arg(format!("SSL_CERT_FILE={trusted}"));
        command.arg(check::natstrace()?).args(["-o", "json", "--monitor", url, "--read"]);
        command.arg(self.folder.path().join("monitored.server.pcap"));
        Ok(command.output()?)
    }
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// The close of the client that was refused.
fn told(out: Output) -> Result<Value> {
    ensure!(out.status.success(), "{}", stderr(&out));
    let mut all = check::objects(&String::from_utf8(out.stdout)?)?;
    all.retain(|line| line["type"] == "close" && line["server"]["port"] == 4222);
    ensure!(!all.is_empty(), "no close");
    Ok(all.remove(0))
}

fn possible() -> bool {
    if !tools::is_root() || tools::Tools::find().is_err() {
        skipped("no root or no tools for the lab");
        return false;
    }
    true
}

#[test]
fn a_trusted_server_is_joined_and_a_stranger_is_not() {
    if !possible() {
        return;
    }
    let refused = Refused::play(Bearer::Server).expect("the lab");
    let of_server = |close: &Value| {
        let evidence = close["cause"]["evidence"].as_array().cloned().unwrap_or_default();
        evidence.iter().any(|e| e["source"] == "server")
    };
    let url = "https://10.77.2.2:8222";

    let trusted = refused.ask(url, &refused.certificate).expect("natstrace runs");
    let said = stderr(&trusted);
    assert!(said.contains("https://10.77.2.2:8222 answers"), "{said}");
    let close = told(trusted).expect("a close");
    assert!(of_server(&close), "{close}");
    assert_eq!(close["cause"]["code"], "authorization_violation", "{close}");

    let empty = refused.folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("written");
    let elsewhere = Path::new("/etc/ssl/certs/ca-certificates.crt");
    for strangers in [elsewhere, &empty].into_iter().filter(|file| file.exists()) {
        let stranger = refused.ask(url, &strangers.display().to_string()).expect("natstrace runs");
        let said = stderr(&stranger);
        assert!(said.contains("certificate") && said.contains("SSL_CERT_FILE="), "{said}");
        assert!(!of_server(&told(stranger).expect("a close")));
    }

    // A name that is not in the certificate.
    let other = refused.ask("https://127.0.0.1:8222", &refused.certificate).expect("natstrace runs");
    let said = stderr(&other);
    assert!(
        said.contains("127.0.0.1") && said.contains("10.77.2.2") && said.contains("certificate"),
        "{said}"
    );
    // Spoken to without TLS.
    let plain = refused.ask("http://10.77.2.2:8222", &refused.certificate).expect("natstrace runs");
    assert!(stderr(&plain).contains("https://"), "{}", stderr(&plain));
}

/// Its port is found, and why it isn't asked is said instead of that there is none.
#[test]
fn auto_says_why_it_is_not_trusted() {
    if !possible() {
        return;
    }
    let refused = Refused::play(Bearer::Server).expect("the lab");
    let out = refused.ask("auto", &refused.certificate).expect("natstrace runs");
    let said = stderr(&out);
    assert!(said.contains("https://127.0.0.1:8222") && said.contains("certificate"), "{said}");
    assert!(!said.contains("no nats-server of this host"), "{said}");
}

/// What `openssl req -x509` makes unless told otherwise: a certificate of a CA, which no server may show.
#[test]
fn a_certificate_that_is_a_cas_is_named_as_that() {
    if !possible() {
        return;
    }
    let refused = Refused::play(Bearer::Ca).expect("the lab");
    let out = refused.ask("https://10.77.2.2:8222", &refused.certificate).expect("natstrace runs");
    let said = stderr(&out);
    assert!(said.contains("CA:FALSE"), "{said}");
}
