//! Listings of real tools (`listings/make.sh`) against what such rules do to packets.
use super::{Counters, Direction, Family, Fate, Found, Packet, Ruleset, Sureness, Tool};
use crate::base::Endpoint;
use crate::kernel::Verdict;
use proptest::prelude::*;
use std::net::SocketAddr;

const NFT_JSON: &str = include_str!("listings/host.nft.json");
const NFT_TEXT: &str = include_str!("listings/host.nft.txt");
const SAVE: &str = include_str!("listings/host.iptables.save");
const SAVE6: &str = include_str!("listings/host.ip6tables.save");
const LEGACY: &str = include_str!("listings/host.iptables-legacy.save");
const SAME_JSON: &str = include_str!("listings/host.iptables.json");
const SAME_TEXT: &str = include_str!("listings/host.iptables.txt");

const SYN: u8 = 2;
const ACK: u8 = 16;
const US: &str = "198.51.100.5:4222";

fn nft() -> Ruleset {
    nft_of(NFT_JSON)
}

fn nft_of(json: &str) -> Ruleset {
    let mut rules = Ruleset::new();
    rules.add_nft(json.as_bytes(), NFT_TEXT).unwrap();
    rules
}

fn iptables() -> Ruleset {
    let mut rules = Ruleset::new();
    rules.add_iptables(SAVE, Tool::Iptables).unwrap();
    rules.add_iptables(SAVE6, Tool::Ip6tables).unwrap();
    rules
}

fn endpoint(text: &str) -> Endpoint {
    let address: SocketAddr = text.parse().unwrap();
    Endpoint { addr: address.ip().into(), port: address.port() }
}

fn packet(src: &str, dst: &str, flags: u8, direction: Direction) -> Packet<'static> {
    Packet::new(endpoint(src), endpoint(dst), flags, direction)
}

fn inbound(src: &str, dst: &str, flags: u8) -> Packet<'static> {
    packet(src, dst, flags, Direction::Input)
}

fn texts(found: &[Found]) -> Vec<&str> {
    found.iter().map(|f| f.text.as_str()).collect()
}

fn find(rules: &Ruleset, packet: &Packet) -> Vec<Found> {
    rules.find(packet, None, Fate::default())
}

/// What is named, without counters to help.
#[track_caller]
fn named(rules: &Ruleset, packet: &Packet, expected: &[&str]) {
    assert_eq!(texts(&find(rules, packet)), expected, "{packet:?}");
}

const INPUT: &str = "nft: table inet filter, chain input";
const NATS: &str = "nft: table inet filter, chain nats";

#[test]
fn nft_names_the_rule_among_decoys() {
    let rules = nft();
    let block = format!(
        "{INPUT}, handle 21: ip saddr 203.0.113.0/24 tcp dport {{ 4222, 6223-6230 }} counter drop comment \"block nats\""
    );
    named(&rules, &inbound("203.0.113.9:50000", US, SYN), &[&block]);
    named(&rules, &inbound("203.0.113.9:50000", "198.51.100.5:6225", SYN), &[&block]);
    let decoy = format!("{INPUT}, handle 19: tcp dport 4223 drop comment \"decoy\"");
    named(&rules, &inbound("203.0.113.9:50000", "198.51.100.5:4223", SYN), &[&decoy]);
    named(&rules, &inbound("203.0.114.9:50000", US, SYN), &[]);
}

