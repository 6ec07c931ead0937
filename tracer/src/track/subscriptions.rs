//! Which subscriptions a living connection holds.
use super::{ConnId, FlowKey, Tracker};
use crate::base::{Endpoint, Side};

impl Tracker {
    /// How many subscriptions this connection holds, where all of its client's octets were seen.
    #[must_use]
    pub fn held_subscriptions(&self, id: ConnId, client: Endpoint, server: Endpoint) -> Option<u64> {
        let slot = *self.index.get(&FlowKey::new(client, server))?;
        let conn = self.connection(slot).filter(|c| c.first_frame == id)?;
        if conn.end(Side::Client).stream.missing > 0 {
            return None;
        }
        conn.session_facts()?.held_subscriptions()
    }
}
