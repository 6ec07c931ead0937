//! Steps to frames. Two hosts talk TCP as far as sequence numbers, acknowledgements, windows and identifications go; when
//! and what they send is the script's.
//!
//! | step | meaning |
//! | --- | --- |
//! | `NAME = ADDR[:PORT] [ttl N] [id N] [iss N]` | a host's end; names that begin with `s` listen |
//! | `X > FLAGS ["octets"]` | a segment: `S`, `SA`, `A`, `PA`, `FA`, `PA+F`, `R`, `RA` |
//! | `X > win N` | a bare ACK that offers that window (unscaled), kept for what follows |
//! | `X > rtx` | the oldest segment the peer's ACKs don't cover, once more |
//! | `X > ka`, `X > zwp` | keepalive or window probe: nothing, one octet behind |
//! | `X > pub SUBJECT N`, `X > msg SUBJECT N` | one PUB or MSG with N octets of payload |
//! | `R > icmp KIND of X[:Y]` | an ICMP error that quotes the last segment X sent (to Y): `frame::ERRORS` |
//! | `tcp C[:S]`, `hello C[:S] [name= lang= version= user= id= server=]` | handshake; with INFO, CONNECT, PING, PONG |
//! | `proxied C:S C2:S2` | the same by way of a proxy, whose ends are S and C2; both legs are captured |
//! | `end`, `lost` | a stranger's frame; the capture says that it lost a frame |
//! | `log "LINE"`, `connz "JSON"`, `varz "JSON"` | what a server's log or its monitoring says |
//!
//! `here …` and `k …` are what a live trace is told by its kernel: see [`kernel`].
//!
//! Words after a segment: `drop` (captured, never arrived), `unseen` (arrived, never captured), `twice` (captured once more,
//! by another interface), `late=TIME` (captured so much later), `xN/TIME` (N times, gaps doubling from TIME), `xN@TIME`
//! (N times, equal gaps), `times=N` (the octets N times), `len=N` (filler), and what overrides a field: `ttl=`, `id=`,
//! `win=`, `snap=` (captured octets), `seq=`, `ack=` (absolute, or `+N`/`-N` beside what would be sent).
use super::frame::{self, ACK, FIN, RST, SYN, Segment};
use super::kernel::{self, Said};
use super::parse::{Step, Word, span};
use anyhow::{Context as _, Result, bail};
use natstrace::base::Endpoint;
use natstrace::nats::{connz, server_log};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// A captured frame; no octets: the capture lost one.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Nanoseconds after the script's begin.
    pub at: i64,
    /// Which interface.
    pub iface: u32,
    /// What was captured.
    pub bytes: Vec<u8>,
    /// Octets on the wire.
    pub wire_len: usize,
    /// No frame, but what the kernel says.
    pub said: Option<Said>,
}

/// Ways to play a script that must not matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// As written.
    Plain,
    /// Every frame is captured on two interfaces.
    Twice,
    /// Sequence numbers wrap within the first octets.
    Wrap,
}

impl Variant {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Twice, Self::Wrap];
}

/// One end that a script names.
#[derive(Clone, Debug)]
struct Host {
    addr: (IpAddr, u16),
    ttl: u8,
    id: u16,
    iss: u32,
    window: u16,
}

/// One end of a connection.
#[derive(Clone, Debug, Default)]
struct End {
    /// Next sequence number it will use.
    next: u32,
    /// Next it expects; `None` before anything arrived.
    expects: Option<u32>,
    /// What arrived beyond that.
    early: Vec<(u32, u32)>,
    /// Highest acknowledgement that arrived here.
    acked: u32,
    /// What it sent, to repeat it.
    sent: Vec<(u32, u32, u8, Vec<u8>)>,
}

/// A connection by its ends' names.
#[derive(Clone, Debug, Default)]
struct Flow {
    ends: BTreeMap<String, End>,
    last: BTreeMap<String, Segment>,
}

#[derive(Default)]
struct World {
    now: i64,
    hosts: BTreeMap<String, Host>,
    order: Vec<String>,
    flows: BTreeMap<(String, String), Flow>,
    peers: BTreeMap<String, String>,
    frames: Vec<Captured>,
    wrap: bool,
    snaplen: Option<usize>,
}