#[test]
fn nft_follows_jumps_maps_and_sets() {
    let rules = nft();
    let bad = format!("{NATS}, handle 9: ip saddr @blocked counter drop comment \"bad nets\"");
    named(&rules, &inbound("10.255.0.1:50000", US, SYN), &[&bad]);
    named(&rules, &inbound("172.16.0.9:50000", US, SYN), &[&bad]);
    named(&rules, &inbound("172.16.0.10:50000", US, SYN), &[]);
    let pairs = format!("{NATS}, handle 11: ip saddr . tcp sport @pairs drop comment \"pairs # handle 9\"");
    named(&rules, &inbound("192.0.2.14:40010", US, SYN), &[&pairs]);
    named(&rules, &inbound("192.0.2.14:40011", US, SYN), &[]);
    let late = "nft: table inet filter, chain late, handle 14: tcp dport 6222 drop";
    named(&rules, &inbound("192.0.2.1:1", "198.51.100.5:6222", SYN), &[late]);
    let map = format!(
        "{INPUT}, handle 24: tcp dport vmap {{ 4222 : jump nats, 5000-5100 : drop, 6222 : goto late }}"
    );
    named(&rules, &inbound("192.0.2.1:1", "198.51.100.5:5050", SYN), &[&map]);
    let by_port = format!("{INPUT}, handle 25: tcp dport vmap @by_port");
    named(&rules, &inbound("192.0.2.1:1", "198.51.100.5:7422", SYN), &[&by_port]);
    named(&rules, &inbound("192.0.2.1:1", "198.51.100.5:8222", SYN), &[]);
    let policy = format!("{INPUT}: policy drop");
    named(&rules, &inbound("192.0.2.1:1", "198.51.100.5:8223", SYN), &[&policy]);
}

#[test]
fn nft_knows_rejects_negations_and_versions() {
    let rules = nft();
    let reset = format!(
        "{NATS}, handle 10: tcp flags syn / fin,syn,rst,ack ip saddr 192.0.2.9 reject with tcp reset"
    );
    let packet = inbound("192.0.2.9:50000", US, SYN);
    named(&rules, &packet, &[&reset]);
    let rejected = Fate { rejected: true, ..Fate::default() };
    assert_eq!(rules.find(&packet, None, rejected)[0].verdict, Verdict::Reject);
    let v6 = format!(
        "{INPUT}, handle 22: ip6 saddr 2001:db8:bad::/48 tcp dport 4222 reject with icmpv6 port-unreachable"
    );
    named(&rules, &inbound("[2001:db8:bad::1]:1", "[2001:db8::1]:4222", SYN), &[&v6]);
    named(&rules, &inbound("[2001:db8:bad:1::1]:1", "[2001:db8::1]:4222", SYN), &[&v6]);
    named(&rules, &inbound("[2001:db8:bae::1]:1", "[2001:db8::1]:4222", SYN), &[]);
    let policy = format!("{INPUT}: policy drop");
    named(&rules, &inbound("192.0.2.2:50000", "198.51.100.5:4230", SYN), &[&policy]);
    named(&rules, &inbound("192.0.2.3:49999", "198.51.100.5:4230", SYN), &[&policy]);
    let other = rules.find(&inbound("192.0.2.3:50000", "198.51.100.5:4230", SYN), None, rejected);
    assert_eq!(other.len(), 1);
    assert!(other[0].text.contains("handle 33"), "{other:?}");
    assert!(rules.find(&inbound("203.0.113.9:50000", US, SYN), None, rejected).is_empty());
}

#[test]
fn nft_priorities_hooks_interfaces_and_flags() {
    let rules = nft();
    let early = "nft: table ip early, chain pre, handle 2: ip saddr 192.0.2.66 ip daddr 198.51.0.0/16 drop";
    named(&rules, &inbound("192.0.2.66:1", US, SYN), &[early]);
    let out = "nft: table inet filter, chain output, handle 36: ip daddr 10.77.1.3 tcp sport 4222 drop";
    named(&rules, &packet(US, "10.77.1.3:50000", ACK, Direction::Output), &[out]);
    named(&rules, &packet(US, "10.77.1.4:50000", ACK, Direction::Output), &[]);
    let flags = packet(US, "10.77.1.2:50000", ACK, Direction::Output);
    assert!(texts(&find(&rules, &flags))[0].contains("handle 37"));
    named(&rules, &Packet { flags: SYN | ACK, ..flags }, &[]);
    let from = |iif| Packet { iif, ..inbound("192.0.2.1:1", "198.51.100.5:9222", SYN) };
    assert!(texts(&find(&rules, &from(Some("veth7"))))[0].contains("handle 27"));
    assert!(texts(&find(&rules, &from(Some("wlan0"))))[0].ends_with("policy drop"));
}

