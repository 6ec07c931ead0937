//! Clients that leave.
use super::close;
use crate::lab::stage::pause;
use crate::live::scene::{ANYHOW, CLIENT, EVERYWHERE, KERNEL, SERVER};
use crate::live::{Fault, Mode, Scene};
use anyhow::Result;

/// What is here.
pub const LIST: &[Fault] = &[
    Fault { name: "clean_close", what: "a nats-py client closes", play: clean_close },
    Fault { name: "client_sigkill", what: "an idle client is killed (SIGKILL)", play: sigkill },
    Fault { name: "client_abort", what: "a client resets (SO_LINGER 0) and lives on", play: abort },
];

fn clean_close(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let (mut client, owner) = s.py("orders", "--sub a")?;
    client.say("pub a 20")?;
    pause(500);
    s.now();
    client.say("close")?;
    s.want(EVERYWHERE, ANYHOW, &close(&client, "fin", "client", "client_closed").by(&owner));
    s.done();
    Ok(())
}

fn sigkill(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let (mut client, owner) = s.py("worker", "--sub a")?;
    pause(500);
    s.now();
    client.signal(libc::SIGKILL)?;
    client.wait()?;
    // On the wire a killed client looks like one that closes; its own host's kernel knows better.
    let guess = close(&client, "fin", "client", "client_closed|client_process_exit").by(&owner);
    s.want(SERVER, ANYHOW, &guess);
    s.want(CLIENT, &[Mode::Packets], &guess);
    let me = std::process::id().to_string();
    let known = close(&client, "fin", "client", "client_process_exit").by(&owner);
    s.want(CLIENT, KERNEL, &known.says("kernel", &["SIGKILL", &me]));
    s.done();
    Ok(())
}

fn abort(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let (mut client, owner) = s.py("cart", "")?;
    pause(500);
    s.now();
    client.say("reset")?;
    let guess = close(&client, "rst", "client", "client_closed|client_process_exit").by(&owner);
    s.want(SERVER, ANYHOW, &guess);
    s.want(CLIENT, &[Mode::Packets], &guess);
    let known = close(&client, "rst", "client", "client_closed").by(&owner);
    s.want(CLIENT, KERNEL, &known.says("kernel", &[]));
    s.done();
    Ok(())
}
