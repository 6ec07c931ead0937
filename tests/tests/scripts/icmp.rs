//! What ICMP errors decide, and what they don't.

scenarios! {
admin_prohibited_by_a_router r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
c > S drop   +0.2ms r > icmp admin of c
+1s c > rtx drop   +0.2ms r > icmp admin of c
+120s end
=> firewall_drop network firewall_reject handshake=unanswered
"#

port_unreachable_by_the_host_itself r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S drop   +0.2ms s > icmp port of c
+120s end
=> firewall_drop server firewall_reject handshake=unanswered
"#

protocol_unreachable r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S drop   +0.2ms s > icmp proto of c
+120s end
=> firewall_drop server firewall_reject
"#

host_unreachable r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
c > S drop   +3s r > icmp host of c
+120s end
=> timeout network host_unreachable 0.6.. handshake=unanswered
"#

network_unreachable r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
c > S drop   +0.2ms r > icmp net of c
+120s end
=> timeout network host_unreachable handshake=unanswered
"#

over_ipv6 r#"
c = [2001:db8::7]:51234 ; s = [2001:db8::5]:4222 ; r = 2001:db8::1 ttl 63
c > S drop   +0.2ms r > icmp admin of c
+120s end
=> firewall_drop network firewall_reject handshake=unanswered
"#

host_unreachable_while_established r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x4/0.4s
+0.1ms r > icmp host of c
+3s    c > rtx drop
+0.1ms r > icmp host of c
+130s  end
=> timeout network host_unreachable 0.5..
"#

admin_prohibited_while_established r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
hello c
+5s    c > pub a 100 drop
+0.1ms r > icmp admin of c
+0.2s  c > rtx drop   +0.1ms r > icmp admin of c
+0.4s  c > rtx drop   +0.1ms r > icmp admin of c
+0.8s  c > rtx drop   +0.1ms r > icmp admin of c
+130s  end
=> firewall_drop network firewall_reject|firewall_drop
"#

/// A soft error while established: TCP tries on, and gets through.
host_unreachable_for_a_moment r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
hello c
+5s    c > pub a 100 drop
+0.1ms r > icmp host of c
+0.2s  c > rtx     +0.2ms s > A
+10m  end
=> nothing
=> open 1
"#

/// "ICMP fragmentation-needed alone ends nothing."
fragmentation_needed r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
hello c
+5s    c > PA "PUB a 1438\r\n" len=1440 drop
+0.2ms r > icmp frag of c
+0.1ms c > PA "PUB a 1438\r\n" len=700 seq=-1452
+0.2ms s > A
+0.1ms c > PA len=740 seq=-740
+0.2ms s > A
+10m end
=> nothing
=> open 1
"#

ttl_exceeded_alone r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
hello c
+5s    c > pub a 100 drop
+0.1ms r > icmp ttl of c
+0.2s  c > rtx     +0.2ms s > A
+10m end
=> nothing
=> open 1
"#

/// An error about a stranger's connection says nothing of ours.
about_somebody_else r#"
c1 = 10.0.0.7:51234 ; c2 = 10.0.0.8:4000 ; s = 10.0.0.5:4222 ; r = 10.0.0.254 ttl 63
hello c1
+1s c2 > S drop   +0.1ms r > icmp admin of c2:s
+10m end
=> firewall_drop network * client.address=10.0.0.8
=> open 1
"#
}