#[test]
fn a_forgotten_connection_meets_what_new_ones_meet() {
    let rules = nft();
    // As an established one it would have been let through; so connection tracking did not know it.
    named(&rules, &inbound("192.0.2.1:1", "198.51.100.5:8223", ACK), &[&format!("{INPUT}: policy drop")]);
}

/// The listing after `handle` met some packets.
fn counted(handles: &[u64]) -> Ruleset {
    let mut listing: serde_json::Value = serde_json::from_str(NFT_JSON).unwrap();
    for object in listing["nftables"].as_array_mut().unwrap() {
        let rule = &mut object["rule"];
        if rule["handle"].as_u64().is_some_and(|h| handles.contains(&h)) && rule["table"] == "filter" {
            for statement in rule["expr"].as_array_mut().unwrap() {
                if statement["counter"].is_object() {
                    statement["counter"]["packets"] = 3.into();
                }
            }
        }
    }
    nft_of(&listing.to_string())
}

#[test]
fn counters_decide() {
    let before = nft().counters();
    let find = |rules: &Ruleset, packet: &Packet| rules.find(packet, Some(&before), Fate::default());
    let syn = inbound("203.0.113.9:50000", US, SYN);
    assert_eq!(find(&counted(&[21]), &syn)[0].sureness, Sureness::ExactCounted);
    // A rule that counted nothing did nothing, however well it fits.
    assert!(find(&nft(), &syn).is_empty());
    // A mark can't be known; what grew is likely.
    let marked = packet("198.51.100.5:50000", "198.51.100.8:4222", SYN, Direction::Output);
    let found = find(&counted(&[40]), &marked);
    assert_eq!((found.len(), found[0].sureness), (1, Sureness::PossibleCounted));
    assert!(found[0].text.contains("handle 40"));
    assert_eq!(find(&counted(&[39, 40]), &marked).len(), 2);
    assert!(find(&nft(), &marked).is_empty());
    // Behind a rate that may have let it through.
    let limited = inbound("192.0.2.200:50000", US, SYN);
    assert!(find(&counted(&[29]), &limited)[0].text.contains("handle 29"));
    // A packet of a running connection that connection tracking calls invalid.
    let stray = inbound("192.0.2.1:1", US, ACK);
    let found = find(&counted(&[16]), &stray);
    assert!(found[0].text.ends_with("handle 16: ct state invalid counter drop"), "{found:?}");
    // Counters set back say nothing.
    let later = counted(&[21]).counters();
    assert_eq!(nft().find(&syn, Some(&later), Fate::default())[0].sureness, Sureness::Exact);
    assert_ne!(before, Counters::default());
}

#[test]
fn guests_may_have_been_others() {
    let rules = nft();
    let guest = inbound("192.0.2.70:1", US, SYN);
    assert!(texts(&find(&rules, &guest))[0].contains("handle 12"));
    let before = rules.counters();
    let once = rules_of_guest_drop();
    let found = once.find(&inbound("192.0.2.71:1", US, SYN), Some(&before), Fate::default());
    assert_eq!(found[0].sureness, Sureness::PossibleCounted);
}

fn rules_of_guest_drop() -> Ruleset {
    counted(&[12])
}

