//! The decoder as its user sees it: bytes in, operations out.
mod carriers;
mod grammar;
mod holes;
mod opening;
mod random;
mod tls;

use super::*;
use crate::base::Side;
use Side::{Client as C, Server as S};

/// What is fed: bytes of a side, or a hole in its stream.
#[derive(Clone, Debug)]
enum Step {
    Bytes(Side, Vec<u8>),
    Gap(Side, u64),
}

fn b(side: Side, bytes: impl AsRef<[u8]>) -> Step {
    Step::Bytes(side, bytes.as_ref().to_vec())
}

/// An operation as text: side letter, then the operation with its bytes readable.
fn show(side: Side, op: &Op<'_>) -> String {
    let t = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let o = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), t);
    let text = match *op {
        Op::Info { json, .. } => format!("INFO {}", t(json)),
        Op::Connect { json, .. } => format!("CONNECT {}", t(json)),
        Op::Pub { subject, reply, header, total, line } => {
            format!("PUB {} {} {header} {total} line={line}", t(subject), o(reply))
        }
        Op::Msg { subject, sid, reply, header, total } => {
            format!("MSG {} {} {} {header} {total}", t(subject), t(sid), o(reply))
        }
        Op::Routed { subject, reply, header, total } => {
            format!("ROUTED {} {} {header} {total}", t(subject), o(reply))
        }
        Op::Status { code, description } => format!("STATUS {code} {}", t(description)),
        Op::MessageEnd => "END".into(),
        Op::Sub { subject, queue, sid, .. } => format!("SUB {} {} {}", t(subject), o(queue), t(sid)),
        Op::Unsub { sid, max } => format!("UNSUB {} {max:?}", t(sid)),
        Op::LinkSub { verb, args } => format!("{verb:?} {}", t(args)),
        Op::Err { text } => format!("ERR {}", t(text)),
        Op::Malformed { what, .. } => format!("BAD {what:?}"),
        Op::Http { request } => format!("HTTP {}", t(request)),
        Op::WsUpgrade { path, forwarded_for } => format!("UPGRADE {} {}", t(path), o(forwarded_for)),
        Op::WsClose { code, reason } => format!("CLOSE {code} {}", t(reason)),
        Op::Mqtt(MqttPacket::Connect { client_id, keepalive, user }) => {
            format!("MQTT {} {keepalive} {}", t(client_id), o(user))
        }
        ref other => format!("{other:?}"),
    };
    format!("{}: {text}", if side == C { "c" } else { "s" })
}

/// Feeds the steps to a conversation.
fn drive(conversation: &mut Conversation, steps: &[Step]) -> Vec<String> {
    let mut seen = Vec::new();
    let mut emit = |side, op: Op<'_>| seen.push(show(side, &op));
    for step in steps {
        match step {
            Step::Bytes(side, bytes) => conversation.push(*side, bytes, &mut emit),
            Step::Gap(side, n) => conversation.gap(*side, *n, &mut emit),
        }
    }
    seen
}

/// The same with a new one.
fn run(steps: &[Step]) -> (Conversation, Vec<String>) {
    let mut conversation = Conversation::new();
    let seen = drive(&mut conversation, steps);
    (conversation, seen)
}

/// Feeds one side's bytes on an established plain client connection.
fn plain(side: Side, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let mut conversation = Conversation::new();
    drive(&mut conversation, &[b(S, INFO), b(C, "CONNECT {\"lang\":\"go\"}\r\n")]);
    drive(&mut conversation, &[b(side, bytes)])
}

/// The steps, and the steps with every Bytes cut in two at every place: always the same operations.
fn same_at_every_split(steps: &[Step]) -> Vec<String> {
    let (_, whole) = run(steps);
    for (n, step) in steps.iter().enumerate() {
        let Step::Bytes(side, bytes) = step else { continue };
        for at in 1..bytes.len() {
            let mut cut = steps.to_vec();
            cut.splice(n..=n, [b(*side, &bytes[..at]), b(*side, &bytes[at..])]);
            assert_eq!(run(&cut).1, whole, "step {n} cut at {at}");
        }
    }
    let bytewise: Vec<Step> = steps
        .iter()
        .flat_map(|step| match step {
            Step::Bytes(side, bytes) => bytes.iter().map(|byte| b(*side, [*byte])).collect(),
            gap @ Step::Gap(..) => vec![gap.clone()],
        })
        .collect();
    assert_eq!(run(&bytewise).1, whole, "bytewise");
    whole
}

const INFO: &str = "INFO {\"server_id\":\"N1\",\"proto\":1,\"client_id\":4,\"headers\":true} \r\n";

#[test]
fn small() {
    assert!(size_of::<Conversation>() <= 192, "{}", size_of::<Conversation>());
}
