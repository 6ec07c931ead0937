//! nats-server's monitoring over HTTP, asked in a thread of its own: /varz at times, the closed list when closes come.
//! Credentials are sent only if the URL has them, and are never shown; redirects and proxies are not followed.
mod certificate;

use crate::base::{Endpoint, PortSet, Timestamp};
use crate::kernel::TcpState;
use crate::nats::connz::{ClosedList, Varz, closed_list, varz};
use crate::source::{processes, sockets, wall};
use std::collections::HashSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use ureq::tls::{RootCerts, TlsConfig};

/// One request may take so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// While looking for the port, a request may take so long.
const KNOCK: Duration = Duration::from_millis(500);
/// Largest answer.
const ANSWER_MAX: u64 = 16 << 20;
/// Between two looks at the closed list.
const GAP: Duration = Duration::from_millis(500);
/// An end is asked about so long after it was seen: the server may take a moment to notice.
const NOTICING: Duration = Duration::from_millis(100);
/// Between two looks at /varz.
const VARZ: Duration = Duration::from_secs(10);
/// Between two searches for servers of this host.
const SEARCH: Duration = Duration::from_secs(10);
/// Entries of the closed list asked for; more where that many closed between two looks.
const LIMIT: usize = 256;
const LIMIT_MAX: usize = 10_000;
/// Servers of one host that are asked.
const SERVERS_MAX: usize = 8;
/// Ports of one process that are tried.
const PORTS_MAX: usize = 16;

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// There.
    Url(String),
    /// Wherever nats-servers that listen on these ports on this host have their monitoring.
    Auto(PortSet),
}

/// What was answered, and when.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Settings and counters.
    Varz(Box<Varz>, Timestamp),
    /// The closed list.
    Closed(ClosedList, Timestamp),
    /// A line for people: where monitoring was found, or that it can't be reached; said when it changes.
    Note(String),
}

/// Why a server gives no answer; without the URL, whose credentials are nobody's business.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("{0}")]
    Http(String),
    /// It speaks TLS, but isn't trusted.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Answer(#[from] crate::nats::connz::BadAnswer),
}

/// Asks, in its own thread.
#[derive(Debug)]
pub struct Monitor {
    asks: SyncSender<()>,
    answers: Receiver<Answer>,
}

impl Monitor {
    /// Begins: /varz is asked at once. The thread ends once this is dropped.
    ///
    /// # Errors
    /// Where no thread can be made.
    pub fn start(target: Target) -> std::io::Result<Self> {
        let (asks, asked) = sync_channel(1);
        let (give, answers) = sync_channel(64);
        thread::Builder::new()
            .name("monitor".to_owned())
            .spawn(move || Asker::new(target, give).run(&asked))?;
        Ok(Self { asks, answers })
    }

    /// Closes have come: asks for the closed list, unless that is on its way.
    pub fn ask(&self) {
        // Full means that it was asked already; closed, that the thread is over: then no answers come.
        if let Err(TrySendError::Full(()) | TrySendError::Disconnected(())) = self.asks.try_send(()) {}
    }

    /// What came since.
    pub fn answers(&self) -> impl Iterator<Item = Answer> + '_ {
        self.answers.try_iter()
    }
}

/// Asks once and waits for the answers: settings, and the whole closed list.
#[must_use]
pub fn ask_once(target: Target) -> Vec<Answer> {
    let (give, answers) = sync_channel(4 * SERVERS_MAX);
    let mut asker = Asker::new(target, give);
    asker.search();
    asker.servers.iter_mut().for_each(|server| server.limit = LIMIT_MAX);
    if asker.each(Asker::ask_varz).is_some() {
        // One that gave no settings gives no list either: it said so already.
        asker.servers.retain(|server| server.answers == Some(true));
        asker.each(Asker::ask_closed);
    }
    drop(asker);
    answers.into_iter().collect()
}

/// One server that is asked.
struct Server {
    url: String,
    /// How many entries the next look asks for.
    limit: usize,
    /// It answered last time; `None`: it was not asked yet.
    answers: Option<bool>,
}

struct Asker {
    target: Target,
    give: SyncSender<Answer>,
    agent: ureq::Agent,
    servers: Vec<Server>,
    searched: Option<Instant>,
}

