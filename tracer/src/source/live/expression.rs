//! What the kernel lets through, as a pcap-filter(7) expression: TCP of the ports and of the user's filter, parts of IP
//! datagrams, the ICMP errors that verdicts need, tunnels where asked for; all of it with VLAN tags and without.
use crate::base::PortSet;
use crate::wire::LinkType;

/// Port ranges in one expression at most: what would be more is joined across its smallest gaps, and the tracker, which
/// knows the ports, leaves out what slips through. The kernel takes at most 4096 instructions.
const RANGES_MAX: usize = 32;

/// Errors of ICMP (unreachable, time exceeded, parameter problem) and ICMPv6 (those and packet too big).
const ICMP_ERRORS: &str = "(icmp[0] = 3 or icmp[0] = 11 or icmp[0] = 12) or \
     (ip6 proto 58 and ip6[40] >= 1 and ip6[40] <= 4)";

/// TCP that shows no port at its usual place: parts of IPv4 datagrams but the first, and IPv6 with extension headers
/// (hop-by-hop, routing, fragment, destination options).
const ODD_TCP: &str = "(ip proto 6 and ip[6:2] & 0x1fff != 0) or \
     ((ip6[6] = 0 or ip6[6] = 43 or ip6[6] = 44 or ip6[6] = 60) and \
     (ip6[40] = 6 or ip6[40] = 43 or ip6[40] = 44 or ip6[40] = 60))";

/// VXLAN (IANA's port and Linux' old one), Geneve, GRE, IP in IP, IPv6 in IP; and parts of their datagrams.
const TUNNELS: &str = "(udp dst port 4789 or udp dst port 8472 or udp dst port 6081 or ip proto 47 or ip6 proto 47 or \
     ip proto 4 or ip6 proto 4 or ip proto 41 or ip6 proto 41) or (ip proto 17 and ip[6:2] & 0x1fff != 0)";

/// Words of pcap-filter(7) that move where the rest of an expression looks.
const SHIFTING: [&str; 5] = ["vlan", "mpls", "pppoes", "geneve", "vxlan"];

/// What is to be let through.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Server ports.
    pub ports: PortSet,
    /// The user's expression; it concerns TCP alone.
    pub user: Option<String>,
    /// Tunnels too.
    pub tunnels: bool,
}

impl Wanted {
    /// The expression for frames of that link type.
    #[must_use]
    pub fn expression(&self, link: LinkType) -> String {
        let mut plain = format!("({ICMP_ERRORS}) or ({ODD_TCP})");
        if self.tunnels {
            plain.push_str(&format!(" or ({TUNNELS})"));
        }
        let tcp = format!("({})", ports(&self.ports));
        let tcp = self.user.as_ref().map_or_else(|| tcp.clone(), |user| format!("(({user}) and {tcp})"));
        plain.push_str(&format!(" or {tcp}"));
        match link {
            // `vlan` moves what follows it by one tag: the second alternative is one tag, the third two. The kernel strips
            // the outer tag of most frames; libpcap looks for it there too.
            LinkType::ETHERNET if !self.shifts() => {
                format!("({plain}) or (vlan and ({plain})) or (vlan and ({plain}))")
            }
            LinkType::LINUX_SLL => format!("({plain}) or {}", self.tagged(16)),
            LinkType::LINUX_SLL2 => format!("({plain}) or {}", self.tagged(20)),
            _ => plain,
        }
    }

    /// The user's expression looks behind tags or labels itself.
    fn shifts(&self) -> bool {
        let words = |text: &str| {
            text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| SHIFTING.contains(&word))
        };
        self.user.as_deref().is_some_and(words)
    }

    /// TCP behind a tag that was left in a cooked frame, on any port. `vlan` is not for cooked frames, so `at`, the length
    /// of their header, is where the tag is looked for.
    fn tagged(&self, at: usize) -> String {
        let (kind, ip) = (at + 2, at + 4);
        let tcp = format!(
            "((link[{kind}:2] = 0x0800 and link[{}] = 6) or (link[{kind}:2] = 0x86dd and link[{}] = 6))",
            ip + 9,
            ip + 6
        );
        let user = self.user.as_ref().map(|user| format!(" and ({user})")).unwrap_or_default();
        format!("((ether proto 0x8100 or ether proto 0x88a8) and {tcp}{user})")
    }
}

fn ports(ports: &PortSet) -> String {
    if ports.is_all() {
        return "tcp".into();
    }
    let terms: Vec<String> = joined(ports.ranges())
        .into_iter()
        .map(
            |(low, high)| {
                if low == high { format!("tcp port {low}") } else { format!("tcp portrange {low}-{high}") }
            },
        )
        .collect();
    terms.join(" or ")
}

/// At most [`RANGES_MAX`] ranges that hold all of `ranges`.
fn joined(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    let Some(surplus) = ranges.len().checked_sub(RANGES_MAX).filter(|&n| n > 0) else { return ranges };
    let mut gaps: Vec<(u16, usize)> =
        ranges.windows(2).enumerate().map(|(at, pair)| (pair[1].0 - pair[0].1, at)).collect();
    gaps.sort_unstable();
    let mut closed: Vec<usize> = gaps.into_iter().take(surplus).map(|(_, at)| at).collect();
    closed.sort_unstable_by(|a, b| b.cmp(a));
    for at in closed {
        let after = ranges.remove(at + 1);
        ranges[at].1 = after.1;
    }
    ranges
}

#[cfg(test)]
mod tests;
