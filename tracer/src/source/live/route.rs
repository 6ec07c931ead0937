//! The interface of the default route, from the kernel's tables of the calling thread's network namespace.
use std::fs;

/// The kernel's flag of a route that is up, and of one that refuses (`RTF_UP`, `RTF_REJECT`).
const UP: u32 = 0x0001;
const REJECT: u32 = 0x0200;

/// The interface that packets for unknown destinations leave by: of the IPv4 default route, else of the IPv6 one.
#[must_use]
pub fn default_interface() -> Option<String> {
    let read = |table: &str| fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
    v4(&read("route")).or_else(|| v6(&read("ipv6_route")))
}

/// `/proc/net/route`: Iface Destination Gateway Flags RefCnt Use Metric Mask …
fn v4(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, destination, _, flags, _, _, metric, mask, ..] = words[..] else { return None };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let default = destination == "00000000" && mask == "00000000";
        (default && flags & UP != 0 && flags & REJECT == 0)
            .then(|| Some((metric.parse::<u32>().ok()?, name)))?
    });
    routes.min_by_key(|&(metric, _)| metric).map(|(_, name)| name.to_owned())
}

/// `/proc/net/ipv6_route`: destination, its prefix length, source, its prefix length, next hop, metric, two counters,
/// flags, interface; all numbers in hexadecimal.
fn v6(table: &str) -> Option<String> {
    let routes = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, _, metric, _, _, flags, name] = words[..] else { return None };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let default = length == "00" && destination.bytes().all(|b| b == b'0');
        (default && flags & UP != 0 && flags & REJECT == 0 && name != "lo")
            .then(|| Some((u32::from_str_radix(metric, 16).ok()?, name)))?
    });
    routes.min_by_key(|&(metric, _)| metric).map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_metric_wins() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth1\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(v4(table).as_deref(), Some("eth0"));
        assert_eq!(v4(table.lines().next().unwrap()), None);
        assert_eq!(v4("x\ny z\n"), None);
    }

    #[test]
    fn ipv6_without_the_kernels_own_refusal() {
        let zero = "0".repeat(32);
        let refusal = format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n");
        assert_eq!(v6(&refusal), None);
        let route =
            format!("{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n");
        assert_eq!(v6(&(refusal + &route)).as_deref(), Some("eth0"));
    }
}