impl Asker {
    fn new(target: Target, give: SyncSender<Answer>) -> Self {
        let servers = match &target {
            Target::Url(url) => vec![Server { url: url.clone(), limit: LIMIT, answers: None }],
            Target::Auto(_) => Vec::new(),
        };
        Self { target, give, agent: agent(PATIENCE), servers, searched: None }
    }

    /// Until nobody listens any more.
    fn run(mut self, asked: &Receiver<()>) {
        let mut varz_at: Option<Instant> = None;
        let mut closed_at: Option<Instant> = None;
        loop {
            if varz_at.is_none_or(|at| at.elapsed() >= VARZ) {
                varz_at = Some(Instant::now());
                self.search();
                if self.each(Asker::ask_varz).is_none() {
                    return;
                }
            }
            let rest = varz_at.map_or(VARZ, |at| VARZ.saturating_sub(at.elapsed()));
            match asked.recv_timeout(rest) {
                Ok(()) => {
                    let gap = closed_at.map_or(Duration::ZERO, |at| GAP.saturating_sub(at.elapsed()));
                    thread::sleep(gap.max(NOTICING));
                    // Closes until here are in the answer.
                    while asked.try_recv().is_ok() {}
                    closed_at = Some(Instant::now());
                    if self.each(Asker::ask_closed).is_none() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Asks every server; `None` where nobody wants the answers any more.
    fn each(&mut self, ask: fn(&ureq::Agent, &mut Server) -> Result<Answer, AskError>) -> Option<()> {
        for server in &mut self.servers {
            let (note, answer) = match ask(&self.agent, server) {
                Ok(answer) => {
                    let note = (server.answers != Some(true))
                        .then(|| format!("server monitoring: {} answers", shown(&server.url)));
                    server.answers = Some(true);
                    (note, Some(answer))
                }
                Err(error) => {
                    let note = (server.answers != Some(false))
                        .then(|| format!("warning: server monitoring: {}: {error}", shown(&server.url)));
                    server.answers = Some(false);
                    (note, None)
                }
            };
            for answer in note.map(Answer::Note).into_iter().chain(answer) {
                self.give.send(answer).ok()?;
            }
        }
        if matches!(self.target, Target::Auto(_)) {
            // One that is gone is searched for again.
            self.servers.retain(|server| server.answers != Some(false));
        }
        Some(())
    }

    fn ask_varz(agent: &ureq::Agent, server: &mut Server) -> Result<Answer, AskError> {
        let bytes = get(agent, &format!("{}/varz", server.url))?;
        Ok(Answer::Varz(Box::new(varz(&bytes)?), wall()))
    }

    fn ask_closed(agent: &ureq::Agent, server: &mut Server) -> Result<Answer, AskError> {
        let url = format!("{}/connz?state=closed&sort=stop&limit={}", server.url, server.limit);
        let list = closed_list(&get(agent, &url)?)?;
        // All of them fell into a short time: the next look reaches further back.
        let span = |list: &ClosedList| {
            let stops = || list.entries.iter().filter_map(|e| e.stop);
            Some(stops().max()? - stops().min()?)
        };
        let busy = list.cut && span(&list).is_some_and(|span| span.as_secs() < 5.0);
        server.limit = if busy { (server.limit * 4).min(LIMIT_MAX) } else { LIMIT };
        Ok(Answer::Closed(list, wall()))
    }

    /// `auto`: looks for nats-servers of this host, where none is known.
    fn search(&mut self) {
        let Target::Auto(ports) = &self.target else { return };
        if !self.servers.is_empty() || self.searched.is_some_and(|at| at.elapsed() < SEARCH) {
            return;
        }
        let first = self.searched.replace(Instant::now()).is_none();
        let (urls, refused) = local_servers(ports);
        self.servers = urls.into_iter().map(|url| Server { url, limit: LIMIT, answers: None }).collect();
        if first && self.servers.is_empty() {
            let why = refused.unwrap_or_else(|| {
                "no nats-server of this host has a monitoring port that answers (`http_port: 8222` in nats-server.conf)"
                    .to_owned()
            });
            let note = format!("warning: server monitoring: {why}; it is looked for again");
            // Who doesn't listen any more is noticed at the next answer.
            let _ = self.give.send(Answer::Note(note));
        }
    }
}

/// Base URLs of monitoring on this host: ports of processes that listen on one of `ports`, or are called nats-server,
/// which answer /varz; and why one over TLS isn't trusted, if so.
fn local_servers(ports: &PortSet) -> (Vec<String>, Option<String>) {
    let Ok(all) = "all".parse::<PortSet>() else { return (Vec::new(), None) };
    let listeners: Vec<sockets::Standing> =
        sockets::standing(&all).into_iter().flatten().filter(|s| s.state == TcpState::Listen).collect();
    let owners = processes::owners(&listeners.iter().map(|s| s.inode).collect::<HashSet<u32>>());
    let pid = |s: &sockets::Standing| owners.get(&s.inode).map(|p| p.pid);
    let is_server = |s: &&sockets::Standing| {
        ports.contains(s.local.port) || owners.get(&s.inode).is_some_and(|p| &*p.name == "nats-server")
    };
    let servers: HashSet<u32> = listeners.iter().filter(is_server).filter_map(pid).collect();
    let (mut found, mut refused) = (Vec::new(), None);
    let knock = agent(KNOCK);
    let mut answers = |url: &String| match get(&knock, &format!("{url}/varz")) {
        Ok(bytes) => varz(&bytes).is_ok(),
        Err(AskError::Refused(why)) => {
            refused.get_or_insert_with(|| format!("{url}: {why}"));
            false
        }
        Err(_) => false,
    };
    for server in servers {
        let mut others: Vec<Endpoint> = listeners
            .iter()
            .filter(|s| pid(s) == Some(server) && !ports.contains(s.local.port))
            .map(|s| s.local)
            .collect();
        // The usual port first: a client's, route's or leaf's port logs an error when it is spoken to in HTTP.
        others.sort_by_key(|end| (end.port != 8222, matches!(end.port, 4222 | 6222 | 7222 | 7422), end.port));
        others.dedup_by_key(|end| end.port);
        others.truncate(PORTS_MAX);
        let urls = others.iter().flat_map(|end| ["http", "https"].map(|scheme| url(scheme, *end)));
        if let Some(url) = urls.into_iter().find(&mut answers) {
            found.push(url);
        }
        if found.len() >= SERVERS_MAX {
            break;
        }
    }
    (found, refused)
}

fn url(scheme: &str, end: Endpoint) -> String {
    if end.addr.is_unspecified() {
        // A listener for all addresses of IPv6 takes those of IPv4, too.
        return format!("{scheme}://127.0.0.1:{}", end.port);
    }
    format!("{scheme}://{end}")
}

fn agent(patience: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(patience))
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("natstrace/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .build()
        .new_agent()
}

fn get(agent: &ureq::Agent, url: &str) -> Result<Vec<u8>, AskError> {
    let plain = |error: ureq::Error| match certificate::of(&error) {
        Some(error) if certificate::is_refused(error) => AskError::Refused(certificate::told(error)),
        Some(error) => AskError::Http(certificate::told(error)),
        None => AskError::Http(told(&error)),
    };
    let mut response = agent.get(url).call().map_err(plain)?;
    match response.status().as_u16() {
        200 => {}
        300..400 => {
            return Err(AskError::Http("it answers with a redirect, which is not followed".to_owned()));
        }
        code => return Err(AskError::Http(format!("HTTP status {code}"))),
    }
    response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(plain)
}

/// What went wrong, without the URL.
fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(401 | 403) => {
            "it wants credentials: write http://USER:PASSWORD@HOST:PORT".to_owned()
        }
        // What nats-server says in HTTP where it wants TLS.
        ureq::Error::StatusCode(400) => {
            "HTTP status 400; if that is the server's https_port, write https://".to_owned()
        }
        ureq::Error::StatusCode(code) => format!("HTTP status {code}"),
        ureq::Error::BadUri(_) => "no such URL".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::BodyExceedsLimit(_) => "its answer is too large".to_owned(),
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => {
            "it answers with a redirect".to_owned()
        }
        _ => "it can't be asked over HTTP".to_owned(),
    }
}

/// A URL without its credentials.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "its URL".to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    format!("{scheme}://{}{path}", authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests;
