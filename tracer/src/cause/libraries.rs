//! The client libraries: what each does by default, and what its settings are called. Source: their own code, versions as
//! read: nats.go 1.53 (`nats.go`), async-nats 0.51 (`options.rs`, `connector.rs`, `lib.rs`), nats-py 2.15 (`aio/client.py`), nats.js 3.4
//! (`core/src/options.ts`), jnats 2.26 (`Options.java`), nats.c 3.13 (`opts.h`), NATS .NET 3.1 (`NatsOpts.cs`).
use crate::base::Span;

/// One library.
#[derive(Debug)]
pub struct Library {
    /// `lang` in its CONNECT. npm's `nats` 2.x and `@nats-io/transport-node` 3.x both say `nats.js`.
    pub langs: &'static [&'static str],
    /// For people.
    pub name: &'static str,
    /// The package that has the version of its CONNECT.
    pub package: &'static str,
    /// Codes of the server's -ERR after which it closes for good instead of reconnecting.
    pub final_errors: &'static [&'static str],
    /// How long one attempt may take.
    pub connect_timeout: Span,
    /// Its own PINGs.
    pub ping_interval: Span,
    /// PINGs that may be unanswered; at the tick after that it gives the connection up.
    pub pings_out: u32,
    /// Wait between attempts.
    pub wait: Wait,
    /// After how many failed attempts on one server it stops; `None`: never.
    pub tries: Option<u32>,
    /// The words of its settings.
    pub words: Words,
}

/// How long a library waits between two attempts on the same server.
#[derive(Debug)]
pub struct Wait {
    /// The first wait.
    pub from: Span,
    /// It grows up to this; the same as `from` where it is constant.
    pub up_to: Span,
    /// At most so much is added at random.
    pub jitter: Span,
}

/// Settings in the library's own words. `{s}`, `{ms}`: the value advised, in seconds or milliseconds.
#[derive(Debug)]
pub struct Words {
    /// PINGs, with their defaults.
    ping: &'static str,
    /// What keeps it trying for ever, also at the first connect.
    keep_trying: &'static str,
    /// Wait and jitter between attempts; the value is the jitter.
    spread: &'static str,
    /// The wait alone.
    wait: &'static str,
    /// Connect timeout.
    connect_timeout: &'static str,
    /// How it reads faster.
    read_faster: &'static str,
    /// How it is told to leave servers alone that it knows from INFO only; `None` where it can't be.
    ignore_discovered: Option<&'static str>,
}

const NONE: Span = Span::ZERO;
const JITTER: Span = Span::millis(100);

