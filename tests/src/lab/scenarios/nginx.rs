//! nginx as the proxy (its `stream` module), on the router's host; both sides are recorded. See `proxy` for haproxy.
use super::super::process::Process;
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use super::proxy::{idle, legs, listening, through};
use crate::truth::Expected;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "nginx_proxy_timeout",
        what: "nginx closes connections that are idle for 6 s (proxy_timeout)",
        play: proxy_timeout,
    },
    Scenario { name: "nginx_sigkill", what: "nginx is killed under two clients", play: sigkill },
];

/// nginx on the router, between clients and the server, with this `proxy_timeout`; it listens when this returns. One process:
/// a worker would outlive its master's SIGKILL.
fn nginx(s: &mut Stage, timeout: &str) -> Result<Process> {
    let folder = s.scratch().to_owned();
    let (file, log, pid) = (folder.join("nginx.conf"), folder.join("nginx.log"), folder.join("nginx.pid"));
    let config = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off;\nmaster_process off;\nuser root;\nerror_log {};\npid {};\n\
         events {{ worker_connections 64; }}\n\
         stream {{ server {{ listen 10.77.1.1:4222; proxy_pass 10.77.2.2:4222; proxy_connect_timeout 2s; \
         proxy_timeout {timeout}; }} }}\n",
        log.display(),
        pid.display()
    );
    std::fs::write(&file, config)?;
    let mut command = s.net.command(Host::Router, "nginx");
    command.arg("-c").arg(&file).arg("-e").arg(&log);
    let process =
        listening(s, "nginx", command).with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    s.did(&format!("router: nginx, stream {{ proxy_timeout {timeout}; }}"));
    Ok(process)
}

fn proxy_timeout(s: &mut Stage) -> Result<()> {
    idle(s, |s| nginx(s, "6s"))
}

fn sigkill(s: &mut Stage) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    let _server = s.server("")?;
    let mut proxy = nginx(s, "60s")?;
    let _one = through(s, Host::Client, "one", "--sub one")?;
    let _two = through(s, Host::Client, "two", "--sub two")?;
    pause(1500);
    proxy.signal(libc::SIGKILL)?;
    s.did("router: nginx SIGKILL");
    proxy.wait(Duration::from_secs(5))?;
    pause(1500);
    for who in ["one", "two"] {
        let [front, back] = legs(who, Host::Client.ip());
        s.at("any", &Expected::new(front.clone(), "fin|rst", "server", "proxy_closed"));
        s.at("any", &Expected::new(back.clone(), "fin|rst", "client", "proxy_closed"));
        // From either end alone the other one seems to have gone.
        let seen = "proxy_closed|server_shutdown|server_crashed|kicked";
        s.at("client", &Expected::new(front, "fin|rst", "server", seen));
        let seen = "proxy_closed|client_closed|client_process_exit";
        s.at("router server", &Expected::new(back, "fin|rst", "client", seen));
    }
    s.open(0, 0);
    s.stop()
}
