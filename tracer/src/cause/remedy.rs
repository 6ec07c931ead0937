//! Commands and settings for the `fix` of a verdict, with the real addresses, for the host they are typed on and in the words
//! of the client's library.
use super::Case;
use crate::base::{Addr, Endpoint, Side, Span};
use crate::kernel::FilterRule;

/// The filter tools' word for an address family.
struct Words {
    iptables: &'static str,
    nft: &'static str,
    firewalld: &'static str,
}

fn words(addr: Addr) -> Words {
    if addr.is_v4() {
        Words { iptables: "iptables", nft: "ip", firewalld: "ipv4" }
    } else {
        Words { iptables: "ip6tables", nft: "ip6", firewalld: "ipv6" }
    }
}

/// The server's monitoring endpoint, on the port most give it.
#[must_use]
pub fn monitor(case: &Case<'_>) -> String {
    say!(case, "http://{}", Endpoint { addr: case.facts.server.addr, port: 8222 })
}

/// How to find the rule that discards, on that end's host.
#[must_use]
pub fn find_rule(case: &Case<'_>, host: Side) -> String {
    let (here, there) = (case.facts.endpoint(host).addr, case.facts.endpoint(host.other()).addr);
    let port = case.facts.server.port;
    say!(
        case,
        "on {here} find the rule: `nft -a list ruleset | grep -nE 'drop|reject|{port}|{there}'`, or `{0} -L -n -v \
         --line-numbers` and watch which counter grows; `natstrace --trace-firewall` there names it for certain",
        words(here).iptables
    )
}

/// What to do about the rules that were found, on the host they were found on.
#[must_use]
pub fn found_rules(case: &Case<'_>) -> Vec<String> {
    let Some(host) = &case.facts.host else { return Vec::new() };
    let step = |rule: &FilterRule| {
        let how = match &rule.remove {
            Some(command) => say!(case, "if it isn't meant: `{command}`, or an accept before it"),
            None => "an accept rule before the chain's end lets the connection through".to_owned(),
        };
        say!(case, "on {}: {} is in force; {how}", rule_host(case, rule), rule.text)
    };
    host.rules.iter().map(step).collect()
}

/// The traced host of the two: where the packet came to, if that is this host.
fn rule_host(case: &Case<'_>, rule: &FilterRule) -> Addr {
    let here = |side: Side| case.facts.host.as_ref().is_some_and(|h| h.ends[side].here);
    let receiver = if rule.dst == case.facts.client { Side::Client } else { Side::Server };
    case.facts.endpoint(if here(receiver) { receiver } else { receiver.other() }).addr
}

/// Commands that let the connection through the filter of that end's host.
#[must_use]
pub fn open_host(case: &Case<'_>, host: Side) -> Vec<String> {
    let (here, peer) = (case.facts.endpoint(host).addr, case.facts.endpoint(host.other()).addr);
    let port = case.facts.server.port;
    let w = words(peer);
    // On the server's host the NATS port is the destination of what comes in; on the client's host of what goes out.
    let (coming, going) = match host {
        Side::Server => ("dport", "sport"),
        Side::Client => ("sport", "dport"),
    };
    let mut steps = vec![
        say!(
            case,
            "on {here} (nftables; table and chain names as in your rule set): `nft insert rule inet filter input {0} saddr {peer} \
             tcp {coming} {port} accept` and `nft insert rule inet filter output {0} daddr {peer} tcp {going} {port} accept`",
            w.nft
        ),
        say!(
            case,
            "or with iptables on {here}: `{0} -I INPUT -p tcp -s {peer} --{coming} {port} -j ACCEPT` and \
             `{0} -I OUTPUT -p tcp -d {peer} --{going} {port} -j ACCEPT`",
            w.iptables
        ),
    ];
    steps.push(match host {
        Side::Server => say!(
            case,
            "or `firewall-cmd --permanent --add-rich-rule='rule family=\"{}\" source address=\"{peer}\" port port=\"{port}\" \
             protocol=\"tcp\" accept' && firewall-cmd --reload` (firewalld), `ufw insert 1 allow from {peer} to any port {port} \
             proto tcp` (ufw)",
            w.firewalld
        ),
        Side::Client => say!(
            case,
            "or `firewall-cmd --permanent --direct --add-rule {} filter OUTPUT 0 -p tcp -d {peer} --dport {port} -j ACCEPT && \
             firewall-cmd --reload` (firewalld), `ufw insert 1 allow out to {peer} port {port} proto tcp` (ufw)",
            w.firewalld
        ),
    });
    steps
}

