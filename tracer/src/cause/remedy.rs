//! Commands and settings for the `fix` of a verdict, with the real addresses, for the host they are typed on and in the words
//! of the client's library.
use super::Case;
use super::libraries::{Library, library};
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
    library(lang).map_or_else(
        || format!("in the client library set its ping interval to {secs} s (most default to 2 min)"),
        |library| library.ping(secs),
    )
}

/// The client library's options that keep it trying.
#[must_use]
pub fn keep_trying(lang: &str) -> String {
    library(lang).map_or_else(
        || "in the client library allow reconnects without limit (-1 in most)".to_owned(),
        Library::keep_trying,
    )
}

/// The client library's wait between attempts, with jitter.
#[must_use]
pub fn spread_attempts(lang: &str) -> String {
    spread_over(lang, Span::millis(500))
}

/// The same, over that much time.
#[must_use]
pub fn spread_over(lang: &str, jitter: Span) -> String {
    library(lang).map_or_else(
        || {
            format!(
                "in the client library wait at least 2 s between attempts, and up to {jitter} more at random"
            )
        },
        |library| library.spread(jitter),
    )
}

/// The client library's option for its connect timeout.
#[must_use]
pub fn connect_timeout(lang: &str) -> String {
    let Some(library) = library(lang) else {
        return "in the client library raise the connect timeout (Go `nats.Timeout`, Python `connect_timeout`, Java \
                `connectionTimeout`, .NET `ConnectTimeout`, C `natsOptions_SetTimeout`: 2 s; Rust `connection_timeout`: 5 s; \
                JavaScript `timeout`: 20 s)"
            .to_owned();
    };
    library.connect_timeout((library.connect_timeout.0 / 1_000_000_000 * 2).clamp(5, 30))
}

/// How a client reads faster, or loses less when it can't.
#[must_use]
pub fn read_faster(lang: &str) -> String {
    library(lang).map_or_else(
        || "in the client do no slow work where messages are received: hand them to workers".to_owned(),
        Library::read_faster,
    )
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
