//! Events: what leaves the core.
use super::{CloseReport, Facts, Reconnect, Summary};
use crate::base::{Endpoint, Timestamp};

/// What an `event` line tells: its code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NoticeCode {
    /// A client's window stays closed; no close yet.
    SlowConsumerBuilding,
    /// Many attempts in short time.
    ReconnectStorm,
    /// Another server_id on the same address.
    ServerRestarted,
    /// INFO ldm.
    LameDuckAnnounced,
    /// Frames were lost by the capture.
    CaptureLoss,
    /// Failed attempts counted, not listed.
    AttemptsFolded,
    /// A connection called dead spoke again.
    ConnectionResumed,
    /// A connection was forgotten for want of room.
    Evicted,
    /// Capture time jumped.
    ClockStep,
}

impl NoticeCode {
    /// The contract's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowConsumerBuilding => "slow_consumer_building",
            Self::ReconnectStorm => "reconnect_storm",
            Self::ServerRestarted => "server_restarted",
            Self::LameDuckAnnounced => "lame_duck_announced",
            Self::CaptureLoss => "capture_loss",
            Self::AttemptsFolded => "attempts_folded",
            Self::ConnectionResumed => "connection_resumed",
            Self::Evicted => "evicted",
            Self::ClockStep => "clock_step",
        }
    }
}

/// One `event` line.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// What.
    pub code: NoticeCode,
    /// One sentence.
    pub message: String,
    /// The connection, where it is about one.
    pub flow: Option<u64>,
    /// The client, where it is about one.
    pub client: Option<Endpoint>,
    /// The server, where it is about one.
    pub server: Option<Endpoint>,
}

impl Notice {
    /// About no connection, client or server in particular.
    #[must_use]
    pub const fn new(at: Timestamp, code: NoticeCode, message: String) -> Self {
        Self { at, code, message, flow: None, client: None, server: None }
    }
}

/// What the pipeline gives to the sinks.
#[derive(Clone, Debug)]
pub enum Event {
    /// A connection ended.
    Close(Box<CloseReport>),
    /// What became of an earlier close, learned later (live).
    Reconnect {
        /// When it was learned.
        at: Timestamp,
        /// The lost connection.
        after: u64,
        /// What became of it.
        reconnect: Reconnect,
    },
    /// Worth telling but no close.
    Notice(Notice),
    /// The counts; last in a run, or every so often.
    Summary(Box<Summary>),
}

impl Event {
    /// The facts of a close, for their memory: nobody reads it any more.
    #[must_use]
    pub fn into_facts(self) -> Option<Box<Facts>> {
        match self {
            Self::Close(report) => Some(report.facts),
            _ => None,
        }
    }
}