/// What to look at between the hosts.
#[must_use]
pub fn open_path(case: &Case<'_>) -> Vec<String> {
    let (client, server) = (case.facts.client.addr, case.facts.server);
    vec![
        say!(
            case,
            "check what filters between {client} and {}: cloud security groups and network ACLs (both directions), \
             Kubernetes NetworkPolicy, firewalls; allow TCP {client} to port {}, and the answers",
            server.addr,
            server.port
        ),
        say!(
            case,
            "from {client}: `nc -vz {} {}` and `tcptraceroute {0} {1}` show how far packets get",
            server.addr,
            server.port
        ),
        say!(
            case,
            "capture on both hosts at once and run `natstrace compare CLIENT_SIDE SERVER_SIDE`: it says between which two points \
             packets are lost (`tcpdump -i any -w side.pcap host {client} and port {}`)",
            server.port
        ),
    ]
}

/// PING more often than a device forgets: server and client settings.
#[must_use]
pub fn ping_below(case: &Case<'_>, gap: Span) -> Vec<String> {
    let secs = (gap.0 / 2_000_000_000).clamp(5, 60);
    vec![
        say!(
            case,
            "in nats-server.conf set `ping_interval: \"{secs}s\"` (default 2m) and `nats-server --signal reload`"
        ),
        ping_option(case.lang(), secs),
    ]
}

/// The client library's own PING option.
#[must_use]
pub fn ping_option(lang: &str, secs: i64) -> String {
    match lang {
        "go" => format!(
            "in the client (Go): `nats.PingInterval({secs}*time.Second)` (default 2 min), `nats.MaxPingsOutstanding(2)`"
        ),
        "rust" => format!(
            "in the client (Rust): `ConnectOptions::ping_interval(Duration::from_secs({secs}))` (default 60 s)"
        ),
        "python3" => {
            format!("in the client (Python): `ping_interval={secs}` (default 120), `max_outstanding_pings=2`")
        }
        "nats.js" => format!(
            "in the client (JavaScript): `pingInterval: {}` ms (default 2 min), `maxPingOut: 2`",
            secs * 1000
        ),
        "java" => format!(
            "in the client (Java): `Options.Builder.pingInterval(Duration.ofSeconds({secs}))` (default 2 min), `maxPingsOut(2)`"
        ),
        "C" => format!(
            "in the client (C): `natsOptions_SetPingInterval(opts, {})` ms (default 2 min), `natsOptions_SetMaxPingsOut(opts, 2)`",
            secs * 1000
        ),
        ".NET" => format!(
            "in the client (.NET): `NatsOpts.PingInterval = TimeSpan.FromSeconds({secs})` (default 2 min), `MaxPingOut = 2`"
        ),
        _ => format!("in the client library set its ping interval to {secs} s (most default to 2 min)"),
    }
}

/// The client library's options that keep it trying.
#[must_use]
pub fn keep_trying(lang: &str) -> String {
    match lang {
        "go" => "in the client (Go): `nats.MaxReconnects(-1)` (default 60 per server), `nats.RetryOnFailedConnect(true)`",
        "rust" => "in the client (Rust): `ConnectOptions::max_reconnects(None)` (the default), `retry_on_initial_connect()`",
        "python3" => "in the client (Python): `max_reconnect_attempts=-1` (default 60 per server), `allow_reconnect=True`",
        "nats.js" => "in the client (JavaScript): `maxReconnectAttempts: -1` (default 10 per server), `waitOnFirstConnect: true`",
        "java" => "in the client (Java): `Options.Builder.maxReconnects(-1)` (default 60), `Nats.connectReconnectOnConnect(options)`",
        "C" => "in the client (C): `natsOptions_SetMaxReconnect(opts, -1)` (default 60), `natsOptions_SetRetryOnFailedConnect(opts, true, NULL, NULL)`",
        ".NET" => "in the client (.NET): `NatsOpts.MaxReconnectRetry = -1` (the default), `RetryOnInitialConnect = true`",
        _ => "in the client library allow reconnects without limit (-1 in most)",
    }
    .to_owned()
}

/// The client library's wait between attempts, with jitter.
#[must_use]
pub fn spread_attempts(lang: &str) -> String {
    match lang {
        "go" => "in the client (Go): `nats.ReconnectWait(2*time.Second)` and `nats.ReconnectJitter(500*time.Millisecond, 2*time.Second)`",
        "rust" => "in the client (Rust): `ConnectOptions::reconnect_delay_callback` with a growing, random delay (the default has no jitter)",
        "python3" => "in the client (Python): `reconnect_time_wait=2` with a random part of your own (it has no jitter)",
        "nats.js" => "in the client (JavaScript): `reconnectTimeWait: 2000`, `reconnectJitter: 500`, `reconnectJitterTLS: 2000`",
        "java" => "in the client (Java): `Options.Builder.reconnectWait(Duration.ofSeconds(2))`, `reconnectJitter(Duration.ofMillis(500))`",
        "C" => "in the client (C): `natsOptions_SetReconnectWait(opts, 2000)`, `natsOptions_SetReconnectJitter(opts, 500, 2000)`",
        ".NET" => "in the client (.NET): `NatsOpts.ReconnectWaitMin`, `ReconnectWaitMax` and `ReconnectJitter`",
        _ => "in the client library wait at least 2 s between attempts, with a random part",
    }
    .to_owned()
}

