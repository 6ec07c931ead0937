//! Credentials: wrong, late, taken away; and operators who close connections.
use super::super::client::Lang;
use super::super::stage::{config, pause};
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, name, port};
use anyhow::{Context, Result};
use std::time::Duration;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "auth_wrong_password_py",
        what: "nats-py with a wrong password gives up",
        play: wrong_py,
    },
    Scenario { name: "auth_wrong_password_js", what: "nats.js with a wrong password", play: wrong_js },
    Scenario { name: "auth_wrong_password_2_9", what: "a wrong password at a 2.9 server", play: wrong_old },
    Scenario {
        name: "auth_timeout",
        what: "a client says nothing where credentials are required",
        play: timeout,
    },
    Scenario { name: "auth_user_removed", what: "a reload removes a user that is connected", play: removed },
    Scenario {
        name: "auth_password_changed",
        what: "a reload changes a connected user's password",
        play: changed,
    },
    Scenario {
        name: "kicked",
        what: "an operator kicks one connection ($SYS.REQ.SERVER.ID.KICK)",
        play: kicked,
    },
    Scenario {
        name: "account_max_connections",
        what: "one client more than its account may have",
        play: account_limit,
    },
];

fn users(list: &[(&str, &str)]) -> String {
    let users: Vec<_> = list.iter().map(|(u, p)| format!("{{ user: {u}, password: {p} }}")).collect();
    format!("authorization {{ users: [{}] }}", users.join(", "))
}

fn wrong(s: &mut Stage, lang: Lang) -> Result<()> {
    let c = s.launch(
        Host::Client,
        lang,
        "intruder",
        "nats://10.77.2.2:4222",
        "--user u --password wrong --tries 1",
    )?;
    c.expect("FAILED")?;
    pause(300);
    // The client may be quicker to close than the server.
    let expected = Expected::new(name("intruder"), "fin|rst", "server|client", "authorization_violation");
    s.all(&expected);
    s.open(0, 0);
    Ok(())
}

fn wrong_py(s: &mut Stage) -> Result<()> {
    let server = s.server(&users(&[("u", "right")]))?;
    wrong(s, Lang::Python)?;
    s.confirm(&server, "authentication error")
}

fn wrong_js(s: &mut Stage) -> Result<()> {
    let server = s.server(&users(&[("u", "right")]))?;
    wrong(s, Lang::Js)?;
    s.confirm(&server, "authentication error")
}

fn wrong_old(s: &mut Stage) -> Result<()> {
    let server = s.old_server(&users(&[("u", "right")]))?;
    wrong(s, Lang::Python)?;
    s.confirm(&server, "authentication error")
}

fn timeout(s: &mut Stage) -> Result<()> {
    let server = s.server(&users(&[("u", "right")]))?;
    let mut c = s.dial(4222)?;
    c.drain(Duration::from_secs(5))?;
    s.did("client: connects and says nothing");
    s.confirm(&server, "Authentication Timeout")?;
    s.all(&Expected::new(port(c.port), "fin", "server", "auth_timeout"));
    s.open(0, 0);
    Ok(())
}

fn removed(s: &mut Stage) -> Result<()> {
    let server = s.server(&users(&[("u", "p"), ("v", "p")]))?;
    let _gone = s.py("gone", "--user u --password p --sub a")?;
    let _stays = s.js("stays", "--user v --password p --sub a")?;
    pause(300);
    server.reload(&config(&users(&[("v", "p")])))?;
    s.did("server: configuration without user u, kill -HUP nats-server");
    pause(700);
    // No word on the wire: a kick looks the same.
    s.all(&Expected::new(name("gone"), "fin", "server", "kicked|auth_revoked"));
    s.open(1, 1);
    s.stop()
}

fn changed(s: &mut Stage) -> Result<()> {
    let server = s.server(&users(&[("u", "p"), ("v", "p")]))?;
    let _gone = s.py("gone", "--user u --password p --sub a")?;
    let _stays = s.js("stays", "--user v --password p --sub a")?;
    pause(300);
    server.reload(&config(&users(&[("u", "other"), ("v", "p")])))?;
    s.did("server: another password for user u, kill -HUP nats-server");
    pause(700);
    s.all(&Expected::new(name("gone"), "fin|rst", "server|client", "auth_revoked|authorization_violation"));
    s.open(1, 1);
    s.stop()
}

fn kicked(s: &mut Stage) -> Result<()> {
    let accounts = "accounts { SYS { users: [{ user: sys, password: p }] }, A { users: [{ user: u, password: p }] } }\n\
                    system_account: SYS";
    let _server = s.server(accounts)?;
    let _victim = s.py("victim", "--user u --password p --sub a")?;
    let _stays = s.js("stays", "--user u --password p --sub a")?;
    let login = "{\"user\":\"sys\",\"pass\":\"p\",\"verbose\":false,\"headers\":true}";
    let mut operator = s.backstage(login)?;
    operator.send("SUB reply 1\r\nPUB $SYS.REQ.SERVER.PING.CONNZ reply 14\r\n{\"auth\":false}\r\n");
    let mut connz = operator.expect("\"name\":\"stays\"")?;
    if !connz.contains("\"name\":\"victim\"") {
        connz += &operator.expect("\"name\":\"victim\"")?;
    }
    let id = between(&connz, "\"id\":\"", "\"").context("server id")?;
    let entry = connz
        .split("\"cid\":")
        .find(|part| part.contains("\"name\":\"victim\""))
        .context("victim's entry")?;
    let cid: String = entry.chars().take_while(char::is_ascii_digit).collect();
    let body = format!("{{\"cid\":{cid}}}");
    operator.send(format!("PUB $SYS.REQ.SERVER.{id}.KICK reply {}\r\n{body}\r\n", body.len()));
    s.did("server: request $SYS.REQ.SERVER.ID.KICK {\"cid\":N} over its loopback");
    pause(700);
    s.all(&Expected::new(name("victim"), "fin", "server", "kicked"));
    s.open(1, 1);
    s.stop()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

fn account_limit(s: &mut Stage) -> Result<()> {
    let accounts = "accounts { A { users: [{ user: u, password: p }], limits { max_connections: 1 } } }";
    let _server = s.server(accounts)?;
    let _first = s.py("first", "--user u --password p")?;
    let c = s.launch(
        Host::Client,
        Lang::Python,
        "surplus",
        "nats://10.77.2.2:4222",
        "--user u --password p --tries 1",
    )?;
    c.expect("FAILED")?;
    pause(300);
    s.all(&Expected::new(name("surplus"), "fin|rst", "server|client", "account_max_connections"));
    s.open(1, 1);
    s.stop()
}