/// Plays the steps.
pub fn play(steps: &[Step], variant: Variant) -> Result<Vec<Captured>> {
    let mut world = World { wrap: variant == Variant::Wrap, ..World::default() };
    for step in steps {
        world.now += step.after;
        world.step(&step.words).with_context(|| format!("line {}", step.line))?;
    }
    let mut frames = world.frames;
    if variant == Variant::Twice {
        let again: Vec<Captured> = frames
            .iter()
            .filter(|f| !f.bytes.is_empty())
            .map(|f| Captured { at: f.at + 15_000, iface: f.iface + 8, ..f.clone() })
            .collect();
        frames.extend(again);
    }
    frames.sort_by_key(|f| f.at);
    Ok(frames)
}

impl World {
    fn step(&mut self, words: &[Word]) -> Result<()> {
        let bare: Vec<&str> = words.iter().map(|w| w.bare().unwrap_or("\"\"")).collect();
        match bare.as_slice() {
            [] => Ok(()),
            [name, "=", addr, rest @ ..] => self.host(name, addr, rest),
            ["end"] => self.capture(0, frame::stranger()),
            ["lost"] => {
                self.tell(None);
                Ok(())
            }
            ["here", names @ ..] => {
                let ends = names.iter().map(|name| self.endpoint(name)).collect::<Result<_>>()?;
                self.tell(Some(Said::Here(ends)));
                Ok(())
            }
            ["k", "rule", way, _] => {
                let Some(Word::Quoted(text)) = words.last() else { bail!("k rule X>Y \"text\"") };
                let text = String::from_utf8(text.clone())?;
                self.kernel(&["rule", way, &text])
            }
            ["k", rest @ ..] => self.kernel(rest),
            [who @ ("log" | "connz" | "varz"), _] => {
                let Some(Word::Quoted(text)) = words.last() else { bail!("{who} \"text\"") };
                let said = match *who {
                    "log" => Said::Log(server_log::log_line(text).context("a line that says nothing")?),
                    "connz" => Said::Closed(connz::closed_list(text)?),
                    _ => Said::Varz(Box::new(connz::varz(text)?)),
                };
                self.tell(Some(said));
                Ok(())
            }
            ["snaplen", octets] => {
                self.snaplen = Some(octets.parse()?);
                Ok(())
            }
            ["tcp", who] => self.tcp(who),
            ["hello", who, rest @ ..] => self.hello(who, rest),
            ["proxied", front, back] => self.proxied(front, back),
            [who, ">", "icmp", kind, "of", about] => self.icmp(who, kind, about),
            [who, ">", ..] => self.send(who, words.get(2..).unwrap_or_default()),
            _ => bail!("no such step: {}", bare.join(" ")),
        }
    }

    fn host(&mut self, name: &str, addr: &str, rest: &[&str]) -> Result<()> {
        let addr = match addr.parse::<SocketAddr>() {
            Ok(addr) => (addr.ip(), addr.port()),
            Err(_) => (addr.parse().with_context(|| format!("'{addr}' is no address"))?, 0),
        };
        let listens = name.starts_with('s');
        let no = self.order.len() as u32;
        let iss = if self.wrap { u32::MAX - 40 - 30 * no } else { 1_000_000 * (no + 1) };
        let mut host = Host {
            addr,
            ttl: if listens { 62 } else { 61 },
            id: 1000u16.wrapping_mul(no as u16 + 1),
            iss,
            window: 502,
        };
        for pair in rest.chunks(2) {
            match *pair {
                ["ttl", n] => host.ttl = n.parse()?,
                ["id", n] => host.id = n.parse()?,
                ["iss", n] => host.iss = n.parse()?,
                _ => bail!("a host has no {}", pair.join(" ")),
            }
        }
        self.hosts.insert(name.to_owned(), host);
        self.order.push(name.to_owned());
        Ok(())
    }

