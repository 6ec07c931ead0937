//! TLS: required, refused, misdirected, and in good order.
use super::super::client::Lang;
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, from, port};
use anyhow::{Result, ensure};
use std::process::Command;
use std::time::Duration;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario { name: "tls_required", what: "a plain client at a server that requires TLS", play: required },
    Scenario {
        name: "tls_bad_ca_py",
        what: "nats-py doesn't trust the server's certificate",
        play: bad_ca_py,
    },
    Scenario {
        name: "tls_bad_ca_js",
        what: "nats.js doesn't trust the server's certificate",
        play: bad_ca_js,
    },
    Scenario { name: "tls_to_plain", what: "a TLS-first client at a plain server", play: to_plain },
    Scenario { name: "tls_silent", what: "a TLS-first server hears nothing from the client", play: silent },
    Scenario { name: "tls_clean_close", what: "TLS clients close in good order", play: clean },
    Scenario { name: "tls_server_sigterm", what: "the server stops under TLS clients", play: sigterm },
    Scenario {
        name: "connection_throttled",
        what: "more TLS connections a second than the server takes",
        play: throttled,
    },
];

/// Whose a self-signed certificate says it is (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A CA's: what openssl makes unless told otherwise.
    Ca,
    /// A server's own.
    Server,
}

/// Makes a self-signed certificate; returns the server's `tls` block (with `extra`) and the CA file.
pub(crate) fn certificate(s: &Stage, extra: &str) -> Result<(String, String)> {
    certificate_of(s, extra, Bearer::Ca)
}

/// The same for that bearer.
///
/// # Errors
/// Where openssl fails.
pub fn certificate_of(s: &Stage, extra: &str, bearer: Bearer) -> Result<(String, String)> {
    let (key, cert) = (s.scratch().join("key.pem"), s.scratch().join("cert.pem"));
    let out = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
        ])
        .args(["-subj", "/CN=n1", "-addext", "subjectAltName=IP:10.77.2.2,DNS:localhost"])
        .args([
            "-addext",
            if bearer == Bearer::Ca {
                "basicConstraints=critical,CA:TRUE"
            } else {
                "basicConstraints=critical,CA:FALSE"
            },
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()?;
    ensure!(out.status.success(), "openssl: {}", String::from_utf8_lossy(&out.stderr));
    let tls =
        format!("tls {{ cert_file: \"{}\", key_file: \"{}\", {extra} }}", cert.display(), key.display());
    Ok((tls, cert.display().to_string()))
}

fn required(s: &mut Stage) -> Result<()> {
    let (tls, _) = certificate(s, "timeout: 2")?;
    let server = s.server(&tls)?;
    let mut c = s.dial(4222)?;
    c.expect("INFO {")?;
    c.send("CONNECT {\"name\":\"plain\",\"verbose\":false,\"tls_required\":false}\r\nPING\r\n");
    c.drain(Duration::from_secs(4))?;
    s.confirm(&server, "TLS handshake error")?;
    s.all(&Expected::new(port(c.port), "fin|rst", "server", "tls_required"));
    s.open(0, 0);
    Ok(())
}

fn bad_ca(s: &mut Stage, lang: Lang) -> Result<()> {
    let (tls, _) = certificate(s, "timeout: 2")?;
    let server = s.server(&tls)?;
    let c = s.launch(Host::Client, lang, "wary", "nats://10.77.2.2:4222", "--ca system --tries 1")?;
    c.expect("FAILED")?;
    pause(300);
    s.confirm(&server, "TLS handshake error")?;
    let who = from(Host::Client.ip()).handshake("complete");
    // The client says by an alert that it doesn't trust; either end may be the first to close then.
    s.all(&Expected::new(who, "fin|rst", "client|server", "tls_handshake_failed"));
    s.open(0, 0);
    Ok(())
}

fn bad_ca_py(s: &mut Stage) -> Result<()> {
    bad_ca(s, Lang::Python)
}

fn bad_ca_js(s: &mut Stage) -> Result<()> {
    bad_ca(s, Lang::Js)
}

fn to_plain(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let c = s.launch(
        Host::Client,
        Lang::Js,
        "eager",
        "nats://10.77.2.2:4222",
        "--ca system --tls-first --tries 1",
    )?;
    c.expect("FAILED")?;
    pause(300);
    let who = from(Host::Client.ip()).handshake("complete");
    let expected = Expected::new(who, "fin|rst", "client|server", "tls_handshake_failed|protocol_error");
    s.all(&expected);
    s.open(0, 0);
    Ok(())
}

fn silent(s: &mut Stage) -> Result<()> {
    let (tls, _) = certificate(s, "timeout: 2, handshake_first: true")?;
    let server = s.server(&tls)?;
    let mut c = s.dial(4222)?;
    c.drain(Duration::from_secs(5))?;
    s.confirm(&server, "TLS handshake error")?;
    // Not a byte either way: only the two seconds hint at TLS, and a plain client
    // waiting for INFO looks the same.
    s.all(&Expected::new(
        port(c.port),
        "fin",
        "server",
        "tls_handshake_failed|tls_required|auth_timeout|unknown",
    ));
    s.open(0, 0);
    Ok(())
}

fn clean(s: &mut Stage) -> Result<()> {
    let (tls, ca) = certificate(s, "timeout: 2")?;
    let _server = s.server(&tls)?;
    for lang in [Lang::Python, Lang::Js] {
        let mut c = s.connected(Host::Client, lang, "safe", &format!("--ca {ca} --sub a"))?;
        c.say("pub a 30")?;
        pause(300);
        c.say("close")?;
        c.wait()?;
        // nats-py says close_notify and waits: the server answers with its own and the first FIN.
        let side = if lang == Lang::Python { "server|client" } else { "client" };
        s.all(&Expected::new(port(c.port), "fin", side, "client_closed"));
    }
    s.open(0, 0);
    hide(s, &ca);
    Ok(())
}

fn sigterm(s: &mut Stage) -> Result<()> {
    let (tls, ca) = certificate(s, "timeout: 2")?;
    let mut server = s.server(&tls)?;
    let mut clients = Vec::new();
    for lang in [Lang::Python, Lang::Js] {
        let c = s.connected(Host::Client, lang, "safe", &format!("--ca {ca} --sub a"))?;
        s.all(&Expected::new(port(c.port), "fin", "server", "server_shutdown"));
        clients.push(c);
    }
    pause(300);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server");
    server.wait()?;
    pause(300);
    s.open(0, 0);
    hide(s, &ca);
    Ok(())
}

/// The truth names no temporary file.
fn hide(s: &mut Stage, path: &str) {
    for client in &mut s.truth.made.clients {
        *client = client.replace(path, "CERT");
    }
}

fn throttled(s: &mut Stage) -> Result<()> {
    let (tls, _) = certificate(s, "timeout: 2, connection_rate_limit: 1")?;
    let server = s.server(&tls)?;
    let mut all = vec![s.dial(4222)?, s.dial(4222)?, s.dial(4222)?];
    s.did(
        "client: three connections at once, connection_rate_limit is 1; the one that is let in stays silent",
    );
    let mut refused = 0;
    for c in &mut all {
        let throttled = c.drain(Duration::from_secs(5))?.contains("throttling");
        refused += u32::from(throttled);
        let cause = if throttled { "connection_throttled" } else { "tls_handshake_failed" };
        s.all(&Expected::new(port(c.port), "fin|rst", "server", cause));
    }
    ensure!(refused > 0, "nothing was throttled");
    s.confirm(&server, "rate limiting")?;
    s.open(0, 0);
    Ok(())
}
