//! Idle limits of devices and programs as they come, to name who may have forgotten a connection. Those that could not be
//! verified are not here.
use crate::base::Span;

/// One limit.
#[derive(Clone, Copy, Debug)]
pub struct IdleLimit {
    /// How long a connection may be idle, seconds.
    pub secs: i64,
    /// Whose limit it is.
    pub device: &'static str,
    /// How it is raised there.
    pub raise: &'static str,
}

/// By length.
pub const KNOWN: &[IdleLimit] = &[
    // /etc/haproxy/haproxy.cfg of Debian's package: `timeout client 50000`, `timeout server 50000`.
    IdleLimit {
        secs: 50,
        device: "haproxy as Debian ships it",
        raise: "haproxy.cfg: `timeout client` and `timeout server`, or `timeout tunnel`",
    },
    // nginx.org, ngx_http_proxy_module, proxy_read_timeout; docs.aws.amazon.com, application balancer, idle_timeout.timeout_seconds.
    IdleLimit {
        secs: 60,
        device: "an AWS application or classic load balancer, or nginx as HTTP proxy",
        raise: "AWS: `idle_timeout.timeout_seconds`; nginx: `proxy_read_timeout`",
    },
    // learn.microsoft.com, load-balancer-tcp-idle-timeout: 4 minutes by default, up to 100.
    IdleLimit {
        secs: 240,
        device: "an Azure load balancer",
        raise: "Azure: `--idle-timeout` of the load balancing, outbound or NAT rule (4 to 100 minutes)",
    },
    // clouddocs.f5.com, L4_Profile: idleTimeout 300, resetOnTimeout true.
    IdleLimit {
        secs: 300,
        device: "an F5 BIG-IP (Fast L4 profile)",
        raise: "BIG-IP: `idle-timeout` of the fastl4 profile",
    },
    // docs.aws.amazon.com, update-idle-timeout (TLS listeners are fixed); NAT gateway: 350 s, an RST answers what comes later.
    IdleLimit {
        secs: 350,
        device: "an AWS network load balancer or NAT gateway",
        raise: "AWS network balancer: `tcp.idle_timeout.seconds` (60 to 6000; fixed for TLS listeners and NAT gateways)",
    },
    // cloud.google.com, compute/docs/troubleshooting: connection tracking of 10 minutes; nginx.org, ngx_stream_proxy_module.
    IdleLimit {
        secs: 600,
        device: "a Google Cloud VPC firewall, or nginx as TCP proxy (`proxy_timeout`)",
        raise: "nginx: `proxy_timeout`; the VPC's limit is fixed",
    },
    // net/netfilter/ipvs/ip_vs_proto_tcp.c: IP_VS_TCP_S_ESTABLISHED, 15 * 60 s.
    IdleLimit {
        secs: 900,
        device: "Linux IPVS (kube-proxy in IPVS mode, Docker Swarm)",
        raise: "IPVS: `ipvsadm --set`, kube-proxy `--ipvs-tcp-timeout`",
    },
    // cloud.google.com, Cloud NAT: tcp-established-idle-timeout 1200 s.
    IdleLimit {
        secs: 1200,
        device: "Google Cloud NAT",
        raise: "Cloud NAT: `--tcp-established-idle-timeout`",
    },
    // juniper.net, session characteristics: TCP 30 minutes.
    IdleLimit {
        secs: 1800,
        device: "a Juniper SRX",
        raise: "SRX: `set applications application NAME inactivity-timeout`",
    },
    // cisco.com, asa connection settings, `timeout conn`; community.fortinet.com, session-ttl; docs.paloaltonetworks.com,
    // session timeouts; envoyproxy.io, tcp_proxy.
    IdleLimit {
        secs: 3600,
        device: "a Cisco ASA, FortiGate or Palo Alto firewall, or Envoy's TCP proxy",
        raise: "ASA: `timeout conn`; FortiGate: `session-ttl`; Palo Alto: TCP timeout of the session; Envoy: `idle_timeout` of tcp_proxy",
    },
    // Documentation/networking/nf_conntrack-sysctl.rst: nf_conntrack_tcp_timeout_established.
    IdleLimit {
        secs: 432_000,
        device: "connection tracking of Linux",
        raise: "Linux: `sysctl net.netfilter.nf_conntrack_tcp_timeout_established`",
    },
];

/// Whose limit a gap fits. A device that closes by itself does so at its limit; one that only forgets is found out by the
/// next segment, later.
#[must_use]
pub fn fits(gap: Span, by_itself: bool) -> Option<&'static IdleLimit> {
    let late = |limit: &IdleLimit| {
        let most = if by_itself { limit.secs / 100 + 2 } else { limit.secs / 20 + 10 };
        let late = gap.0 - limit.secs * 1_000_000_000;
        (-1_500_000_000..=most * 1_000_000_000).contains(&late)
    };
    KNOWN.iter().find(|limit| late(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_names_a_device() {
        let fit = |secs, by_itself| fits(Span::secs(secs), by_itself).map(|l| l.secs);
        assert_eq!(fit(350, true), Some(350));
        assert_eq!(fit(360, true), None);
        assert_eq!(fit(360, false), Some(350));
        assert_eq!(fit(120, false), None);
        assert_eq!(fit(3601, true), Some(3600));
    }

    #[test]
    fn by_length() {
        assert!(KNOWN.is_sorted_by_key(|l| l.secs));
    }
}
