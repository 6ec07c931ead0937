//! F2: what crosses the floors: facts about a connection, its close, its cause, evidence, events. Plain values.
mod around;
mod close;
mod evidence;
mod facts;
mod host;
mod idle;
mod input;
mod notice;
mod rare;
mod selection;

pub use around::{Around, Herd, Joint, KnownClient, Latency, Maker, OtherLeg, ProcessEnd, ServerReason};
pub use close::{
    Cause, Close, CloseReport, Family, Handshake, Kind, Pace, Party, Reconnect, ReconnectOutcome, Summary,
    Tried, TriedServer,
};
pub use evidence::{Evidence, FrameRef, Mark, Source, Text};
pub use facts::{
    AtRisk, Closings, EndedBy, ErrorText, Facts, Foreign, IcmpFact, IcmpKind, MqttFacts, NatsFacts, Owed,
    PingFacts, Protocol, ProxySign, ResetFacts, Rooms, Rtt, TcpFacts, TlsAlert, TlsFacts, Unanswered, Unseen,
    Vantage, WsClose, ZeroWindow,
};
pub use host::{Coverage, DropFact, Host, HostEnd, HostFacts, Repeats};
pub use input::{Frame, Place};
pub use notice::{Event, Notice, NoticeCode};
pub use rare::{Rare, Usual};
pub use selection::Selection;
