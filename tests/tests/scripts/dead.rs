//! Dead, not idle; what is owed; the end of the input.

scenarios! {
silent_for_hours_owes_nothing r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+9h end
=> nothing
=> open 1
"#

data_owed_for_less_than_the_limit r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x7/0.4s
+60s   end
=> nothing
=> open 1
"#

data_owed_for_longer r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x7/0.4s
+100s  end
=> timeout server path_blackhole|peer_vanished|one_way_path|packet_loss|firewall_drop ..0.8 close.detail=data_unanswered
=> open 0
"#

/// "from the first unanswered segment": not from the last repeat.
the_limit_runs_from_the_first_unanswered_segment r#"
set --idle-timeout 30s
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x7/0.4s
+6s    end
=> timeout server *
"#

a_longer_limit_waits_longer r#"
set --idle-timeout 10m
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x9/0.4s
+200s  end
=> nothing
=> open 1
"#

/// It healed before the limit.
a_hole_that_heals r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x7/0.4s
+40s   c > rtx    +0.2ms s > A
+10m   end
=> nothing
=> open 1
"#

/// Something unanswered at the end of a long silence: the limit doesn't count the silence.
idle_time_before_is_not_counted r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+3h    c > pub a 100 drop
+0.2s  c > rtx drop x5/0.4s
+20s   end
=> nothing
=> open 1
"#

keepalive_unanswered r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+15s c > ka   +0.2ms s > A
+15s c > ka   +0.2ms s > A
+15s c > ka drop x9@15s
+30s end
=> timeout server * close.detail=keepalive
=> open 0
"#

/// Keepalives answered for hours.
keepalive_answered r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+15s c > ka   +0.2ms s > A
+15s c > ka   +0.2ms s > A
+2h  c > ka   +0.2ms s > A
+2h  end
=> nothing
=> open 1
"#

keepalive_ends_in_a_reset_into_the_hole r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+15s c > ka   +0.2ms s > A
+15s c > ka drop x9@15s
+15s c > RA drop
+120s end
=> timeout server * close.detail=keepalive
"#

/// One PING without PONG is within its own limit (two are allowed, two minutes each).
ping_within_its_limit r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+2m s > PA "PING\r\n"   +0.2ms c > A
+3m end
=> nothing
=> open 1
"#

ping_past_its_limit r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+2m s > PA "PING\r\n"   +0.2ms c > A
+2m s > PA "PING\r\n"   +0.2ms c > A
+9m end
=> timeout client stale_client close.detail=no_pong
"#

/// Rust dials anew and leaves the old connection as it is.
server_pings_past_their_limit r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=rust version=0.49.1
+60s c > PA "PING\r\n"   +0.2ms s > A
+60s c > PA "PING\r\n"   +0.2ms s > A
+20m end
=> timeout server stale_server close.detail=no_pong
"#

/// A PING that was answered late: nothing is owed any more.
ping_answered_late r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+2m  s > PA "PING\r\n"   +0.2ms c > A
+70s c > PA "PONG\r\n"   +0.2ms s > A
+2h end
=> nothing
=> open 1
"#

/// "Later repeats of the same segments belong to the close already written."
repeats_after_the_close r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x11/0.4s
+120s  c > rtx drop x5@120s
+60s   end
=> timeout server *
=> open 0
=> no event connection_resumed
"#

/// "If the connection speaks again: connection_resumed."
a_dead_connection_speaks_again r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x10/0.4s
+100s  c > rtx      +0.2ms s > A
+1s    s > msg b 5  +0.2ms c > A
+60s   end
=> timeout server *
=> event connection_resumed flow.id=1
=> open 1
"#

/// … and may end a second time, in order.
resumed_and_then_closed r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x10/0.4s
+100s  c > rtx      +0.2ms s > A
+1s    s > msg b 5  +0.2ms c > A
+60s   c > FA       +0.2ms s > FA   +0.2ms c > A
+60s   end
=> timeout server *
=> fin client client_closed flow.id=1
=> event connection_resumed
=> open 0
"#

/// Spoke again before its close was written: there was no close.
spoke_again_while_settling r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop
+0.2s  c > rtx drop x9/0.4s
+30s   c > rtx      +0.2ms s > A
+1s    s > msg b 5  +0.2ms c > A
+300s  end
=> nothing
=> no event connection_resumed
=> open 1
"#

both_directions_die_at_once r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s     c > pub a 100 drop
+0.05s  s > msg b 100 drop ack=-0
+0.15s  c > rtx drop
+0.05s  s > rtx drop
+0.4s   c > rtx drop x9/0.4s
+0.05s  s > rtx drop
+0.1s   end
+90s    end
=> timeout network path_blackhole ..0.9
"#

/// Every connection owes its own time: one dead, one idle.
the_idle_one_lives_on r#"
c1 = 10.0.0.7:51234 ; c2 = 10.0.0.8:51999 ; s = 10.0.0.5:4222
hello c1 name=a
hello c2 name=b
+5s    c1 > pub a 100 drop
+0.2s  c1 > rtx drop x8/0.4s
+200s  end
=> * * * client.name=a
=> open 1
"#

/// A connection alive at the end is no close, whatever was ended before.
alive_at_the_end r#"
c1 = 10.0.0.7:51234 ; c2 = 10.0.0.8:51999 ; s = 10.0.0.5:4222
hello c1 name=a
hello c2 name=b
+5s  c1 > FA  +0.2ms s:c1 > FA  +0.2ms c1 > A
+1ms c2 > pub a 10
=> fin client client_closed client.name=a
=> open 1
"#

/// Observer's hole: data behind it is the sender's to repeat, the peer owes nothing.
closed_window_answered_by_probes_is_owed_reading r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 1000    +0.2ms c > win 0
+0.2s  s > zwp           +0.2ms c > A
+0.4s  s > zwp           +0.2ms c > A
+0.8s  s > zwp           +0.2ms c > A
+10s   end
=> nothing
=> open 1
"#

/// TCP gave up: fifteen retries, gaps doubling up to two minutes.
given_up_by_tcp r#"
set --idle-timeout 30m
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop  +0.2s c > rtx drop  +0.4s c > rtx drop x9/0.8s  +120s c > rtx drop x5@120s
+31m   end
=> timeout server * cause.evidence~tcp_retries2
"#

/// The process gave up while TCP was still trying.
given_up_by_the_process r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 100 drop  +0.2s c > rtx drop x4/0.4s  +1s c > FA drop  +10s c > rtx drop x2/10s
+200s  end
=> timeout server|network * cause.evidence~"a timer of its own"
"#

/// Keepalive probes without an answer.
given_up_by_keepalive r#"
set --idle-timeout 10m
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+60s   c > ka drop x9@15s  +15s c > RA drop
+11m   end
=> timeout server * cause.evidence~"one every 15"
"#
}