    /// `c`, `c:s2`: who sends, and to whom: whom it spoke with last, else the first of the other kind.
    fn ends(&mut self, who: &str) -> Result<(String, String)> {
        let (from, to) = match who.split_once(':') {
            Some((from, to)) => (from, Some(to.to_owned())),
            None => (who, None),
        };
        let listens = |name: &str| name.starts_with('s');
        let other =
            || self.order.iter().find(|n| listens(n) != listens(from) && !n.starts_with('r')).cloned();
        let to = to.or_else(|| self.peers.get(from).cloned()).or_else(other).context("to whom?")?;
        for name in [from, &to] {
            self.hosts.get(name).with_context(|| format!("who is '{name}'?"))?;
        }
        self.peers.insert(from.to_owned(), to.clone());
        self.peers.entry(to.clone()).or_insert_with(|| from.to_owned());
        Ok((from.to_owned(), to))
    }

    /// The connection of two ends; where it was not opened before our eyes, both know where they are.
    fn flow(&mut self, from: &str, to: &str) -> Result<&mut Flow> {
        let key = if from < to { (from, to) } else { (to, from) };
        let iss = |name: &str| self.hosts.get(name).map(|h| h.iss).context("no such host");
        let (mine, theirs) = (iss(from)?, iss(to)?);
        Ok(self.flows.entry((key.0.to_owned(), key.1.to_owned())).or_insert_with(|| {
            let end =
                |next: u32, expects: u32| End { next, expects: Some(expects), acked: next, ..End::default() };
            let ends = [(from.to_owned(), end(mine, theirs)), (to.to_owned(), end(theirs, mine))];
            Flow { ends: ends.into(), last: BTreeMap::new() }
        }))
    }

    fn tcp(&mut self, who: &str) -> Result<()> {
        let (there, back) = self.ways(who)?;
        self.send(&there, &[bare("S")])?;
        self.now += 200_000;
        self.send(&back, &[bare("SA")])?;
        self.now += 200_000;
        self.send(&there, &[bare("A")])
    }

    /// `C:S` and `S:C`.
    fn ways(&mut self, who: &str) -> Result<(String, String)> {
        let (client, server) = self.ends(who)?;
        Ok((format!("{client}:{server}"), format!("{server}:{client}")))
    }

    /// Segments one after another: who, flags, octets.
    fn exchange(&mut self, gap: i64, segments: &[(&str, &str, &str)]) -> Result<()> {
        for (who, flags, octets) in segments {
            self.now += gap;
            self.send(who, &[bare(flags), Word::Quoted((*octets).into())])?;
        }
        Ok(())
    }

    fn hello(&mut self, who: &str, rest: &[&str]) -> Result<()> {
        let mut of: BTreeMap<&str, &str> = [
            ("name", ""),
            ("lang", "go"),
            ("version", "1.31.0"),
            ("user", ""),
            ("id", "NA"),
            ("server", "n1"),
        ]
        .into();
        for word in rest {
            let (key, value) = word.split_once('=').with_context(|| format!("hello has no {word}"))?;
            of.insert(key, value);
        }
        let json = |pairs: &[(&str, &str)]| {
            let all: Vec<String> = pairs.iter().map(|(k, v)| format!("\"{k}\":\"{}\"", of[v])).collect();
            all.join(",")
        };
        let told = json(&[("server_id", "id"), ("server_name", "server")]);
        let info = format!(
            "INFO {{{told},\"version\":\"2.15.1\",\"proto\":1,\"headers\":true,\"max_payload\":1048576,\"client_id\":7}} \r\n"
        );
        let told = json(&[("name", "name"), ("lang", "lang"), ("version", "version"), ("user", "user")]);
        let connect = format!(
            "CONNECT {{\"verbose\":false,\"protocol\":1,\"headers\":true,\"no_responders\":true,{told}}}\r\nPING\r\n"
        );
        self.tcp(who)?;
        let (there, back) = self.ways(who)?;
        let told = [
            (&*back, "PA", &*info),
            (&there, "A", ""),
            (&there, "PA", &connect),
            (&back, "PA", "PONG\r\n"),
            (&there, "A", ""),
        ];
        self.exchange(200_000, &told)
    }

