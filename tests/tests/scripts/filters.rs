//! close.kind, rules 3 and 4: the signs of a filter, and silence without one.

scenarios! {
/// One flow silent while the same two hosts talk on another.
one_flow_silent r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; s = 10.0.0.5:4222
hello c1 name=a ; hello c2 name=b
+5s    c1 > pub a 100 drop   +0.2s c1 > rtx drop x4/0.4s
+0.1s  c2 > pub a 100        +0.2ms s:c2 > A
+3s    c1 > rtx drop x5/6s
+0.1s  c2 > pub a 100        +0.2ms s:c2 > A
+90s  end
=> firewall_drop network|server firewall_drop client.name=a
=> open 1
"#

/// Captured on the server's host: they arrived, its TCP never saw them, and it talks on.
arrived_but_never_reached_tcp r#"
c1 = 10.0.0.7:51001 ttl 63 ; c2 = 10.0.0.8:51002 ttl 63 ; s = 10.0.0.5:4222 ttl 64
hello c1 name=a ; hello c2 name=b
+5s    c1 > pub a 100 drop   +0.2s c1 > rtx drop x4/0.4s
+0.1s  c2 > pub a 100        +0.2ms s:c2 > A
+3s    c1 > rtx drop x5/6s
+0.1s  c2 > pub a 100        +0.2ms s:c2 > A
+90s   end
=> firewall_drop server firewall_drop 0.6.. client.name=a
=> open 1
"#

/// The mirror: the server's messages arrive on the client's host, which talks on.
arrived_at_the_client_but_never_reached_tcp r#"
c = 10.0.0.7:51001 ttl 64 ; c2 = 10.0.0.7:51002 ttl 64 ; s = 10.0.0.5:4222 ttl 63
hello c name=a ; hello c2 name=b
+5s    s:c > msg a 100 drop   +0.2s s:c > rtx drop x4/0.4s
+0.1s  s:c2 > msg a 100       +0.2ms c2 > A
+3s    s:c > rtx drop x5/6s
+0.1s  s:c2 > msg a 100       +0.2ms c2 > A
+90s   end
=> firewall_drop client firewall_drop 0.6.. client.name=a
=> open 1
"#

/// SYNs to one port silent, another client's SYN taken.
syn_of_one_client_filtered r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; s = 10.0.0.5:4222
c1 > S drop      +1s c1 > rtx drop
+0.5s hello c2
+1.5s c1 > rtx drop x4/4s
+120s end
=> firewall_drop * firewall_drop|accept_queue_overflow client.address=10.0.0.7 handshake=unanswered
=> open 1
"#

/// One port silent while the same host answers the same client on another.
one_port_silent r#"
set --port 4222,6222
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; s1 = 10.0.0.5:4222 ; s2 = 10.0.0.5:6222
c1:s1 > S drop      +1s c1:s1 > rtx drop
+0.5s c2:s2 > S     +0.2ms s2:c2 > SA  +0.2ms c2:s2 > A
+1.5s c1:s1 > rtx drop x4/4s
+120s end
=> firewall_drop * firewall_drop server.port=4222
=> open 1
"#

/// The old flow dead, a new one between the same hosts works at once.
new_connection_works_at_once r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; s = 10.0.0.5:4222
hello c1 name=a
+5s    c1 > pub a 100 drop   +0.2s c1 > rtx drop x5/0.4s
+0.1s  hello c2 name=a
+5s    s:c1 > PA "PING\r\n" drop
+0.2s  s:c1 > rtx drop x8/0.4s
+90s   end
=> firewall_drop network|server firewall_drop|idle_timeout_middlebox client.port=51001
=> open 1
"#

/// A NAT forgot it: idle for long, then silence for the old, life for the new.
forgotten_while_idle r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; s = 10.0.0.5:4222
hello c1 name=a
+15m   c1 > pub a 100 drop   +0.2s c1 > rtx drop x5/0.4s
+0.1s  hello c2 name=a
+5s    c1 > rtx drop x3/20s
+90s   end
=> firewall_drop network idle_timeout_middlebox client.port=51001
=> open 1
"#

/// The box answers with a reset in the server's name.
forgotten_while_idle_and_reset r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; s = 10.0.0.5:4222
hello c1 name=a
+350s   c1 > pub a 100 drop   +0.1ms s:c1 > R ttl=63
+0.1s   hello c2 name=a
+120s   end
=> rst network idle_timeout_middlebox|injected_reset|firewall_reject client.port=51001
=> open 1
"#

/// Rejected by a firewall on the way while the same port takes others.
refused_while_others_get_in r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; c3 = 10.0.0.8:51003 ; s = 10.0.0.5:4222
hello c2
+2s   c1 > S drop  +0.1ms s:c1 > RA ttl=63
+2s   hello c3
+120s end
=> rst network firewall_reject client.address=10.0.0.7 handshake=refused
=> open 2
"#

/// Silence, and nothing answers anywhere: no sign of a filter.
no_sign_of_a_filter r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop   +0.2s c > rtx drop x8/0.4s
+90s   end
=> timeout server path_blackhole|peer_vanished|packet_loss ..0.8
"#

/// The server fell silent for everybody at the same time.
host_gone_for_everybody r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; c3 = 10.0.0.9:51003 ; s = 10.0.0.5:4222
hello c1 ; hello c2 ; hello c3
+5s    c1 > pub a 100 drop
+0.1s  c2 > pub a 100 drop
+0.1s  c3 > pub a 100 drop
+0.1s  c1 > rtx drop
+0.1s  c2 > rtx drop
+0.1s  c3 > rtx drop
+0.4s  c1 > rtx drop
+0.1s  c2 > rtx drop
+0.1s  c3 > rtx drop
+0.4s  c1 > rtx drop x8/0.8s
+0.1s  c2 > rtx drop
+0.1s  c3 > rtx drop
+200s  end
=> timeout server peer_vanished 0.5..
=> timeout server peer_vanished 0.5..
=> timeout server peer_vanished 0.5..
"#

/// Two connections between the same two hosts die together.
a_pair_of_hosts_falls_apart r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; c3 = 10.0.0.9:51003 ; s = 10.0.0.5:4222
hello c1 ; hello c2 ; hello c3
+5s    c1 > pub a 100 drop
+0.1s  s:c2 > msg a 100 drop
+0.1s  c1 > rtx drop   +0.1s s:c2 > rtx drop
+0.4s  c1 > rtx drop   +0.1s s:c2 > rtx drop
+0.4s  c1 > rtx drop   +0.1s s:c2 > rtx drop
+0.2s  c3 > pub a 5    +0.2ms s:c3 > A
+30s   c1 > rtx drop   +0.1s s:c2 > rtx drop
+0.2s  c3 > pub a 5    +0.2ms s:c3 > A
+200s  end
=> timeout|firewall_drop server|network path_blackhole|firewall_drop|one_way_path ..0.85
=> timeout|firewall_drop client|network path_blackhole|firewall_drop|one_way_path ..0.85
=> open 1
"#

/// Only what is large dies: small segments are acknowledged selectively, the large one is repeated until the end.
only_large_segments_die r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 1400 drop
+1ms   s > PA "PING\r\n"      +0.2ms c > A
+0.2s  s > rtx drop           +0.4s s > rtx drop   +0.8s s > rtx drop
+0.1s  c > PA "PING\r\n"      +0.2ms s > PA "PONG\r\n" +0.2ms c > A
+1.5s  s > rtx drop x6/3s
+60s   end
=> timeout|firewall_drop network|client mtu_blackhole 0.5..
"#

/// Heavy loss that timers didn't survive: progress now and then before.
loss_until_the_timers_ran_out r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+1s    s > msg a 900 drop  +0.2s s > rtx drop  +0.4s s > rtx   +0.2ms c > A
+0.1s  s > msg a 900 drop  +0.2s s > rtx       +0.2ms c > A
+0.1s  s > msg a 900 drop  +0.2s s > rtx drop  +0.4s s > rtx drop +0.8s s > rtx +0.2ms c > A
+0.1s  c > pub a 900 drop  +0.2s c > rtx drop  +0.4s c > rtx   +0.2ms s > A
+0.1s  s > msg a 900 drop  +0.2s s > rtx drop x9/0.4s
+90s   end
=> timeout client|network packet_loss|path_blackhole ..0.8
"#

/// Captured on the client's host: its own filter drops what arrives, so SYN-ACKs are repeated though they came.
synack_dropped_by_the_clients_own_filter r#"
c = 10.0.0.7:51001 ttl 64 ; c2 = 10.0.0.7:51002 ttl 64 ; s = 10.0.0.5:4222 ttl 63 ; s2 = 10.0.0.6:4222 ttl 63
hello c2:s2
+1s    c:s > S          +0.2ms s:c > SA drop
+1s    c:s > rtx        +0.2ms s:c > rtx drop
+0.5s  c2:s2 > pub a 10 +0.2ms s2:c2 > A
+1.5s  c:s > rtx        +0.2ms s:c > rtx drop
+0.5s  c2:s2 > pub a 10 +0.2ms s2:c2 > A
+3.5s  c:s > rtx        +0.2ms s:c > rtx drop
+180s  end
=> firewall_drop client firewall_drop server.address=10.0.0.5
=> open 1
"#

/// A proxy is started again in front of the same server: while it was gone, nobody was accepted, so no filter chose.
refused_while_a_proxy_was_gone r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; c3 = 10.0.0.7:51003 ; c4 = 10.0.0.7:51004 ; c5 = 10.0.0.8:51005 ; s = 10.0.0.5:4222
hello c1 name=a
+0.1s   hello c2 name=b
+3s     s:c1 > FA  +0.1ms s:c2 > FA  +0.1ms c1 > FA  +0.1ms c2 > FA  +0.1ms s:c1 > A  +0.1ms s:c2 > A
+1ms    c3 > S     +0.1ms s:c3 > RA
+0.8s   hello c4 name=a
+0.1s   hello c5 name=b
+120s   end
=> fin server * client.port=51001
=> fin server * client.port=51002
=> rst server server_not_listening client.port=51003
=> open 2
"#
}
