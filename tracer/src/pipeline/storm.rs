//! Storms of attempts: of one client, or of all at one server.
use crate::base::{Addr, Endpoint, Span, Timestamp};
use crate::event::{Mark, Notice, NoticeCode};
use crate::track::{Clients, Neighbours};
use hashbrown::HashMap;

/// Attempts of one client in [`CLIENT_SPAN`] that are a storm.
const BY_CLIENT: usize = 20;
/// Ten seconds, as the contract has it.
const CLIENT_SPAN: Span = Span::secs(10);
/// Attempts of all clients at one server in [`ALL_SPAN`] that are a storm.
const BY_ALL: usize = 100;
/// A second, as the contract has it.
const ALL_SPAN: Span = Span::secs(1);
/// A storm is told again after so long.
const AGAIN: Span = Span::secs(10);
/// Storms remembered as told.
const TOLD_MAX: usize = 4096;

/// Storms that were told.
#[derive(Debug, Default)]
pub struct Storms {
    told: HashMap<(Endpoint, Option<Addr>), Timestamp, foldhash::fast::RandomState>,
}

impl Storms {
    /// One more attempt, which the neighbours know already: a storm to tell of, once in ten seconds for each client and server.
    pub fn note(
        &mut self,
        mark: Mark,
        client: Endpoint,
        server: Endpoint,
        neighbours: &Neighbours,
        clients: &Clients,
    ) -> Option<Notice> {
        let ends = (client.addr, server);
        let rushes = neighbours.are_rushes(ends, mark.at, (BY_CLIENT, CLIENT_SPAN), (BY_ALL, ALL_SPAN));
        let who = match rushes {
            (true, _) => Some(client.addr),
            (false, true) => None,
            (false, false) => return None,
        };
        let last = self.told.entry((server, who)).or_insert(Timestamp(i64::MIN / 2));
        if mark.at - *last < AGAIN {
            return None;
        }
        *last = mark.at;
        if self.told.len() > TOLD_MAX {
            self.told.clear();
        }
        let message = match who {
            Some(addr) => {
                let times = neighbours.attempts(server, who, mark.at, CLIENT_SPAN);
                format!("{addr} tried to connect to {server} {times} times in 10 s")
            }
            None => {
                let by_all = neighbours.attempts(server, None, mark.at, ALL_SPAN);
                let herd =
                    clients.herd(server, mark.at).map_or(String::new(), |h| format!("; {}", h.in_words()));
                format!("{by_all} attempts to connect to {server} within a second{herd}")
            }
        };
        Some(Notice {
            client: who.map(|addr| Endpoint { addr, port: client.port }),
            server: Some(server),
            ..Notice::new(mark.at, NoticeCode::ReconnectStorm, message)
        })
    }
}