/// The client library's connect timeout: its default, and the option.
#[must_use]
pub fn connect_timeout(lang: &str) -> (Option<Span>, String) {
    let (secs, text) = match lang {
        "go" => (2, "in the client (Go): `nats.Timeout(5*time.Second)` (default 2 s)"),
        "rust" => (
            5,
            "in the client (Rust): `ConnectOptions::connection_timeout(Duration::from_secs(10))` (default 5 s)",
        ),
        "python3" => (2, "in the client (Python): `connect_timeout=5` (default 2)"),
        "nats.js" => (20, "in the client (JavaScript): `timeout: 20000` ms (default 20 s)"),
        "java" => (
            2,
            "in the client (Java): `Options.Builder.connectionTimeout(Duration.ofSeconds(5))` (default 2 s)",
        ),
        "C" => (2, "in the client (C): `natsOptions_SetTimeout(opts, 5000)` ms (default 2 s)"),
        ".NET" => {
            (2, "in the client (.NET): `NatsOpts.ConnectTimeout = TimeSpan.FromSeconds(5)` (default 2 s)")
        }
        _ => {
            return (None, "in the client library raise the connect timeout (Go `nats.Timeout`, Python `connect_timeout`, \
                           Java `connectionTimeout`, .NET `ConnectTimeout`, C `natsOptions_SetTimeout`: 2 s; Rust \
                           `connection_timeout`: 5 s; JavaScript `timeout`: 20 s)".to_owned());
        }
    };
    (Some(Span::secs(secs)), text.to_owned())
}

/// How a client reads faster, or loses less when it can't.
#[must_use]
pub fn read_faster(lang: &str) -> String {
    match lang {
        "go" => "in the client (Go): do no slow work in the callback, hand messages to workers; mind `Subscription.SetPendingLimits`",
        "rust" => "in the client (Rust): poll the subscriber in a task of its own; `ConnectOptions::subscription_capacity` sizes its queue",
        "python3" => "in the client (Python): never block the event loop in a handler; `pending_msgs_limit` and `pending_bytes_limit` of subscribe size its queue",
        "nats.js" => "in the client (JavaScript): keep the event loop free; iterate subscriptions in async code without long synchronous work",
        "java" => "in the client (Java): use several Dispatchers and `setPendingLimits`; do no slow work in the handler",
        "C" => "in the client (C): `natsOptions_SetIOBufSize`, `natsSubscription_SetPendingLimits`; do no slow work in the callback",
        ".NET" => "in the client (.NET): read the subscription channel in a task of its own; `NatsOpts.SubPendingChannelCapacity` sizes it",
        _ => "in the client do no slow work where messages are received: hand them to workers",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use crate::base::{Addr, Side};
    use crate::cause::testing::Scene;

    #[test]
    fn commands_are_mirrored() {
        let scene = Scene::new();
        let case = scene.case();
        let server = super::open_host(&case, Side::Server).join("\n");
        assert!(server.contains("iptables -I INPUT -p tcp -s 10.0.0.7 --dport 4222 -j ACCEPT"), "{server}");
        assert!(server.contains("iptables -I OUTPUT -p tcp -d 10.0.0.7 --sport 4222 -j ACCEPT"));
        let client = super::open_host(&case, Side::Client).join("\n");
        assert!(client.contains("iptables -I INPUT -p tcp -s 10.0.0.5 --sport 4222 -j ACCEPT"), "{client}");
        assert!(client.contains("output ip daddr 10.0.0.5 tcp dport 4222 accept"));
    }

    #[test]
    fn ipv6_has_its_own_words() {
        let mut scene = Scene::new();
        let v6 = |last| Addr::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        scene.facts.client.addr = v6(7);
        scene.facts.server.addr = v6(5);
        let text = super::open_host(&scene.case(), Side::Server).join("\n");
        assert!(
            text.contains("ip6tables -I INPUT") && text.contains("input ip6 saddr 2001:db8::7"),
            "{text}"
        );
        assert!(text.contains("family=\"ipv6\""));
    }
}
