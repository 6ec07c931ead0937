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
}
