//! Names of drop and reset reasons, as the running kernel numbers them; which reasons tell of no loss.
use super::btf::Btf;
use super::format::Format;
use hashbrown::HashMap;
use std::sync::Arc;

/// The names of one enumeration.
#[derive(Clone, Default, Debug)]
pub struct Reasons {
    names: HashMap<u32, Arc<str>>,
}

impl Reasons {
    /// Of `skb:kfree_skb`: from its format, else from BTF's `skb_drop_reason`.
    #[must_use]
    pub fn of_drops(format: Option<&Format>, btf: Option<&Btf<'_>>) -> Self {
        Self::new(format, btf, "skb_drop_reason", &["SKB_DROP_REASON_", "SKB_"])
    }

    /// Of `tcp:tcp_send_reset`: from its format, else from BTF's `sk_rst_reason`.
    #[must_use]
    pub fn of_resets(format: Option<&Format>, btf: Option<&Btf<'_>>) -> Self {
        Self::new(format, btf, "sk_rst_reason", &["SK_RST_REASON_"])
    }

    fn new(format: Option<&Format>, btf: Option<&Btf<'_>>, enumeration: &str, prefixes: &[&str]) -> Self {
        let printed = format.map_or(&[][..], |f| f.names("reason"));
        let told = if printed.is_empty() {
            btf.map(|btf| btf.names(enumeration)).unwrap_or_default()
        } else {
            printed.to_vec()
        };
        let plain =
            |name: &str| Arc::from(prefixes.iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name));
        let names =
            told.iter().filter_map(|(n, name)| Some((u32::try_from(*n).ok()?, plain(name)))).collect();
        Self { names }
    }

    /// The name of a number; a number without one is told as it is (`REASON_65537`): subsystems and modules bring
    /// reasons that neither list has.
    #[must_use]
    pub fn name(&self, number: u32) -> Arc<str> {
        self.names.get(&number).cloned().unwrap_or_else(|| Arc::from(format!("REASON_{number}")))
    }

    /// How many have names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Numbers of the drop reasons that are silenced in the kernel, by name.
    pub fn quiet(&self) -> impl Iterator<Item = u32> {
        self.names.iter().filter(|(_, name)| QUIET.contains(&name.as_ref())).map(|(number, _)| *number)
    }
}

/// Drops that lose nothing: what was received is thrown away after use, with its socket, or as a repetition; or the
/// same thing is told by another tracepoint (resets).
const QUIET: &[&str] = &[
    "NOT_DROPPED_YET",
    "CONSUMED",
    "SOCKET_CLOSE",
    "QUEUE_PURGE",
    "TCP_OLD_DATA",
    "TCP_OFOMERGE",
    "TCP_OLD_ACK",
    "TCP_FASTOPEN",
    "TCP_RESET",
    "TCP_ABORT_ON_DATA",
    "TAP_FILTER",
    "TAP_TXFILTER",
    "PACKET_SOCK_ERROR",
];

/// Code that frees packets which have reached their socket, leading underscores aside.
const AT_THE_SOCKET: &[&str] = &["tcp_", "sk_", "sock_", "skb_", "inet_", "mptcp_", "kfree_skb"];

/// Whether a drop tells of no loss: kernels before 6.13 or so give up what TCP has used, or what waits in a socket that
/// is closed, without a reason (one at every close). Where even the place is hidden such a drop says nothing.
#[must_use]
pub fn used_up(reason: &str, place: Option<&str>) -> bool {
    let at_the_socket = |place: &str| {
        let place = place.trim_start_matches('_');
        AT_THE_SOCKET.iter().any(|p| place.starts_with(p))
    };
    reason == "NOT_SPECIFIED" && place.is_none_or(at_the_socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tcp_has_used_is_no_loss() {
        // Debian's 6.1 and 6.12, at an ordinary close.
        assert!(used_up("NOT_SPECIFIED", Some("sk_stream_kill_queues")));
        assert!(used_up("NOT_SPECIFIED", Some("tcp_v4_rcv")));
        assert!(used_up("NOT_SPECIFIED", Some("__tcp_close")) && used_up("NOT_SPECIFIED", None));
        // A kernel before 5.17, and a queue.
        assert!(!used_up("NOT_SPECIFIED", Some("nft_do_chain")));
        assert!(!used_up("NOT_SPECIFIED", Some("__dev_queue_xmit")));
        assert!(!used_up("NETFILTER_DROP", None) && !used_up("NO_SOCKET", Some("tcp_v4_rcv")));
    }
}