#[test]
fn iptables_names_the_rule_among_decoys() {
    let (nft_backed, mut legacy) = (iptables(), Ruleset::new());
    legacy.add_iptables(LEGACY, Tool::IptablesLegacy).unwrap();
    for (rules, tool) in [(&nft_backed, "iptables"), (&legacy, "iptables-legacy")] {
        let rule = |text: &str| format!("{tool}: table filter, chain {text}");
        let block = rule(
            r#"NATS, rule 1: -A NATS -s 192.0.2.1/32 -p tcp -m comment --comment "block \"it\" -j ACCEPT" -j DROP"#,
        );
        named(rules, &inbound("192.0.2.1:50000", US, SYN), &[&block]);
        let reset = rule(
            "NATS, rule 2: -A NATS -s 192.0.2.2/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT --reject-with tcp-reset",
        );
        named(rules, &inbound("192.0.2.2:50000", US, SYN), &[&reset]);
        named(rules, &inbound("192.0.2.2:50000", US, ACK), &[]);
        let icmp = rule(
            "NATS, rule 3: -A NATS -m iprange --src-range 192.0.2.10-192.0.2.19 -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable",
        );
        named(rules, &inbound("192.0.2.19:50000", "198.51.100.5:6250", SYN), &[&icmp]);
        named(rules, &inbound("192.0.2.20:50000", "198.51.100.5:6250", SYN), &[]);
        named(rules, &inbound("192.0.2.19:50000", "198.51.100.5:6301", SYN), &[]);
        let masked =
            rule("INPUT, rule 8: -A INPUT -s 10.9.0.7/255.255.0.255 -p tcp -m tcp --dport 4222 -j DROP");
        named(rules, &inbound("10.9.77.7:50000", US, SYN), &[&masked]);
        named(rules, &inbound("10.9.77.8:50000", US, SYN), &[]);
        // In a chain behind a rate and a goto, only the mark's rule fits a SYN, and a mark can't be known.
        named(rules, &inbound("192.0.2.40:50000", US, SYN), &[]);
        let out =
            rule("OUTPUT, rule 1: -A OUTPUT -d 198.51.100.7/32 -o eth0 -p tcp -m tcp --sport 4222 -j DROP");
        let leaving = |oif| Packet { oif, ..packet(US, "198.51.100.7:5", ACK, Direction::Output) };
        named(rules, &leaving(Some("eth0")), &[&out]);
        named(rules, &leaving(Some("eth1")), &[]);
        let policy = rule("FORWARD: -P FORWARD DROP");
        named(rules, &packet("192.0.2.1:5", US, SYN, Direction::Forward), &[&policy]);
        let raw = format!(
            "{tool}: table raw, chain PREROUTING, rule 1: -A PREROUTING -i veth+ -p tcp -m tcp --sport 1:100 -j DROP"
        );
        named(rules, &Packet { iif: Some("veth0"), ..inbound("192.0.2.50:100", US, SYN) }, &[&raw]);
    }
    let v6 = "ip6tables: table filter, chain INPUT, rule 1: -A INPUT -s 2001:db8:1::/48 -p tcp -m tcp --dport 4222 -j REJECT --reject-with icmp6-adm-prohibited";
    named(&nft_backed, &inbound("[2001:db8:1::7]:1", "[2001:db8::1]:4222", SYN), &[v6]);
}

/// As ufw(8) has it, in short.
const UFW: &str = "*filter
:INPUT DROP [9:540]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-not-local - [0:0]
:ufw-limit - [0:0]
[1:60] -A INPUT -j ufw-before-input
[0:0] -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[4:240] -A ufw-before-input -m conntrack --ctstate INVALID -j DROP
[1:60] -A ufw-before-input -j ufw-not-local
[0:0] -A ufw-before-input -p tcp -m tcp --dport 22 -j ufw-limit
[1:60] -A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
[0:0] -A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
[0:0] -A ufw-not-local -m limit --limit 3/min -j RETURN
[0:0] -A ufw-not-local -j DROP
[0:0] -A ufw-limit -m recent --set --name DEFAULT -j REJECT --reject-with icmp-port-unreachable
COMMIT
";