    fn proxied(&mut self, front: &str, back: &str) -> Result<()> {
        self.tcp(front)?;
        self.now += 500_000;
        self.tcp(back)?;
        let (dials, _) = self.ends(back)?;
        let proxy = self.endpoint(&dials)?.addr;
        let info = format!("INFO {{\"server_id\":\"NA\",\"client_id\":31,\"client_ip\":\"{proxy}\"}} \r\n");
        let connect = "CONNECT {\"lang\":\"go\",\"name\":\"a\"}\r\nPING\r\n";
        let ((there, from), (to, back)) = (self.ways(front)?, self.ways(back)?);
        let told = [
            (&*back, "PA", &*info),
            (&from, "PA", &info),
            (&there, "PA", connect),
            (&to, "PA", connect),
            (&back, "PA", "PONG\r\n"),
            (&from, "PA", "PONG\r\n"),
            (&there, "A", ""),
            (&to, "A", ""),
        ];
        self.exchange(100_000, &told)
    }

    fn icmp(&mut self, who: &str, kind: &str, about: &str) -> Result<()> {
        let (from, to) = self.ends(about)?;
        let host = self.hosts.get(who).with_context(|| format!("who is '{who}'?"))?.clone();
        let quoted = self.flow(&from, &to)?.last.get(&from).context("nothing was sent yet")?.clone();
        let bytes = frame::icmp(host.addr.0, host.ttl, kind, &quoted)
            .with_context(|| format!("no ICMP error '{kind}'"))?;
        self.capture(0, bytes)
    }

    /// The capture lost a frame, or the kernel said something.
    fn tell(&mut self, said: Option<Said>) {
        self.frames.push(Captured { at: self.now, iface: 0, bytes: Vec::new(), wire_len: 0, said });
    }

    fn kernel(&mut self, words: &[&str]) -> Result<()> {
        let now = self.now;
        let said = kernel::said(words, now, &mut |who| {
            let (from, to) = self.ends(who)?;
            Ok((self.endpoint(&from)?, self.endpoint(&to)?))
        })?;
        self.tell(Some(said));
        Ok(())
    }

    fn endpoint(&self, name: &str) -> Result<Endpoint> {
        let (addr, port) = self.hosts.get(name).with_context(|| format!("who is '{name}'?"))?.addr;
        Ok(Endpoint { addr: addr.into(), port })
    }

    fn capture(&mut self, late: i64, bytes: Vec<u8>) -> Result<()> {
        let wire_len = bytes.len();
        self.frames.push(Captured { at: self.now + late, iface: 0, bytes, wire_len, said: None });
        Ok(())
    }

    /// `WHAT ["octets"] [words…]`, once or more often.
    fn send(&mut self, who: &str, words: &[Word]) -> Result<()> {
        let (from, to) = self.ends(who)?;
        let (what, how) = Sending::read(words)?;
        let mut gap = how.gap;
        for round in 0..how.rounds {
            if round > 0 {
                self.now += gap;
                gap = if how.doubling { gap * 2 } else { gap };
            }
            self.send_once(&from, &to, &what, &how)?;
        }
        Ok(())
    }

