//! Both directions of one connection: which layer each is in, and the hand-over between layers.
use super::hellos::Hellos;
use super::lines::Lines;
use super::listener::Listener;
use super::mqtt::Mqtt;
use super::op::Op;
use super::opening;
use super::s2::S2;
use super::session::Session;
use super::tls::Tls;
use super::ws::{self, Ws};
use super::{Foreign, Protocol, jetstream};
use crate::base::{PerSide, Side};
use serde::{Deserialize, Serialize};
use std::mem;

/// The decoder of one connection. Fed with both directions' bytes in stream order, holes told by [`Self::gap`]; gives
/// operations. Copies nothing but what a push ends in the middle of; memory is bounded whatever comes.
#[derive(Default, Serialize, Deserialize)]
pub struct Conversation {
    halves: PerSide<Half>,
    session: Session,
}

/// One direction.
#[derive(Default, Serialize, Deserialize)]
struct Half {
    layer: Layer,
    lines: Lines,
}

/// What the bytes of a direction are now. The larger ones are rare, hence boxed.
#[derive(Default, Serialize, Deserialize)]
pub(super) enum Layer {
    /// Not decided.
    #[default]
    Opening,
    /// NATS.
    Plain,
    /// TLS records.
    Tls(Box<Tls>),
    /// WebSocket frames.
    Ws(Box<Ws>),
    /// S2 chunks with NATS in them.
    S2(Box<S2>),
    /// MQTT packets.
    Mqtt(Box<Mqtt>),
    /// Nothing that is read.
    Foreign,
}

impl Conversation {
    /// A connection seen from its beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it can be written down and read again without loss.
    #[must_use]
    pub fn can_rest(&self) -> bool {
        Side::BOTH.iter().all(|&side| !matches!(&self.halves[side].layer, Layer::Ws(ws) if ws.inflates()))
    }

    /// Observation began in the middle: both directions seek a certain line first.
    pub fn midstream(&mut self) {
        self.session.midstream = true;
        for side in Side::BOTH {
            let half = &mut self.halves[side];
            half.layer = Layer::Plain;
            half.lines.lose();
        }
    }

    /// As new, in the same memory where that is small.
    pub fn empty(&mut self) {
        for half in [&mut self.halves.client, &mut self.halves.server] {
            half.layer = Layer::Opening;
            half.lines.empty();
        }
        self.session = Session::default();
    }

    /// Takes the next bytes of one side's stream.
    #[inline(always)]
    pub fn push(&mut self, from: Side, bytes: &[u8], emit: &mut impl Listener) {
        let half = &mut self.halves[from];
        if self.session.midstream {
            join_ws(half, &mut self.session, bytes);
        }
        feed(&mut half.layer, &mut half.lines, &mut self.session, from, bytes, emit);
    }

    /// `missing` bytes of that side's stream will never come: lost by the capture, or cut by its snap length.
    pub fn gap(&mut self, from: Side, missing: u64, emit: &mut impl Listener) {
        if missing > 0 {
            let half = &mut self.halves[from];
            gap(&mut half.layer, &mut half.lines, from, missing, emit);
        }
    }

    /// The message that these octets of a side are, if its line was known before: told by no listener, it changes nothing here. And
    /// whether it shows that it is JetStream's ([`Op::JetStream`]).
    #[inline(always)]
    pub fn recurs<'b>(&self, from: Side, bytes: &'b [u8], known: &Hellos) -> Option<(Op<'b>, bool)> {
        let half = &self.halves[from];
        if !matches!(half.layer, Layer::Plain) || !half.lines.is_at_line() || self.session.is_open() {
            return None;
        }
        let (op, payload) = known.recurring.read(bytes)?;
        Some((op, jetstream::shows(&op, payload)))
    }

    /// Whether that side's next line is sought and not even its beginning was found: a hole changes nothing.
    #[must_use]
    #[inline(always)]
    pub fn knows_nothing(&self, side: Side) -> bool {
        let half = &self.halves[side];
        matches!(half.layer, Layer::Plain) && half.lines.knows_nothing()
    }

    /// What the bytes so far tell.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.session.protocol()
    }

    /// Whether that side's stream so far ends inside an operation, its payload, or a record or frame around it.
    #[must_use]
    #[inline(always)]
    pub fn is_mid_message(&self, side: Side) -> bool {
        let half = &self.halves[side];
        match &half.layer {
            Layer::Plain => half.lines.is_mid_message(),
            layer => layer.is_mid_message(&half.lines),
        }
    }

    /// Whether that side's stream is past a hole and no certain line was found so far: what it says is not seen.
    #[must_use]
    pub fn is_lost(&self, side: Side) -> bool {
        self.halves[side].lines.is_lost()
    }

    /// Bytes so far of a control line that is not finished; 0 where there is none.
    #[must_use]
    pub fn pending_line(&self, side: Side) -> u32 {
        let half = &self.halves[side];
        if matches!(half.layer, Layer::Opening) { 0 } else { half.lines.pending_line() }
    }

    /// The roles were guessed wrong: what was the client's is the server's from here.
    pub fn swap_sides(&mut self) {
        self.halves.swap();
        self.session.swap_sides();
    }
}

impl Layer {
    /// TLS begins with the next byte.
    pub fn tls<F: Listener + ?Sized>(session: &mut Session, emit: &mut F) -> Self {
        session.saw_tls();
        if session.tls_mismatch() {
            emit.op(Side::Client, Op::Foreign(Foreign::Tls));
        }
        Self::Tls(Box::default())
    }

