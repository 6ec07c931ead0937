//! Names of kernel code by address, from `/proc/kallsyms` (`ffffffff81c3a0f0 T nft_do_chain [nf_tables]`).
use std::sync::Arc;

/// What code that drops packets is called, leading underscores aside. Other names aren't kept: a kernel has 100,000.
const KEPT: &[&str] = &[
    "nf",
    "nft",
    "ipt",
    "ip6t",
    "arpt",
    "ebt",
    "xt_",
    "xtables",
    "tcp",
    "ip_",
    "ip6_",
    "ipv6",
    "inet",
    "fib",
    "br_",
    "tc",
    "cls_",
    "sch_",
    "qdisc",
    "dev_",
    "netif",
    "napi",
    "veth",
    "tun",
    "tap",
    "sk_",
    "sock",
    "skb",
    "icmp",
    "ndisc",
    "neigh",
    "arp",
    "dst_",
    "rt",
    "packet",
    "tpacket",
    "xfrm",
    "bpf",
    "xdp",
    "generic_xdp",
    "do_xdp",
    "fq",
    "htb",
    "tbf",
    "pfifo",
    "bfifo",
    "codel",
    "netem",
    "sfq",
    "cake",
    "ingress",
    "macvlan",
    "ipvlan",
    "vxlan",
    "geneve",
    "gre",
    "vlan",
    "bond",
    "loopback",
    "virtnet",
    "ovs",
    "mptcp",
    "security",
    "selinux",
    "reqsk",
    "local_bh",
    "kfree_skb",
];
/// More text than any kernel has symbols.
const MOST: usize = 1 << 20;

/// Kernel functions by address.
#[derive(Clone, Default, Debug)]
pub struct Symbols {
    /// Start, end, name; ascending.
    functions: Vec<(u64, u64, Arc<str>)>,
}

impl Symbols {
    /// Reads `/proc/kallsyms`; empty where the kernel hides the addresses (all zero).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut all: Vec<(u64, &str)> = text.lines().take(MOST).filter_map(symbol).collect();
        all.sort_unstable();
        let mut functions: Vec<(u64, u64, Arc<str>)> = Vec::new();
        for (n, &(start, name)) in all.iter().enumerate() {
            let end = all[n..].iter().map(|(at, _)| *at).find(|at| *at > start).unwrap_or(u64::MAX);
            if kept(name) && functions.last().is_none_or(|last| last.0 != start) {
                functions.push((start, end, Arc::from(name)));
            }
        }
        functions.shrink_to_fit();
        Self { functions }
    }

    /// The function that called from `address`. Compilers' suffixes (`.isra.0`, `.cold`) are left away.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<Arc<str>> {
        // A return address is that of the next instruction, which may be the next function's first.
        let address = address.checked_sub(1)?;
        let n = self.functions.partition_point(|(start, ..)| *start <= address).checked_sub(1)?;
        self.functions.get(n).filter(|(_, end, _)| address < *end).map(|(.., name)| Arc::clone(name))
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.functions.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }
}

/// Address and name of a line about code.
fn symbol(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok().filter(|a| *a != 0)?;
    let code = matches!(words.next()?, "t" | "T" | "w" | "W");
    let name = words.next()?;
    code.then(|| (address, name.split('.').next().unwrap_or(name)))
}

fn kept(name: &str) -> bool {
    let name = name.trim_start_matches('_').as_bytes();
    // The first letter by itself: most of 100,000 names fail there.
    KEPT.iter().any(|k| k.as_bytes().first() == name.first() && name.starts_with(k.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calling_function() {
        let symbols = Symbols::parse(
            "ffffffff81000200 T nft_do_chain\t[nf_tables]\nffffffff81000100 t tcp_v4_rcv.isra.0\n\
             ffffffff81000300 T schedule\nffffffff81000280 d tcp_table\n",
        );
        let at = |address| symbols.at(address);
        assert_eq!(at(0xffff_ffff_8100_0210).as_deref(), Some("nft_do_chain"));
        assert_eq!(at(0xffff_ffff_8100_0200).as_deref(), Some("tcp_v4_rcv"), "a return address");
        assert_eq!(at(0xffff_ffff_8100_0310), None, "not kept, and no neighbour's");
        assert_eq!((at(0), at(5)), (None, None));
    }

    #[test]
    fn hidden_addresses() {
        assert!(Symbols::parse("0000000000000000 T tcp_v4_rcv\nnonsense\n\n").is_empty());
    }
}
