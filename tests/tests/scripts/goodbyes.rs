//! close.kind, rules 1 and 2: which FIN or RST decides, and which decides nothing.

scenarios! {
/// The plainest end.
client_fin r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=billing
+5s c > FA    +0.2ms s > FA    +0.2ms c > A
+10s end
=> fin client client_closed 0.6.. handshake=complete client.name=billing nats.protocol=client at=5.0014
=> open 0
"#

/// A host that closes one connection after the other: its last ones, at the end of the capture, are no process that ended.
client_fins_one_after_the_other r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; c4 = 10.0.0.7:50004 ; c5 = 10.0.0.7:50005 ; c6 = 10.0.0.7:50006 ; c7 = 10.0.0.7:50007 ; c8 = 10.0.0.7:50008 ; c9 = 10.0.0.7:50009 ; c10 = 10.0.0.7:50010 ; c11 = 10.0.0.7:50011 ; c12 = 10.0.0.7:50012 ; s = 10.0.0.5:4222
+0 hello c1
+10ms hello c2
+10ms hello c3
+10ms hello c4
+10ms hello c5
+10ms hello c6
+10ms hello c7
+10ms hello c8
+10ms hello c9
+10ms hello c10
+10ms hello c11
+10ms hello c12
+5s   c1 > FA  +0.5ms s:c1 > FA  +0.5ms c1 > A
+49ms c2 > FA  +0.5ms s:c2 > FA  +0.5ms c2 > A
+49ms c3 > FA  +0.5ms s:c3 > FA  +0.5ms c3 > A
+49ms c4 > FA  +0.5ms s:c4 > FA  +0.5ms c4 > A
+49ms c5 > FA  +0.5ms s:c5 > FA  +0.5ms c5 > A
+49ms c6 > FA  +0.5ms s:c6 > FA  +0.5ms c6 > A
+49ms c7 > FA  +0.5ms s:c7 > FA  +0.5ms c7 > A
+49ms c8 > FA  +0.5ms s:c8 > FA  +0.5ms c8 > A
+49ms c9 > FA  +0.5ms s:c9 > FA  +0.5ms c9 > A
+49ms c10 > FA  +0.5ms s:c10 > FA  +0.5ms c10 > A
+49ms c11 > FA  +0.5ms s:c11 > FA  +0.5ms c11 > A
+49ms c12 > FA  +0.5ms s:c12 > FA  +0.5ms c12 > A
+0.1s end
=> fin client client_process_exit|client_closed
=> fin client client_process_exit|client_closed
=> fin client client_process_exit|client_closed
=> fin client client_process_exit|client_closed
=> fin client client_process_exit|client_closed
=> fin client client_process_exit|client_closed
=> fin client client_process_exit|client_closed
=> fin client client_process_exit|client_closed
=> fin client client_closed
=> fin client client_closed
=> fin client client_closed
=> fin client client_closed
"#

server_fin_to_one_client_stays_uncertain r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > FA    +0.2ms c > FA    +0.2ms s > A
+90s end
=> fin server server_shutdown|kicked|server_crashed ..0.6
"#

client_rst r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > msg a 100   +0.1ms c > RA
+10s end
=> rst client client_closed|client_process_exit
"#

server_rst r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > pub a 100   +0.1ms s > RA
+10s end
=> rst server *
"#

/// "An RST that only answers data after a FIN leaves it fin."
rst_after_fin_stays_fin r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > FA
+0.1ms c > A
+1ms   c > pub a 10
+0.1ms s > R
+10s   end
=> fin server * close.kind=fin
"#

/// The same with the data on its way when the FIN went out.
rst_after_fin_that_crossed_data r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s     s > FA
+0.05ms c > pub a 10 ack=-1
+0.1ms  s > R
+10s    end
=> fin server *
"#

client_aborts_after_its_own_fin r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=C
+5s c > FA    +0.3ms c > RA    +10s end
=> fin client client_closed
"#

/// "… decides, the first one."
simultaneous_close r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s     c > FA
+0.01ms s > FA ack=-1
+0.2ms  c > A
+0.01ms s > A
+10s end
=> fin client *
"#

server_first_of_both r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s     s > FA
+0.01ms c > FA ack=-1
+0.2ms  c > A   +0.01ms s > A   +10s end
=> fin server *
"#

/// A FIN that was sent once and seen by nobody else can't be shown to be lost.
fin_as_the_last_frame r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > FA
=> fin client client_closed
=> open 0
"#

half_close_never_completed r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > FA   +0.2ms s > A   +10m end
=> fin client client_closed close.detail=half_closed
"#

/// Data goes on in the other direction after one FIN: still the first FIN.
half_close_with_data_behind_it r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > FA        +0.2ms s > A
+1ms   s > msg a 10  +0.2ms c > A
+1ms   s > FA        +0.2ms c > A
+10s end
=> fin client client_closed
"#

/// Rule 2: it decides nothing.
fin_into_an_open_hole r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 100 drop
+0.2s  s > rtx drop x6/0.4s
+0.1s  s > FA drop
+20s   s > rtx drop x3/20s
+300s  end
=> timeout client * ..0.9
=> open 0
"#

rst_into_an_open_hole r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=java
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x6/0.4s
+0.1s  c > RA drop
+300s  end
=> timeout server *
"#

/// "… that the other end heard or answered …"
fin_into_a_hole_that_is_answered_later r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 100 drop
+0.2s  s > rtx drop x3/0.4s
+0.1s  s > FA drop
+1s    s > rtx
+0.2ms c > A
+0.1ms s > rtx
+0.2ms c > FA
+0.2ms s > A
+30s end
=> fin server *
"#

/// A FIN shown to be lost: repeated without an answer until the time is up.
fin_repeated_unanswered r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > FA drop
+0.2s  s > rtx drop x9/0.4s
+120s  end
=> timeout client *
=> open 0
"#

/// "What has been owed for less than --idle-timeout counts as open."
fin_repeated_unanswered_not_long_enough r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > FA drop
+0.2s  s > rtx drop x6/0.4s
+10s  end
=> nothing
=> open 1
"#

fin_repeated_and_then_heard r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > FA drop
+0.2s  c > rtx drop x4/0.4s
+5s    c > rtx   +0.2ms s > FA   +0.2ms c > A
+30s end
=> fin client client_closed
"#

/// The reset has another TTL than its alleged sender; the sender goes on.
forged_reset_to_the_client r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > RA ttl=57
+1s    s > msg a 10      +0.1ms c > R
+90s end
=> rst network injected_reset 0.6..
"#

forged_resets_to_both r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s     s > RA ttl=57
+0.01ms c > RA ttl=57
+90s end
=> rst network injected_reset
"#

/// The same TTL, but its alleged sender knows nothing of it and goes on.
forged_reset_by_a_perfect_liar r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > RA
+1s    s > msg a 10
+0.1ms c > R
+1s    s > msg a 10
+90s end
=> rst network injected_reset 0.4..
"#

/// Challenge ACK, and both talk on: nothing ended.
blind_reset_out_of_window r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > RA seq=+50000000 ttl=57
+0.1ms c > A
+1s    s > msg a 10     +0.1ms c > A
+1s    c > pub b 10     +0.1ms s > A
+1s    s > msg a 10     +0.1ms c > A
+60s   c > pub b 10     +0.1ms s > A
=> nothing
=> open 1
"#

blind_reset_inside_the_window r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > RA seq=+3000
+0.1ms c > A
+1s    s > msg a 10     +0.1ms c > A
+1s    c > pub b 10     +0.1ms s > A
+1s    s > msg a 10     +0.1ms c > A
+60s   c > pub b 10     +0.1ms s > A
=> nothing
=> open 1
"#

/// What is ignored takes nothing from the true end later.
blind_reset_then_a_true_fin r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > RA seq=+3000
+0.1ms c > A
+1s    s > msg a 10     +0.1ms c > A
+1s    c > pub b 10     +0.1ms s > A
+1s    s > msg a 10     +0.1ms c > A
+30s   c > FA           +0.1ms s > FA    +0.1ms c > A
+60s end
=> fin client client_closed
"#

/// A PONG and a FIN of the server in one segment, captured before the data that precedes them.
fin_captured_before_the_data_it_follows r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 500 late=2ms
+0.1ms s > FA
+3ms   c > A
+0.1ms c > FA   +0.1ms s > A
+10s end
=> fin server *
=> open 0
"#

/// Heard so late that its sender had given up: still the FIN.
fin_into_a_hole_that_is_answered_much_later r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 100 drop
+0.2s  s > rtx drop x3/0.4s
+0.1s  s > FA drop
+20s   s > rtx
+0.2ms c > A
+0.1ms s > rtx
+0.2ms c > FA
+0.2ms s > A
+90s end
=> fin server *
=> open 0
"#

/// What a closed connection still sends belongs to its close.
late_frames_of_a_closed_connection r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > FA        +0.2ms s > FA   +0.2ms c > A
+30s   s > FA seq=-1 +0.2ms c > A
+200s  s > RA
+60s end
=> fin client client_closed
=> open 0
"#

/// One bare RST from another distance that answers a segment: a REJECT rule on the way sends just that, but so does a balancer that
/// lost its table, and tcpkill. Likely, not firm.
bare_reset_from_nearer r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ttl 57
hello c
+5s    c > pub a 100 drop   +0.1ms s > R ttl=63
+90s   end
=> rst network firewall_reject 0.5..0.79 cause.also~injected_reset
"#

/// The client's new SYN meets the same: a rule, as sure as packets can be.
bare_reset_and_refused_syns r#"
c = 10.0.0.7:51234 ; c2 = 10.0.0.7:51235 ; c3 = 10.0.0.8:50000 ; s = 10.0.0.5:4222 ttl 57
hello c
hello c3
+5s    c > pub a 100 drop   +0.1ms s:c > R ttl=63
+2s    c2 > S drop   +0.1ms s:c2 > RA ttl=63
+1s    s:c3 > msg b 10  +0.1ms c3 > A
+90s   s:c3 > msg b 10  +0.1ms c3 > A
=> rst network firewall_reject 0.6..0.8
=> rst network firewall_reject
=> open 1
"#

/// Beyond what the client has acknowledged: no REJECT does that, it copies the number.
bare_reset_beyond_the_window r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ttl 57
hello c
+5s    c > pub a 100 drop   +0.1ms s > R ttl=63 seq=+1400
+90s   end
=> rst network injected_reset ..0.79
"#

/// From the host itself, by its TTL: a kernel that lost the socket and a REJECT rule on that host look the same.
bare_reset_of_the_host_itself r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ttl 57
hello c
+5s    c > pub a 100 drop   +0.1ms s > R
+90s   end
=> rst server * ..0.79
"#

/// … and its process goes on: then the socket is there, and a rule on that host or a forger sent the RST.
bare_reset_of_a_host_that_goes_on r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222 ttl 57
hello c
+5s    c > pub a 100 drop   +0.1ms s > R
+1s    s > msg a 10         +0.1ms c > R
+90s   end
=> rst network firewall_reject 0.5..0.79 cause.also~injected_reset
"#

/// PONGs that come when the client has left answered nobody: the server hung until then.
pongs_after_the_goodbye_answer_nobody r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=go
+20s   c > PA "PING\r\n"   +0.2ms s > A
+20s   c > PA "PING\r\n"   +0.2ms s > A
+20s   c > FA   +0.2ms s > A
+5s    s > PA "PONG\r\nPONG\r\n"   +0.1ms c > R
+90s   end
=> fin client stale_server 0.8.. nats.pings_unanswered=2
"#

/// A flush that nobody waited for is no hanging server.
flushed_twice_and_closed r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > PA "PUB a 1\r\nx\r\nPING\r\nPING\r\n"   +0.01ms c > FA   +0.1ms s > A   +0.1ms s > PA "PONG\r\nPONG\r\n"   +0.1ms c > R
+90s   end
=> fin client client_closed
"#

/// async-nats keeps the lost connection until the next one works: by then the server, awake again, has answered.
given_up_long_before_the_goodbye r#"
c = 10.0.0.7:51234 ; c2 = 10.0.0.7:51235 ; s = 10.0.0.5:4222
hello c lang=rust
+60s   c > PA "PING\r\n"   +0.2ms s:c > A
+60s   c > PA "PING\r\n"   +0.2ms s:c > A
+120s  s:c > PA "PONG\r\nPONG\r\n"   +0.1ms c > A
+0.2s  hello c2 lang=rust
+0.1ms c > RA
+90s   s:c2 > msg a 10  +0.1ms c2 > A
=> rst client stale_server 0.6..
=> open 1
"#

/// An INFO that comes when the client has gone was too late, not there.
info_after_the_client_left r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+5s    c > FA   +0.1ms s > A   +1s s > PA "INFO {\"server_id\":\"NA\",\"client_id\":31} \r\n"   +0.1ms c > R
+90s   end
=> fin client connect_timeout 0.6.. cause.evidence~Rust
"#

/// New connections are refused while old ones live on: a lame duck closes its listener first. What it announced may have come
/// before the capture began.
refused_while_a_connection_seen_midstream_lives_on r#"
c = 10.0.0.7:51234 ; c2 = 10.0.0.8:50000 ; s = 10.0.0.5:4222
c > PA "PUB a 1\r\nx\r\n"   +0.1ms s:c > A   +0.1ms s:c > PA "MSG a 1 1\r\nx\r\n"   +0.1ms c > A
+2s    c2 > S    +0.1ms s:c2 > RA
+1s    s:c > FA  +0.1ms c > FA   +0.1ms s:c > A
+90s   end
=> rst server server_not_listening|server_shutdown
=> fin server server_shutdown 0.4..0.79
"#

/// Stale Connection over a path that loses: the PONG lay behind what was lost, the client did not hang.
stale_while_segments_are_lost r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s    c > pub a 40   +0.2ms s > A
+1s    c > pub a 40 unseen   +0.1ms c > pub a 40 drop   +0.1ms s > A
+0.2s  c > rtx drop   +0.4s c > rtx drop   +0.8s c > rtx drop
+0.1s  s > PA "PING\r\n"   +0.2ms c > A
+2s    c > rtx   +0.1ms s > A   +0.1ms c > pub a 40 drop   +0.2s c > rtx drop   +0.4s c > rtx drop
+10s   s > PA "-ERR 'Stale Connection'\r\n"  +0.01ms s > FA   +0.2ms c > FA   +0.1ms s > A
+90s   end
=> fin server packet_loss|stale_client ..0.79
"#
}
