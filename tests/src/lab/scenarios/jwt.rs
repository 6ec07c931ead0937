//! Decentralised credentials: JWTs whose time is over, that are revoked, or whose limits shrink under a connection.
use super::super::client::{Client, Lang};
use super::super::server::Server;
use super::super::stage::{config, pause};
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, name};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario { name: "auth_expired", what: "a user's JWT expires while it is connected", play: user_expires },
    Scenario {
        name: "auth_expired_account",
        what: "an account's JWT expires under its two clients",
        play: account_expires,
    },
    Scenario {
        name: "auth_expired_before",
        what: "a client comes with a JWT that has expired",
        play: expired_before,
    },
    Scenario { name: "auth_revoked", what: "a user's JWT is revoked while it is connected", play: revoked },
    Scenario {
        name: "max_subscriptions",
        what: "an account's limit sinks below the subscriptions of a connection",
        play: subscriptions,
    },
];

/// A connected nats.js with the user's credentials; `args` beside them.
fn client(s: &mut Stage, host: Host, who: &str, args: &str) -> Result<Client> {
    let mut client = launch(s, host, who, args)?;
    client.ready()?;
    Ok(client)
}

fn launch(s: &mut Stage, host: Host, who: &str, args: &str) -> Result<Client> {
    let creds = s.scratch().join("user.creds").display().to_string();
    let client =
        s.launch(host, Lang::Js, who, "nats://10.77.2.2:4222", &format!("--creds {creds} {args}"))?;
    // The folder is another one each time.
    if let Some(made) = s.truth.made.clients.last_mut() {
        *made = made.replace(&creds, "CREDS");
    }
    Ok(client)
}

fn server(s: &mut Stage, words: &str) -> Result<Server> {
    let operator = s.operator(words)?;
    s.did(&format!("server: operator mode, JWTs made with: {words}"));
    s.server(&operator)
}

/// Another account JWT, by reload.
fn push(s: &mut Stage, server: &Server, words: &str) -> Result<()> {
    let operator = s.operator(words)?;
    server.reload(&config(&operator))?;
    s.did(&format!("server: account JWT made anew with: {words}; kill -HUP nats-server"));
    Ok(())
}

fn user_expires(s: &mut Stage) -> Result<()> {
    let server = server(s, "--user-expires 4")?;
    let gone = client(s, Host::Client, "gone", "--sub a")?;
    gone.expect("CLOSED")?;
    s.confirm(&server, "Expired")?;
    s.all(&Expected::new(name("gone"), "fin|rst", "server|client", "auth_expired"));
    s.open(0, 0);
    Ok(())
}

fn account_expires(s: &mut Stage) -> Result<()> {
    let server = server(s, "--account-expires 4")?;
    let one = client(s, Host::Client, "one", "--sub a")?;
    let two = client(s, Host::Other, "two", "--sub a")?;
    one.expect("CLOSED")?;
    two.expect("CLOSED")?;
    s.confirm(&server, "Expired")?;
    s.all(&Expected::new(name("one"), "fin|rst", "server|client", "auth_expired"));
    s.at("router server", &Expected::new(name("two"), "fin|rst", "server|client", "auth_expired"));
    s.open(0, 0);
    Ok(())
}

fn expired_before(s: &mut Stage) -> Result<()> {
    let _server = server(s, "--user-expires 1")?;
    pause(2200);
    let late = launch(s, Host::Client, "late", "--tries 1")?;
    late.expect("FAILED")?;
    pause(300);
    // The server says no more than that the credentials are not accepted.
    s.all(&Expected::new(name("late"), "fin|rst", "server|client", "authorization_violation|auth_expired"));
    s.open(0, 0);
    Ok(())
}

fn revoked(s: &mut Stage) -> Result<()> {
    let server = server(s, "")?;
    let gone = client(s, Host::Client, "gone", "--sub a")?;
    pause(300);
    push(s, &server, "--revoke")?;
    gone.expect("CLOSED")?;
    s.confirm(&server, "Credentials Revoked")?;
    s.all(&Expected::new(name("gone"), "fin|rst", "server|client", "auth_revoked"));
    s.open(0, 0);
    Ok(())
}

fn subscriptions(s: &mut Stage) -> Result<()> {
    let server = server(s, "")?;
    let many = client(s, Host::Client, "many", "--sub a --sub b --sub c --sub d")?;
    let _few = client(s, Host::Other, "few", "--sub a")?;
    pause(300);
    push(s, &server, "--subs 2")?;
    many.expect("CLOSED")?;
    s.confirm(&server, "maximum subscriptions exceeded")?;
    s.all(&Expected::new(name("many"), "fin|rst", "server|client", "max_subscriptions"));
    s.open(1, 0);
    s.stop()
}