    fn send_once(&mut self, from: &str, to: &str, what: &What, how: &Sending) -> Result<()> {
        let flags = match what {
            What::Flags(flags) => *flags,
            _ => ACK,
        };
        if flags & (SYN | ACK) == SYN {
            self.dial(from, to)?;
        }
        let host = self.hosts.get_mut(from).context("no such host")?;
        if let What::Window(window) = what {
            host.window = *window;
        }
        host.id = host.id.wrapping_add(1);
        let host = host.clone();
        let to_addr = self.hosts.get(to).context("no such host")?.addr;
        let flow = self.flow(from, to)?;
        let peer_expects = flow.ends[to].expects;
        let end = flow.ends.get_mut(from).context("no such end")?;
        let (seq, flags, payload) = match what {
            What::Again => end.again().context("nothing to repeat")?,
            What::Probe => (end.next.wrapping_sub(1), ACK, Vec::new()),
            What::WindowProbe => (end.acked.wrapping_sub(1), ACK, Vec::new()),
            What::Window(_) => (end.next, ACK, Vec::new()),
            What::Flags(f) if f & RST != 0 && f & ACK == 0 => {
                (peer_expects.unwrap_or(end.next), *f, how.octets.clone())
            }
            What::Flags(f) => (end.next, *f, how.octets.clone()),
        };
        let seq = how.seq.map_or(seq, |o| o.of(seq));
        let ack = if flags & ACK == 0 { 0 } else { end.expects.unwrap_or(0) };
        let segment = Segment {
            from: host.addr,
            to: to_addr,
            ttl: how.ttl.unwrap_or(host.ttl),
            id: how.id.unwrap_or(host.id),
            seq,
            ack: how.ack.map_or(ack, |o| o.of(ack)),
            flags,
            window: how.window.unwrap_or(if flags & RST != 0 {
                0
            } else if flags & SYN != 0 {
                64240
            } else {
                host.window
            }),
            sack: if flags & SYN == 0 { end.early.clone() } else { Vec::new() },
            payload,
        };
        let len = segment.payload.len() as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        if len > 0 && flags & RST == 0 && !matches!(what, What::Again) {
            end.sent.push((seq, len, flags, segment.payload.clone()));
            let after = seq.wrapping_add(len);
            if after.wrapping_sub(end.next) < 1 << 31 {
                end.next = after;
            }
        }
        flow.last.insert(from.to_owned(), segment.clone());
        let arrived = flow.ends.get_mut(to).context("no such end")?;
        if !how.drop && flags & RST == 0 {
            arrived.receive(&segment, len);
        }
        self.film(&segment, how)
    }

    /// A SYN begins a connection anew, with a sequence of its own.
    fn dial(&mut self, from: &str, to: &str) -> Result<()> {
        let key = if from < to { (from, to) } else { (to, from) };
        let again = self.flows.remove(&(key.0.to_owned(), key.1.to_owned())).is_some();
        for name in [from, to] {
            let host = self.hosts.get_mut(name).context("no such host")?;
            if again {
                host.iss = host.iss.wrapping_add(77_777_777);
            }
        }
        let flow = self.flow(from, to)?;
        for end in flow.ends.values_mut() {
            end.expects = None;
        }
        Ok(())
    }

    fn film(&mut self, segment: &Segment, how: &Sending) -> Result<()> {
        if how.unseen {
            return Ok(());
        }
        let mut bytes = segment.frame();
        let wire_len = bytes.len();
        if let Some(snap) = how.snap.or(self.snaplen) {
            bytes.truncate(snap);
        }
        let at = self.now + how.late;
        let twin = how.twice.then(|| Captured {
            at: at + 20_000,
            iface: 1,
            bytes: bytes.clone(),
            wire_len,
            said: None,
        });
        self.frames.push(Captured { at, iface: 0, bytes, wire_len, said: None });
        self.frames.extend(twin);
        Ok(())
    }
}

impl End {
    /// The oldest segment that is not acknowledged, or the last one.
    fn again(&self) -> Option<(u32, u8, Vec<u8>)> {
        let open = |s: &&(u32, u32, u8, Vec<u8>)| {
            let beyond = s.0.wrapping_add(s.1).wrapping_sub(self.acked);
            beyond > 0 && beyond < 1 << 31
        };
        let (seq, _, flags, payload) = self.sent.iter().find(open).or(self.sent.last())?;
        Some((*seq, *flags, payload.clone()))
    }

    /// Something arrived.
    fn receive(&mut self, segment: &Segment, len: u32) {
        if segment.flags & ACK != 0 && segment.ack.wrapping_sub(self.acked) < 1 << 31 {
            self.acked = segment.ack;
        }
        if len == 0 {
            return;
        }
        let (from, to) = (segment.seq, segment.seq.wrapping_add(len));
        let mut expects = *self.expects.get_or_insert(from);
        self.early.push((from, to));
        self.early.sort_by_key(|e| e.0.wrapping_sub(expects).wrapping_add(1 << 30));
        self.early.retain(|&(from, to)| {
            let starts = from.wrapping_sub(expects) as i32;
            let ends = to.wrapping_sub(expects) as i32;
            if starts <= 0 && ends > 0 {
                expects = to;
            }
            starts > 0
        });
        self.expects = Some(expects);
    }
}

