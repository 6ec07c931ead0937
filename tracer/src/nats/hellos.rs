//! What was read before and may come again: INFO and CONNECT lines, and lines of messages ([`Recurring`]). A server greets all its clients in the same words but for a few values, and
//! clients of a kind answer in the same: what is known octet by octet is not read again. Bounded.
use super::hello::{Connect, Info, Members, filled};
use super::json;
use super::recurring::Recurring;
use super::session::{ConnectShape, InfoShape};
use std::sync::Arc;

/// Lines remembered of each kind: the servers of a cluster, the kinds of clients.
const MOST: usize = 8;
/// Longer ones are read each time.
const LEN_MAX: usize = 4096;

/// What is remembered.
#[derive(Debug, Default)]
pub struct Hellos {
    infos: Lines<Info, InfoShape>,
    connects: Lines<Connect, ConnectShape>,
    pub(super) recurring: Recurring,
}

impl Hellos {
    /// Reads an INFO.
    pub(super) fn info(&mut self, json: &[u8]) -> Option<(Arc<Info>, InfoShape)> {
        self.infos.read(json)
    }

    /// Reads a CONNECT.
    pub(super) fn connect(&mut self, json: &[u8]) -> Option<(Arc<Connect>, ConnectShape)> {
        self.connects.read(json)
    }
}

/// Lines of one kind, that which came last first.
#[derive(Debug)]
struct Lines<T, S> {
    known: Vec<Known<T, S>>,
}

impl<T, S> Default for Lines<T, S> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

/// A line, and what it says. No secret is in it: a line with one is not remembered.
#[derive(Debug)]
struct Known<T, S> {
    json: Box<[u8]>,
    /// Values that differ from line to line, in their order.
    vary: Vec<Vary>,
    said: Arc<T>,
    shape: S,
}

/// A value's place, quotes included, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Vary {
    key: &'static [u8],
    from: usize,
    to: usize,
}

impl<T: Members, S: Members + Copy> Lines<T, S> {
    fn read(&mut self, json: &[u8]) -> Option<(Arc<T>, S)> {
        let found = self.known.iter().enumerate().find_map(|(at, known)| Some((at, known.again(json)?)));
        if let Some((at, again)) = found {
            if at > 0 {
                self.known.swap(0, at);
            }
            return Some(again);
        }
        let (said, shape, vary) = read(json)?;
        let said = Arc::new(said);
        if let Some(vary) = vary.filter(|_| json.len() <= LEN_MAX) {
            self.known.truncate(MOST - 1);
            self.known.insert(0, Known { json: json.into(), vary, said: Arc::clone(&said), shape });
        }
        Some((said, shape))
    }
}

impl<T: Members, S: Members + Copy> Known<T, S> {
    /// What a line says that is this one but for values that vary; `None`: it is another.
    fn again(&self, json: &[u8]) -> Option<(Arc<T>, S)> {
        if *self.json == *json {
            return Some((Arc::clone(&self.said), self.shape));
        }
        let (mut old, mut new, mut changed) = (0, 0, None);
        loop {
            let (known, line) = (self.json.get(old..)?, json.get(new..)?);
            let same = json::common(known, line);
            if same == known.len() && same == line.len() {
                break;
            }
            // A longer number differs right behind the shorter one.
            let here = |v: &&Vary| v.from >= old && (v.from..=v.to).contains(&(old + same));
            let vary = self.vary.iter().find(here)?;
            let (value, behind) = json::value(json, new + (vary.from - old))?;
            let both = changed.get_or_insert_with(|| (T::clone(&self.said), self.shape));
            both.take(vary.key, value);
            (old, new) = (vary.to, behind);
        }
        Some(
            changed.map_or_else(
                || (Arc::clone(&self.said), self.shape),
                |(said, shape)| (Arc::new(said), shape),
            ),
        )
    }
}

/// Reads a whole line. With it the values that vary, unless it must not be remembered.
fn read<T: Members, S: Members>(json: &[u8]) -> Option<(T, S, Option<Vec<Vary>>)> {
    let (mut both, mut vary) = (<(T, S)>::default(), Some(Vec::new()));
    json::object(json, |key, value| {
        both.take(key, value);
        if T::SECRET.contains(&key) {
            vary = None;
        }
        let Some(all) = &mut vary else { return };
        let Some(key) = T::VARY.iter().find(|&&vary| vary == key) else { return };
        match value.place(json) {
            // Of two members with one name the last counts, wherever the other stands.
            Some(place) if all.iter().all(|v: &Vary| v.key != *key) => {
                all.push(Vary { key, from: place.start, to: place.end });
            }
            _ => vary = None,
        }
    })?;
    Some((both.0, both.1, vary))
}

/// Reads a whole line for once.
pub(super) fn once<T: Members, S: Members>(json: &[u8]) -> Option<(Arc<T>, S)> {
    filled::<(T, S)>(json).map(|(said, shape)| (Arc::new(said), shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(json: &str, hellos: &mut Hellos) {
        assert_eq!(hellos.info(json.as_bytes()), once(json.as_bytes()), "{json:?}");
    }

    fn connect(json: &str, hellos: &mut Hellos) {
        assert_eq!(hellos.connect(json.as_bytes()), once(json.as_bytes()), "{json:?}");
    }

    #[test]
    fn only_what_varies_is_read_again() {
        let mut hellos = Hellos::default();
        let line = |id: &str, ip: &str| {
            format!("{{\"server_id\":\"N\",\"client_id\":{id},\"client_ip\":{ip},\"go\":\"1\"}}")
        };
        for id in ["7", "71", "0", "-1", "7.5", "null", "\"x\"", "[1]", "7x", ""] {
            for ip in ["\"10.0.0.1\"", "\"10.0.0.12\"", "\"\\u0031\"", "\"a\"b\"", "8"] {
                info(&line(id, ip), &mut hellos);
            }
        }
        info("{\"client_id\":1,\"client_id\":2}", &mut hellos);
        info("{\"client_id\":3,\"client_id\":2}", &mut hellos);
        info("{\"client_id\":3,\"client_id\":4} ", &mut hellos);
    }

    #[test]
    fn no_line_with_a_secret_is_remembered() {
        let mut hellos = Hellos::default();
        for key in ["pass", "auth_token", "jwt", "sig", "p\\u0061ss"] {
            connect(&format!("{{\"lang\":\"go\",\"{key}\":\"s3cr3t\",\"name\":\"n\"}}"), &mut hellos);
        }
        assert!(hellos.connects.known.is_empty());
        for n in 0..40 {
            connect(&format!("{{\"lang\":\"l{n}\",\"name\":\"n{n}\"}}"), &mut hellos);
            connect(&format!("{{\"lang\":\"l{n}\",\"name\":\"m{n}\"}}"), &mut hellos);
        }
        assert_eq!(hellos.connects.known.len(), MOST);
    }

    proptest! {
        #[test]
        fn a_line_says_the_same_whatever_was_read_before(
            lines in proptest::collection::vec(proptest::collection::vec(
                ("(client_id|client_ip|nonce|go|ldm|gateway|server_id)", "([0-9]{1,2}|\"[a\\\\\"0]{0,2}\"|null|true|\\[\\])"), 0..4), 1..20),
        ) {
            let mut hellos = Hellos::default();
            for members in lines {
                let members: Vec<String> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                info(&format!("{{{}}}", members.join(",")), &mut hellos);
            }
        }
    }
}