/// Every library known.
pub const LIBRARIES: &[Library] = &[
    Library {
        langs: &["go"],
        name: "Go",
        package: "nats.go",
        final_errors: &["max_payload_exceeded", "protocol_error"],
        connect_timeout: Span::secs(2),
        ping_interval: Span::secs(120),
        pings_out: 2,
        wait: Wait { from: Span::secs(2), up_to: Span::secs(2), jitter: JITTER },
        tries: Some(60),
        words: Words {
            ping: "`nats.PingInterval({s}*time.Second)` (default 2 min), `nats.MaxPingsOutstanding(2)`",
            keep_trying: "`nats.MaxReconnects(-1)` (default 60 per server), `nats.RetryOnFailedConnect(true)`",
            spread: "`nats.ReconnectWait(2*time.Second)` and `nats.ReconnectJitter({ms}*time.Millisecond, {ms}*time.Millisecond)` \
                     (default 100 ms, with TLS 1 s)",
            wait: "`nats.ReconnectWait` (default 2 s)",
            connect_timeout: "`nats.Timeout({s}*time.Second)` (default 2 s)",
            read_faster: "do no slow work in the callback, hand messages to workers; mind `Subscription.SetPendingLimits`",
            ignore_discovered: Some("`nats.IgnoreDiscoveredServers()`"),
        },
    },
    Library {
        langs: &["rust"],
        name: "Rust",
        package: "async-nats",
        final_errors: &[],
        connect_timeout: Span::secs(5),
        ping_interval: Span::secs(60),
        pings_out: 2,
        wait: Wait { from: NONE, up_to: Span::secs(4), jitter: NONE },
        tries: None,
        words: Words {
            ping: "`ConnectOptions::ping_interval(Duration::from_secs({s}))` (default 60 s)",
            keep_trying: "`ConnectOptions::max_reconnects(None)` (the default), `retry_on_initial_connect()`",
            spread: "`ConnectOptions::reconnect_delay_callback` with a growing delay and up to {ms} ms of it at random (the default \
                     has no jitter)",
            wait: "`ConnectOptions::reconnect_delay_callback` (default 0, 2, 4, 8 ms and so on up to 4 s)",
            connect_timeout: "`ConnectOptions::connection_timeout(Duration::from_secs({s}))` (default 5 s)",
            read_faster: "one task reads for all subscriptions and never waits for them: keep blocking work off the runtime's threads \
                          (`tokio::task::spawn_blocking`); what overflows a queue of `ConnectOptions::subscription_capacity` is \
                          thrown away (`Event::SlowConsumer`)",
            ignore_discovered: Some("`ConnectOptions::ignore_discovered_servers()`"),
        },
    },
    Library {
        langs: &["python3", "python"],
        name: "Python",
        package: "nats-py",
        final_errors: &[
            "max_payload_exceeded",
            "protocol_error",
            "max_connections",
            "authorization_violation",
            "auth_timeout",
            "auth_expired",
            "auth_revoked",
        ],
        connect_timeout: Span::secs(2),
        ping_interval: Span::secs(120),
        pings_out: 2,
        wait: Wait { from: Span::secs(2), up_to: Span::secs(2), jitter: NONE },
        tries: Some(60),
        words: Words {
            ping: "`ping_interval={s}` (default 120), `max_outstanding_pings=2`",
            keep_trying: "`max_reconnect_attempts=-1` (default 60 per server), `allow_reconnect=True`",
            spread: "`reconnect_time_wait=2+random.uniform(0, {s})`, drawn once per process (it has no jitter of its own)",
            wait: "`reconnect_time_wait` (default 2 s)",
            connect_timeout: "`connect_timeout={s}` (default 2)",
            read_faster: "never block the event loop in a handler; `pending_msgs_limit` and `pending_bytes_limit` of subscribe size \
                          its queue",
            ignore_discovered: None,
        },
    },
    Library {
        langs: &["nats.js", "nats.ws", "nats.deno"],
        name: "JavaScript",
        package: "nats.js",
        final_errors: &[],
        connect_timeout: Span::secs(20),
        ping_interval: Span::secs(120),
        pings_out: 2,
        wait: Wait { from: Span::secs(2), up_to: Span::secs(2), jitter: JITTER },
        tries: Some(10),
        words: Words {
            ping: "`pingInterval: {ms}` ms (default 2 min), `maxPingOut: 2`",
            keep_trying: "`maxReconnectAttempts: -1` (default 10 per server), `waitOnFirstConnect: true`",
            spread: "`reconnectTimeWait: 2000`, `reconnectJitter: {ms}`, `reconnectJitterTLS: {ms}` (default 100 ms, with TLS 1 s)",
            wait: "`reconnectTimeWait` (default 2000 ms)",
            connect_timeout: "`timeout: {ms}` ms (default 20 s)",
            read_faster: "keep the event loop free; iterate subscriptions in async code without long synchronous work",
            ignore_discovered: Some("`ignoreClusterUpdates: true`"),
        },
    },
    Library {
        langs: &["java"],
        name: "Java",
        package: "jnats",
        final_errors: &[],
        connect_timeout: Span::secs(2),
        ping_interval: Span::secs(120),
        pings_out: 2,
        wait: Wait { from: Span::secs(2), up_to: Span::secs(2), jitter: JITTER },
        tries: Some(60),
        words: Words {
            ping: "`Options.Builder.pingInterval(Duration.ofSeconds({s}))` (default 2 min), `maxPingsOut(2)`",
            keep_trying: "`Options.Builder.maxReconnects(-1)` (default 60), `Nats.connectReconnectOnConnect(options)`",
            spread: "`Options.Builder.reconnectWait(Duration.ofSeconds(2))`, `reconnectJitter(Duration.ofMillis({ms}))`, \
                     `reconnectJitterTls(Duration.ofMillis({ms}))` (default 100 ms, with TLS 1 s)",
            wait: "`Options.Builder.reconnectWait` (default 2 s)",
            connect_timeout: "`Options.Builder.connectionTimeout(Duration.ofSeconds({s}))` (default 2 s)",
            read_faster: "use several Dispatchers and `setPendingLimits`; do no slow work in the handler",
            ignore_discovered: Some("`Options.Builder.ignoreDiscoveredServers()`"),
        },
    },
    Library {
        langs: &["C"],
        name: "C",
        package: "nats.c",
        final_errors: &["max_payload_exceeded", "protocol_error", "max_connections"],
        connect_timeout: Span::secs(2),
        ping_interval: Span::secs(120),
        pings_out: 2,
        wait: Wait { from: Span::secs(2), up_to: Span::secs(2), jitter: JITTER },
        tries: Some(60),
        words: Words {
            ping: "`natsOptions_SetPingInterval(opts, {ms})` ms (default 2 min), `natsOptions_SetMaxPingsOut(opts, 2)`",
            keep_trying: "`natsOptions_SetMaxReconnect(opts, -1)` (default 60), \
                          `natsOptions_SetRetryOnFailedConnect(opts, true, NULL, NULL)`",
            spread: "`natsOptions_SetReconnectWait(opts, 2000)`, `natsOptions_SetReconnectJitter(opts, {ms}, {ms})` ms (default 100 \
                     ms, with TLS 1 s)",
            wait: "`natsOptions_SetReconnectWait` (default 2000 ms)",
            connect_timeout: "`natsOptions_SetTimeout(opts, {ms})` ms (default 2 s)",
            read_faster: "`natsOptions_SetIOBufSize`, `natsSubscription_SetPendingLimits`; do no slow work in the callback",
            ignore_discovered: Some("`natsOptions_SetIgnoreDiscoveredServers(opts, true)`"),
        },
    },
    Library {
        langs: &[".NET"],
        name: ".NET",
        package: "NATS.Net",
        final_errors: &[],
        connect_timeout: Span::secs(2),
        ping_interval: Span::secs(120),
        pings_out: 2,
        wait: Wait { from: Span::secs(2), up_to: Span::secs(5), jitter: JITTER },
        tries: None,
        words: Words {
            ping: "`NatsOpts.PingInterval = TimeSpan.FromSeconds({s})` (default 2 min), `MaxPingOut = 2`",
            keep_trying: "`NatsOpts.MaxReconnectRetry = -1` (the default), `RetryOnInitialConnect = true`",
            spread: "`NatsOpts.ReconnectJitter = TimeSpan.FromMilliseconds({ms})` (default 100 ms), and `ReconnectWaitMax` above \
                     `ReconnectWaitMin` plus that: it caps both together",
            wait: "`NatsOpts.ReconnectWaitMin` (default 2 s), doubled up to `ReconnectWaitMax` (default 5 s)",
            connect_timeout: "`NatsOpts.ConnectTimeout = TimeSpan.FromSeconds({s})` (default 2 s)",
            read_faster: "read the subscription channel in a task of its own; `NatsOpts.SubPendingChannelCapacity` sizes it",
            ignore_discovered: None,
        },
    },
];