fn bare(word: &str) -> Word {
    Word::Bare(word.to_owned())
}

/// What is sent.
#[derive(Debug)]
enum What {
    Flags(u8),
    Window(u16),
    Again,
    Probe,
    WindowProbe,
}

/// A number, or so far from what would be sent.
#[derive(Clone, Copy, Debug)]
enum Number {
    Is(u32),
    Beside(i32),
}

impl Number {
    fn of(self, usual: u32) -> u32 {
        match self {
            Self::Is(n) => n,
            Self::Beside(n) => usual.wrapping_add_signed(n),
        }
    }
}

impl std::str::FromStr for Number {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with(['+', '-']) { text.parse().map(Self::Beside) } else { text.parse().map(Self::Is) }
    }
}

/// How it is sent.
#[derive(Debug, Default)]
struct Sending {
    octets: Vec<u8>,
    drop: bool,
    unseen: bool,
    twice: bool,
    late: i64,
    rounds: u32,
    gap: i64,
    doubling: bool,
    seq: Option<Number>,
    ack: Option<Number>,
    ttl: Option<u8>,
    id: Option<u16>,
    window: Option<u16>,
    snap: Option<usize>,
}

impl Sending {
    fn read(words: &[Word]) -> Result<(What, Self)> {
        let mut how = Self { rounds: 1, ..Self::default() };
        let mut words = words.iter();
        let mut next = || words.next().and_then(Word::bare).context("something is missing");
        let what = match next()? {
            "rtx" => What::Again,
            "ka" => What::Probe,
            "zwp" => What::WindowProbe,
            "win" => What::Window(next()?.parse()?),
            verb @ ("pub" | "msg") => {
                let (subject, len) = (next()?.to_owned(), next()?.parse::<usize>()?);
                let sid = if verb == "msg" { " 1" } else { "" };
                how.octets = format!("{} {subject}{sid} {len}\r\n", verb.to_uppercase()).into_bytes();
                how.octets.extend(std::iter::repeat_n(b'x', len));
                how.octets.extend(b"\r\n");
                What::Flags(flags("PA")?)
            }
            text => What::Flags(flags(text)?),
        };
        for word in words {
            match word {
                Word::Quoted(octets) => how.octets.extend(octets),
                Word::Bare(text) => how.word(text)?,
            }
        }
        Ok((what, how))
    }

    fn word(&mut self, word: &str) -> Result<()> {
        match word.split_once('=') {
            None if word == "drop" => self.drop = true,
            None if word == "unseen" => self.unseen = true,
            None if word == "twice" => self.twice = true,
            None => {
                let (many, gap) = word.strip_prefix('x').context("no such word").and_then(|w| {
                    self.doubling = w.contains('/');
                    w.split_once(['/', '@']).context("xN/TIME or xN@TIME")
                })?;
                (self.rounds, self.gap) = (many.parse()?, span(gap)?);
            }
            Some(("late", n)) => self.late = span(n)?,
            Some(("seq", n)) => self.seq = Some(n.parse()?),
            Some(("ack", n)) => self.ack = Some(n.parse()?),
            Some(("ttl", n)) => self.ttl = Some(n.parse()?),
            Some(("id", n)) => self.id = Some(n.parse()?),
            Some(("win", n)) => self.window = Some(n.parse()?),
            Some(("snap", n)) => self.snap = Some(n.parse()?),
            Some(("len", n)) => self.octets.extend(std::iter::repeat_n(b'x', n.parse()?)),
            Some(("times", n)) => self.octets = self.octets.repeat(n.parse()?),
            Some(_) => bail!("no such word: {word}"),
        }
        Ok(())
    }
}

pub fn flags(text: &str) -> Result<u8> {
    text.chars().try_fold(0, |flags, c| {
        Ok(flags
            | match c {
                'S' => SYN,
                'A' => ACK,
                'F' => FIN,
                'R' => RST,
                'P' => 0x08,
                '+' => 0,
                _ => bail!("no such segment: {text}"),
            })
    })
}