#[test]
fn a_policy_behind_many_returns() {
    let mut rules = Ruleset::new();
    rules.add_iptables(UFW, Tool::Iptables).unwrap();
    let policy = "iptables: table filter, chain INPUT: -P INPUT DROP";
    named(&rules, &inbound("192.0.2.1:5", US, SYN), &[policy]);
    let mut routed = Ruleset::new();
    routed.add_iptables(&UFW.replace("INPUT", "FORWARD"), Tool::Iptables).unwrap();
    // Whether the address is the host's can't be told of a routed packet: either rule, until a counter decides.
    let forward = packet("192.0.2.1:5", US, SYN, Direction::Forward);
    assert_eq!(find(&routed, &forward).len(), 2);
    let mut before = Ruleset::new();
    before
        .add_iptables(&UFW.replace("INPUT", "FORWARD").replace("[9:540]", "[8:480]"), Tool::Iptables)
        .unwrap();
    let found = routed.find(&forward, Some(&before.counters()), Fate::default());
    assert_eq!(texts(&found), ["iptables: table filter, chain FORWARD: -P FORWARD DROP"]);
}

#[test]
fn silence_is_not_blamed_on_a_filter_that_lets_through() {
    let supposed = Fate { supposed: true, ..Fate::default() };
    let would = |rules: &Ruleset, packet: &Packet| rules.find(packet, None, supposed).len();
    // Established: let through. A drop record would have meant that connection tracking forgot it.
    assert_eq!(would(&nft(), &inbound("192.0.2.1:1", US, ACK)), 0);
    assert_eq!(would(&nft(), &inbound("192.0.2.1:1", "198.51.100.5:8223", ACK)), 0);
    // New, and nothing can save it.
    assert_eq!(would(&nft(), &inbound("203.0.113.9:50000", US, SYN)), 1);
    assert_eq!(would(&nft(), &packet(US, "10.77.1.3:50000", ACK, Direction::Output)), 1);
    // A rate may let it through; an interface that isn't known may.
    assert_eq!(would(&nft(), &inbound("192.0.2.200:50000", US, SYN)), 0);
    let mut rules = Ruleset::new();
    let text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -i eth0 -j ACCEPT\nCOMMIT\n";
    rules.add_iptables(text, Tool::Iptables).unwrap();
    let loopback = inbound("127.0.0.1:1", "127.0.0.1:4222", SYN);
    assert_eq!(would(&rules, &loopback), 0);
    assert_eq!(find(&rules, &loopback).len(), 1);
}

#[test]
fn where_it_was_dropped_tells_the_tool() {
    let mut rules = iptables();
    rules.add_iptables(LEGACY, Tool::IptablesLegacy).unwrap();
    let syn = inbound("192.0.2.1:50000", US, SYN);
    let by = |legacy| texts(&rules.find(&syn, None, Fate { legacy, ..Fate::default() })).join(" ");
    assert!(by(Some(false)).starts_with("iptables: "));
    assert!(find(&rules, &syn).len() < 2);
}

#[test]
fn one_rule_has_one_name() {
    let mut rules = Ruleset::new();
    rules.add_nft(SAME_JSON.as_bytes(), SAME_TEXT).unwrap();
    rules.add_iptables(SAVE, Tool::Iptables).unwrap();
    let mut other_way = Ruleset::new();
    other_way.add_iptables(SAVE, Tool::Iptables).unwrap();
    other_way.add_nft(SAME_JSON.as_bytes(), SAME_TEXT).unwrap();
    let syn = inbound("192.0.2.1:50000", US, SYN);
    for rules in [rules, other_way] {
        let found = find(&rules, &syn);
        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with("iptables: "));
        let json: serde_json::Value = serde_json::from_str(SAME_JSON).unwrap();
        let first = json["nftables"].as_array().unwrap().iter().find(|o| o["rule"]["chain"] == "NATS");
        let handle = first.unwrap()["rule"]["handle"].as_u64();
        assert_eq!(
            rules.by_handle(Family::Ip, "filter", "NATS", handle),
            Some((found[0].text.clone(), found[0].remove.clone(), Verdict::Drop))
        );
        assert_eq!(rules.by_handle(Family::Ip, "filter", "NATS", Some(9999)), None);
    }
}