    /// WebSocket frames begin with the next byte.
    pub fn ws(session: &Session) -> Self {
        let inner = if session.is_mqtt() { Self::Mqtt(Box::default()) } else { Self::Plain };
        Self::Ws(Box::new(Ws::new(inner)))
    }

    /// Whether the stream so far ends inside something.
    pub fn is_mid_message(&self, lines: &Lines) -> bool {
        match self {
            Self::Opening => !lines.held.is_empty(),
            Self::Plain => lines.is_mid_message(),
            Self::Tls(tls) => tls.is_mid_record(),
            Self::Ws(ws) => ws.is_mid_frame(lines),
            Self::S2(s2) => s2.is_mid_chunk() || lines.is_mid_message(),
            Self::Mqtt(mqtt) => mqtt.is_mid_packet(),
            Self::Foreign => false,
        }
    }
}

/// Gives bytes to the layer they are of; where one layer ends and another begins, the rest goes on there.
#[inline(always)]
pub(super) fn feed<F>(
    layer: &mut Layer,
    lines: &mut Lines,
    session: &mut Session,
    from: Side,
    bytes: &[u8],
    emit: &mut F,
) where
    F: Listener + ?Sized,
{
    if !matches!(layer, Layer::Plain) {
        feed_other(layer, lines, session, from, bytes, emit);
    } else if let Some(left) = lines.push(session, from, bytes, emit) {
        let rest = bytes.get(bytes.len().saturating_sub(left)..).unwrap_or(b"");
        *layer = begin(rest, lines, session, emit);
        feed_layer(layer, lines, session, from, rest, emit);
    }
}

/// What is not plain NATS, or not known to be.
#[inline(never)]
fn feed_other<F>(
    layer: &mut Layer,
    lines: &mut Lines,
    session: &mut Session,
    from: Side,
    bytes: &[u8],
    emit: &mut F,
) where
    F: Listener + ?Sized,
{
    if matches!(layer, Layer::Opening) && !lines.held.is_empty() {
        let mut all = mem::take(&mut lines.held);
        all.extend_from_slice(bytes);
        feed_layer(layer, lines, session, from, &all, emit);
    } else {
        feed_layer(layer, lines, session, from, bytes, emit);
    }
}

/// The same; in an opening, with all of it.
fn feed_layer<F>(
    layer: &mut Layer,
    lines: &mut Lines,
    session: &mut Session,
    from: Side,
    bytes: &[u8],
    emit: &mut F,
) where
    F: Listener + ?Sized,
{
    let mut rest = bytes;
    while !rest.is_empty() {
        match layer {
            Layer::Opening => {
                let Some((next, used)) = opening::decide(rest, session, from, emit) else {
                    lines.held.extend_from_slice(rest.get(..opening::MAX_HELD).unwrap_or(rest));
                    return;
                };
                *layer = next;
                rest = rest.get(used..).unwrap_or(b"");
            }
            Layer::Plain => {
                let Some(left) = lines.push(session, from, rest, emit) else { return };
                rest = rest.get(rest.len().saturating_sub(left)..).unwrap_or(b"");
                *layer = begin(rest, lines, session, emit);
            }
            Layer::Tls(tls) => return tls.push(from, rest, emit),
            Layer::Ws(ws) => return ws.push(lines, session, from, rest, emit),
            Layer::S2(s2) => return s2.push(lines, session, from, rest, emit),
            Layer::Mqtt(mqtt) => return mqtt.push(from, rest, emit),
            Layer::Foreign => return,
        }
    }
}

/// A WebSocket joined in the middle: frames where a certain line is sought. Asked at the outermost layer only, so that
/// frames in frames can't nest.
#[cold]
fn join_ws(half: &mut Half, session: &mut Session, bytes: &[u8]) {
    let sought = matches!(half.layer, Layer::Plain) && half.lines.is_lost();
    let open = session.is_open() || session.protocol() == Protocol::WebSocket;
    // A data message in one frame, or its first one, compressed or not.
    let begins = matches!(bytes.first(), Some(0x01 | 0x02 | 0x41 | 0x42 | 0x81 | 0x82 | 0xc1 | 0xc2));
    if sought && open && begins && ws::is_plausible(bytes) {
        session.carried_by(Protocol::WebSocket);
        half.layer = Layer::Ws(Box::new(Ws::new(Layer::Plain)));
        half.lines.lose();
    }
}

/// The layer that begins in the middle of plain NATS.
fn begin<F>(rest: &[u8], lines: &mut Lines, session: &mut Session, emit: &mut F) -> Layer
where
    F: Listener + ?Sized,
{
    let joined = lines.is_lost();
    *lines = Lines::default();
    if rest.first() == Some(&0xff) {
        return Layer::S2(Box::default());
    }
    let layer = Layer::tls(session, emit);
    if joined { Layer::Tls(Box::new(Tls::joined())) } else { layer }
}

/// Tells a hole to the layer it is in.
pub(super) fn gap<F>(layer: &mut Layer, lines: &mut Lines, from: Side, missing: u64, emit: &mut F)
where
    F: Listener + ?Sized,
{
    match layer {
        Layer::Opening => {
            lines.lose();
            *layer = Layer::Plain;
        }
        Layer::Plain => lines.gap(from, missing, emit),
        Layer::Tls(tls) => tls.gap(missing, from, emit),
        Layer::Ws(ws) => ws.gap(lines, from, missing, emit),
        Layer::S2(s2) => s2.gap(lines, from, missing, emit),
        Layer::Mqtt(mqtt) => mqtt.gap(missing),
        Layer::Foreign => {}
    }
}
