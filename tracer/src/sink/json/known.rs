//! What servers call themselves, as it was written: the connections of a capture end at few of them.
use crate::nats::Info;
use ecow::EcoString;

/// So many servers are remembered.
const MANY: usize = 4;

/// What takes more is written each time.
const LONGEST: usize = 1 << 10;

/// The names of the last few servers, and the members that tell them.
#[derive(Default)]
pub(super) struct Servers {
    known: [Option<Named>; MANY],
    /// The place of the next.
    next: usize,
}

struct Named {
    id: EcoString,
    name: EcoString,
    version: EcoString,
    written: Vec<u8>,
}

impl Servers {
    /// Appends what was written of this server; whether it is known.
    pub fn put(&self, info: &Info, buf: &mut Vec<u8>) -> bool {
        let known = self.known.iter().flatten().find(|known| {
            known.id == info.server_id && known.name == info.server_name && known.version == info.version
        });
        if let Some(known) = known {
            buf.extend_from_slice(&known.written);
        }
        known.is_some()
    }

    /// Remembers what was written of it.
    pub fn keep(&mut self, info: &Info, written: &[u8]) {
        let Some(place) = self.known.get_mut(self.next).filter(|_| written.len() <= LONGEST) else { return };
        *place = Some(Named {
            id: info.server_id.clone(),
            name: info.server_name.clone(),
            version: info.version.clone(),
            written: written.to_vec(),
        });
        self.next = (self.next + 1) % MANY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: &str) -> Info {
        Info { server_id: id.into(), version: "2.15.1".into(), ..Info::default() }
    }

    #[test]
    fn the_last_few_are_known() {
        let mut servers = Servers::default();
        let ids: Vec<String> = (0..=MANY).map(|n| n.to_string()).collect();
        for id in &ids {
            assert!(!servers.put(&info(id), &mut Vec::new()));
            servers.keep(&info(id), id.as_bytes());
        }
        let mut buf = Vec::new();
        let found: Vec<bool> = ids.iter().map(|id| servers.put(&info(id), &mut buf)).collect();
        assert_eq!((found, &*buf), (vec![false, true, true, true, true], b"1234".as_slice()));
        let other = Info { version: "2.15.2".into(), ..info("1") };
        assert!(!servers.put(&other, &mut buf));
    }

    #[test]
    fn what_is_long_is_not_kept() {
        let mut servers = Servers::default();
        servers.keep(&info("1"), &[b' '; LONGEST + 1]);
        assert!(!servers.put(&info("1"), &mut Vec::new()));
    }
}