#[test]
fn handles_are_found() {
    let rules = nft();
    let (text, remove, _) = rules.by_handle(Family::Inet, "filter", "input", Some(19)).unwrap();
    let (_, _, verdict) = rules.by_handle(Family::Inet, "filter", "nats", Some(10)).unwrap();
    assert_eq!(verdict, Verdict::Reject);
    assert_eq!(remove.as_deref(), Some("nft delete rule inet filter input handle 19"));
    assert_eq!(text, format!("{INPUT}, handle 19: tcp dport 4223 drop comment \"decoy\""));
    assert_eq!(
        rules.by_handle(Family::Inet, "filter", "input", None).unwrap().0,
        format!("{INPUT}: policy drop")
    );
    assert_eq!(rules.by_handle(Family::Ip, "filter", "input", Some(19)), None);
}

#[test]
fn what_is_no_listing_is_told() {
    assert!(Ruleset::new().add_nft(b"[]", "").is_err());
    assert!(Ruleset::new().add_nft(b"{\"nftables\": [", "").is_err());
    assert!(Ruleset::new().add_iptables("-A INPUT -j DROP", Tool::Iptables).is_err());
    assert!(
        Ruleset::new().add_iptables("*filter\n:INPUT ACCEPT [0:0]\n-A X -j DROP", Tool::Iptables).is_err()
    );
}

/// A listing with bytes changed, cut or said twice.
fn hurt(text: &str, hits: &[(prop::sample::Index, u8)], cut: prop::sample::Index) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, byte) in hits {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes.truncate(cut.index(bytes.len()) + 1);
    bytes
}

proptest! {
    #[test]
    fn no_listing_breaks_us(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        noise in "[-!:*\"\\\\ a-zA-Z0-9,/.\\[\\]\n]{0,200}",
    ) {
        let syn = inbound("203.0.113.9:50000", US, SYN);
        for text in [NFT_JSON, SAVE, NFT_TEXT] {
            let bytes = hurt(text, &hits, cut);
            let words = String::from_utf8_lossy(&bytes);
            let mut rules = Ruleset::new();
            let read = rules.add_nft(&bytes, &words).is_ok();
            let read = rules.add_iptables(&words, Tool::Iptables).is_ok() || read;
            let found = rules.find(&syn, Some(&nft().counters()), Fate::default());
            prop_assert!(read || found.is_empty());
        }
        let mut rules = Ruleset::new();
        let lines = format!("*filter\n:INPUT DROP [0:0]\n-A INPUT {}\n", noise.replace('\n', "\n-A INPUT "));
        rules.add_iptables(&lines, Tool::Iptables).unwrap();
        prop_assert!(rules.find(&syn, None, Fate::default()).len() <= 2);
    }

    #[test]
    fn no_json_breaks_us(left in ".{0,40}", op in "==|!=|in|<|>|!", right in ".{0,40}", n in any::<u64>()) {
        for value in [serde_json::json!({"prefix": {"addr": left, "len": n}}), serde_json::json!({"range": [n, right]}),
            serde_json::json!({"prefix": {"addr": "1.2.3.4", "len": n}}), serde_json::json!({"set": [left, n]}),
            serde_json::json!([right, n]), serde_json::json!(n)] {
            let listing = serde_json::json!({"nftables": [
                {"chain": {"family": "ip", "table": "t", "name": "c", "hook": "input", "prio": 0, "policy": "accept"}},
                {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 1, "expr": [
                    {"match": {"op": op, "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": value}},
                    {"vmap": {"key": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, n]}, "data": {"set": [[n, {"drop": null}]]}}}]}}]});
            let mut rules = Ruleset::new();
            rules.add_nft(listing.to_string().as_bytes(), "").unwrap();
            prop_assert!(rules.find(&inbound("1.2.3.4:1", US, SYN), None, Fate::default()).len() <= 1);
        }
    }
}