/// The library that says so in `lang` of its CONNECT.
#[must_use]
pub fn library(lang: &str) -> Option<&'static Library> {
    LIBRARIES.iter().find(|l| l.langs.contains(&lang))
}

/// Names of the libraries for which this holds, in one phrase.
#[must_use]
pub fn those(fits: impl Fn(&Library) -> bool) -> String {
    let names: Vec<&str> = LIBRARIES.iter().filter(|l| fits(l)).map(|l| l.name).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl Library {
    /// Its PING settings.
    #[must_use]
    pub fn ping(&self, secs: i64) -> String {
        self.say(self.words.ping, Span::secs(secs))
    }

    /// What keeps it trying.
    #[must_use]
    pub fn keep_trying(&self) -> String {
        self.say(self.words.keep_trying, NONE)
    }

    /// Wait and that much jitter.
    #[must_use]
    pub fn spread(&self, jitter: Span) -> String {
        self.say(self.words.spread, jitter)
    }

    /// Its wait between attempts, with the default.
    #[must_use]
    pub const fn wait_setting(&self) -> &'static str {
        self.words.wait
    }

    /// Its connect timeout.
    #[must_use]
    pub fn connect_timeout(&self, secs: i64) -> String {
        self.say(self.words.connect_timeout, Span::secs(secs))
    }

    /// How it reads faster.
    #[must_use]
    pub fn read_faster(&self) -> String {
        self.say(self.words.read_faster, NONE)
    }

    /// How it leaves discovered servers alone.
    #[must_use]
    pub fn ignore_discovered(&self) -> Option<String> {
        self.words.ignore_discovered.map(|words| self.say(words, NONE))
    }

    /// From the first PING without an answer to the moment it gives up, by default: it counts at each tick.
    #[must_use]
    pub const fn patience(&self) -> Span {
        self.ping_interval.times(self.pings_out as i64)
    }

    fn say(&self, words: &str, value: Span) -> String {
        if !words.contains('{') {
            return format!("in the client ({}): {words}", self.name);
        }
        let ms = value.0 / 1_000_000;
        let secs = if ms % 1000 == 0 { (ms / 1000).to_string() } else { format!("{:.1}", value.as_secs()) };
        let words = words.replace("{ms}", &ms.to_string()).replace("{s}", &secs);
        format!("in the client ({}): {words}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lang_is_one_library() {
        let langs: Vec<&str> = LIBRARIES.iter().flat_map(|l| l.langs).copied().collect();
        for lang in &langs {
            assert_eq!(langs.iter().filter(|l| *l == lang).count(), 1, "{lang}");
        }
        assert!(library("nats.ws").is_some_and(|l| l.name == "JavaScript"));
        assert!(library("").is_none());
    }

    #[test]
    fn values_stand_in_the_librarys_unit() {
        let say = |lang: &str| library(lang).map(|l| l.ping(30)).unwrap_or_default();
        assert!(say("go").contains("nats.PingInterval(30*time.Second)"));
        assert!(say("nats.js").contains("pingInterval: 30000"));
        assert!(say("C").contains("SetPingInterval(opts, 30000)"));
        let spread = library("python3").map(|l| l.spread(Span::millis(2500))).unwrap_or_default();
        assert!(spread.contains("uniform(0, 2.5)"), "{spread}");
        for library in LIBRARIES {
            for text in [library.spread(Span::secs(3)), library.connect_timeout(5), library.keep_trying()] {
                assert!(!text.contains(['{', '}']) && !text.contains("  "), "{text}");
            }
        }
    }

    #[test]
    fn those_of_a_kind() {
        assert_eq!(those(|l| l.tries == Some(10)), "JavaScript");
        assert_eq!(those(|l| l.tries == Some(60)), "Go, Python, Java and C");
        assert_eq!(those(|_| false), "");
    }
}
