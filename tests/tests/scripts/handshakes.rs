//! handshake, attempts, ports used again, observation that begins in the middle.

scenarios! {
refused r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S   +0.2ms s > RA   +90s end
=> rst server server_not_listening 0.6.. handshake=refused close.detail=refused
"#

unanswered r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S drop
+1s c > rtx drop x6/2s
+180s end
=> timeout server * ..0.8 handshake=unanswered close.detail=unanswered
=> open 0
"#

/// Owed for less than the limit at the end.
unanswered_so_far r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S drop   +1s c > rtx drop
+0.5s end
=> nothing
=> open 1
"#

/// The client's own connect timeout: it stops after one second.
given_up_early r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S drop   +1s c > rtx drop
+180s end
=> timeout server * handshake=unanswered
"#

incomplete r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S   +0.2ms s > SA drop
+1s s > rtx drop x5/2s
+180s end
=> timeout client * handshake=incomplete
"#

syn_lost_then_repeated r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S drop
+1s    c > rtx
+0.2ms s > SA   +0.2ms c > A
+1ms   s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"  +0.2ms c > A
+10m end
=> nothing
=> open 1
"#

synack_lost r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S  +0.2ms s > SA drop
+1s    c > rtx
+0.2ms s > rtx  +0.2ms c > A
+1ms   s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"  +0.2ms c > A
+5s    c > FA   +0.2ms s > FA  +0.2ms c > A
+60s end
=> fin client * handshake=complete
=> open 0
"#

/// The same ports, a new connection: two.
ports_used_again_after_the_end r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=one
+5s c > FA    +0.2ms s > FA    +0.2ms c > A
+1s hello c name=two
+60s end
=> fin client client_closed flow.id=1 client.name=one
=> open 1
"#

/// No goodbye: the first was over all the same, nobody can say how.
ports_used_again_without_a_goodbye r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=one
+5m hello c name=two
+60s end
=> timeout * * ..0.6 flow.id=1 client.name=one
=> open 1
"#

ports_used_again_while_settling r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=one
+5s s > FA    +0.2ms c > FA    +0.2ms s > A
+10ms hello c name=two
+5s c > FA    +0.2ms s > FA    +0.2ms c > A
+60s end
=> fin server * flow.id=1 client.name=one
=> fin client client_closed flow.id=2 client.name=two
=> open 0
"#

/// A SYN of an attempt given up, then another with a new number.
attempt_given_up_then_ports_used_again r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S drop   +1s c > rtx drop
+30s hello c name=two
+200s end
=> timeout server * handshake=unanswered
=> open 1
"#

midstream r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > pub a 10   +0.2ms s > A
+1s s > PA "PING\r\n"   +0.2ms c > PA "PONG\r\n"   +0.2ms s > A
+5s c > FA     +0.2ms s > FA   +0.2ms c > A
+60s end
=> fin client client_closed handshake=midstream client.port=51234
"#

/// Only acknowledgements seen, then the end.
midstream_without_data r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > ka   +0.2ms s > A
+15s c > FA     +0.2ms s > FA   +0.2ms c > A
+60s end
=> fin client * handshake=midstream
"#

/// The first frame is the end.
midstream_fin r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
s > FA     +0.2ms c > FA   +0.2ms s > A
+60s end
=> fin server * handshake=midstream ..0.7
"#

/// Nothing says who listens but the INFO that comes later.
wrong_guess_corrected_by_info r#"
set --port all
c = 10.0.0.7:3000 ; s = 10.0.0.5:14222
c > pub a 10   +0.2ms s > A
+1s s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"connect_urls\":[\"10.0.0.6:14222\"]} \r\n"  +0.2ms c > A
+1s c > pub a 10   +0.2ms s > A
+5s c > FA     +0.2ms s > FA   +0.2ms c > A
+60s end
=> fin client * server.port=14222 client.port=3000 handshake=midstream
"#

/// SYN-ACK first: who listens is certain.
begins_with_the_synack r#"
set --port all
c = 10.0.0.7:3000 ; s = 10.0.0.5:14222
c > S unseen   +0.2ms s > SA   +0.2ms c > A
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"  +0.2ms c > A
+5s c > FA     +0.2ms s > FA   +0.2ms c > A
+60s end
=> fin client * server.port=14222 handshake!=unanswered
"#

every_port_with_a_syn r#"
set --port all
c = 10.0.0.7:3000 ; s = 10.0.0.5:14222
hello c name=x
+5s c > FA     +0.2ms s > FA   +0.2ms c > A
+60s end
=> fin client client_closed server.port=14222 handshake=complete
"#

/// Not a NATS port, not asked for: not there.
other_ports_are_not_seen r#"
c = 10.0.0.7:3000 ; s = 10.0.0.5:8080
c > S   +0.2ms s > RA   +90s end
=> nothing
=> open 0
"#

over_ipv6 r#"
c = [2001:db8::7]:51234 ; s = [2001:db8::5]:4222
hello c name=six
+5s c > FA    +0.2ms s > FA    +0.2ms c > A
+10s end
=> fin client client_closed client.address=2001:db8::7 server.address=2001:db8::5 client.name=six
"#

/// Refused over and over: each attempt is a close.
refused_three_times r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; s = 10.0.0.5:4222
c1 > S   +0.2ms s:c1 > RA
+2s c2 > S   +0.2ms s:c2 > RA
+2s c3 > S   +0.2ms s:c3 > RA
+90s end
=> rst server server_not_listening handshake=refused flow.id=1
=> rst server server_not_listening handshake=refused flow.id=2
=> rst server server_not_listening|client_gave_up handshake=refused flow.id=3
"#
}
