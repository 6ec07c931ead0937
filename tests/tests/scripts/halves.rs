//! Captures that hold less than both directions whole: what can still be told of them, and what must not be.

scenarios! {
/// Only what goes to the server was captured; the client's FIN acknowledges one number more than was said.
server_left_first_and_only_the_client_was_captured r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S   +0.2ms s > SA unseen   +0.1ms c > A
+1ms   s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n" unseen
+0.2ms c > PA "CONNECT {\"verbose\":false}\r\nPING\r\n"   +0.2ms s > PA "PONG\r\n" unseen   +0.1ms c > A
+5s    s > FA unseen   +0.2ms c > FA   +0.2ms s > A unseen
+60s   end
=> fin server * ..0.5 close.kind=fin at_risk.bytes=0 tcp.unacked_bytes.client=0
"#

/// Two clients are left at one moment: that shows in their own halves, too.
a_stop_shows_in_the_clients_halves r#"
c = 10.0.0.7:51234 ; c2 = 10.0.0.8:51234 ; s = 10.0.0.5:4222
c > S   +0.2ms s:c > SA unseen   +0.1ms c > A   +1ms c2:s > S   +0.2ms s:c2 > SA unseen   +0.1ms c2 > A
+1ms   s:c > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n" unseen
+0.2ms c > PA "CONNECT {\"verbose\":false}\r\nPING\r\n"   +0.2ms s:c > PA "PONG\r\n" unseen   +0.1ms c > A
+1ms   s:c2 > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n" unseen
+0.2ms c2 > PA "CONNECT {\"verbose\":false}\r\nPING\r\n"   +0.2ms s:c2 > PA "PONG\r\n" unseen   +0.1ms c2 > A
+5s    s:c > FA unseen   +0.1ms s:c2 > FA unseen   +0.2ms c > FA   +0.1ms c2 > FA
+0.2ms s:c > A unseen   +0.1ms s:c2 > A unseen
+60s   end
=> fin server server_shutdown 0.4..0.7
=> fin server server_shutdown 0.4..0.7
"#

/// It answers the server's FIN after its own.
client_left_first_and_only_the_client_was_captured r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S   +0.2ms s > SA unseen   +0.1ms c > A
+1ms   s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n" unseen
+0.2ms c > PA "CONNECT {\"verbose\":false}\r\nPING\r\n"   +0.2ms s > PA "PONG\r\n" unseen   +0.1ms c > A
+5s    c > FA   +0.2ms s > FA unseen   +0.1ms c > A
+60s   end
=> fin client client_closed 0.3..0.7
"#

/// Whatever the server said with its FIN, it was said before the client's, and is not known.
server_said_why_and_only_the_client_was_captured r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S   +0.2ms s > SA unseen   +0.1ms c > A
+1ms   s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n" unseen
+0.2ms c > PA "CONNECT {\"verbose\":false}\r\nPING\r\n"
+0.2ms s > PA+F "-ERR 'Authorization Violation'\r\n" unseen   +0.1ms c > FA   +0.2ms s > A unseen
+60s   end
=> fin server|unknown unknown
"#

/// A SYN that is not repeated was answered or given up at once: that nobody answers is not shown.
one_syn_is_no_silence r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S
+60s end
=> timeout server unknown
"#

/// The first words of an error are enough.
an_error_that_the_snap_length_cut r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > PA+F "-ERR 'User Authentication Expired'\r\n" snap=82   +0.2ms c > FA    +0.2ms s > A
+60s end
=> fin server auth_expired 0.6.. nats.errors.0="User Authentication Ex…"
"#

/// Two errors begin like this: what was said is not known, so nobody is called the one who left without a word.
an_error_that_was_cut_too_soon r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > PA+F "-ERR 'User Authentication Expired'\r\n" snap=70   +0.2ms c > FA    +0.2ms s > A
+60s end
=> fin server unknown nats.errors.0="User Authe…" cause.fix~"whole packets"
"#

/// What stood in quotes may be a name that was cut: it is left out.
a_name_in_a_cut_error_is_left_out r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > PA "-ERR 'Permissions Violation for Publish to \"orders.secret\"'\r\n" snap=106   +0.2ms c > A
+5s c > FA    +0.2ms s > FA    +0.2ms c > A
+60s end
=> fin client client_closed nats.errors.0="Permissions Violation for Publish to …"
"#

/// Headers alone: the server said something long right before the client left.
the_client_leaves_upon_words_that_were_not_captured r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > PA "-ERR 'Authorization Violation'\r\n" snap=54   +0.2ms c > FA    +0.2ms s > FA    +0.2ms c > A
+60s end
=> fin client unknown cause.fix~"whole packets"
"#

/// A PONG is too short for a reason.
the_client_leaves_after_a_pong_that_was_not_captured r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > PA "PING\r\n"   +0.2ms s > PA "PONG\r\n" snap=54   +0.2ms c > FA    +0.2ms s > FA    +0.2ms c > A
+60s end
=> fin client client_closed 0.5..
"#

/// Several queues: what the server says is written behind its acknowledgement.
acknowledged_before_it_was_seen r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > PA "-ERR 'Stale Connection'\r\n" late=0.25ms   +0.2ms c > A
+0.2ms s > FA    +0.2ms c > FA    +0.2ms s > A
+60s   end
=> fin server stale_client 0.9.. tcp.missing_bytes.server=0
"#

/// It never comes: then it was lost by the capture, and may have said why.
acknowledged_and_never_seen r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > PA "-ERR 'Stale Connection'\r\n" unseen   +0.2ms c > A
+0.2ms s > FA    +0.2ms c > FA    +0.2ms s > A
+60s   end
=> fin server unknown tcp.missing_bytes.server=25
"#
}
