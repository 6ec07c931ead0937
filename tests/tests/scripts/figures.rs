//! The figures of a close: TCP, what is at risk, and what a bad view does to them.

scenarios! {
publishes_never_acknowledged r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub orders.new 10 drop   +1ms c > pub orders.new 10 drop   +1ms c > pub b 10 drop
+0.2s  c > rtx drop x8/0.4s
+120s  end
=> * * * at_risk.publishes=3 at_risk.publishes_unconfirmed=0 at_risk.deliveries=0 nats.pubs=3 at_risk.subjects~orders.new at_risk.bytes>=30
"#

/// Acknowledged by TCP, but no PONG proves that the server read it.
publishes_unconfirmed r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 10   +0.2ms s > A   +1ms c > pub a 10   +0.2ms s > A
+1s    s > FA         +0.2ms c > FA  +0.2ms s > A
+60s end
=> fin server * at_risk.publishes=0 at_risk.publishes_unconfirmed=2 at_risk.bytes=0
"#

publishes_confirmed_by_a_pong r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 10   +0.2ms s > A   +1ms c > pub a 10   +0.2ms s > A
+1ms   c > PA "PING\r\n"   +0.2ms s > PA "PONG\r\n"   +0.2ms c > A
+1s    c > pub a 10   +0.2ms s > A
+1s    s > FA         +0.2ms c > FA  +0.2ms s > A
+60s end
=> fin server * at_risk.publishes=0 at_risk.publishes_unconfirmed=1
"#

deliveries_never_acknowledged r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 10   +0.2ms c > A
+1ms   s > msg a 10 drop   +1ms s > msg b 10 drop
+0.2s  s > rtx drop x8/0.4s
+120s  end
=> * * * at_risk.deliveries=2 at_risk.publishes=0 nats.msgs=3
"#

requests_without_a_reply r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > PA "PUB svc.a _INBOX.x.1 2\r\nhi\r\nPUB svc.b _INBOX.x.2 2\r\nhi\r\n"   +0.2ms s > A
+1s s > PA "MSG _INBOX.x.1 1 2\r\nok\r\n"    +0.2ms c > A
+1s s > FA   +0.2ms c > FA   +0.2ms s > A
+60s end
=> fin server * at_risk.requests=1 at_risk.publishes=0
"#

/// Nats-Msg-Id is read by JetStream alone: a PubAck is awaited.
jetstream_publish_without_its_ack r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > PA "HPUB orders.new _INBOX.x.1 28 30\r\nNATS/1.0\r\nNats-Msg-Id: 7\r\n\r\nhi\r\n"   +0.2ms s > A
+1s s > FA   +0.2ms c > FA   +0.2ms s > A
+60s end
=> fin server * at_risk.requests=1 at_risk.jetstream_publishes=1
"#

nothing_at_risk r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > FA   +0.2ms s > FA   +0.2ms c > A   +60s end
=> fin client client_closed at_risk.publishes_unconfirmed!=1 at_risk.publishes!=1 at_risk.deliveries!=1 at_risk.requests!=1 tcp.unacked_bytes.client=0
"#

retransmits_counted_by_side r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > msg a 100 drop   +0.2s s > rtx drop   +0.4s s > rtx drop   +0.8s s > rtx   +0.2ms c > A
+1s c > pub a 100 drop   +0.2s c > rtx   +0.2ms s > A
+1s c > FA   +0.2ms s > FA   +0.2ms c > A   +60s end
=> fin client * tcp.retransmits.server=3 tcp.retransmits.client=1 tcp.unacked_bytes.server=0
"#

unacknowledged_octets r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > PA "MSG a 1 985\r\n" len=987 drop
+0.2s  s > rtx drop x8/0.4s
+120s  end
=> * * * tcp.unacked_bytes.server=1000 tcp.unacked_bytes.client=0
"#

/// A SYN is no octet.
an_unanswered_syn_owes_no_octets r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S drop   +1s c > rtx drop x3/2s   +180s end
=> timeout server * tcp.unacked_bytes.client=0
"#

/// Nor is a FIN.
an_unanswered_fin_owes_no_octets r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > FA
=> fin client * tcp.unacked_bytes.client=0
"#

closed_window_in_milliseconds r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s  s > msg a 100   +0.2ms c > win 0   +0.3s s > zwp   +0.2ms c > A   +2.6998s c > win 502
+1s  s > msg a 100   +0.2ms c > win 0   +1s c > win 502
+1s  c > FA   +0.2ms s > FA   +0.2ms c > A   +60s end
=> fin client client_closed tcp.zero_window_ms.client=4000 tcp.zero_window_ms.server=0
"#

/// Acknowledged, never captured: the capture's loss, and the verdict is less certain for it.
missing_octets r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > msg a 86 unseen   +0.2ms c > A
+1s c > FA   +0.2ms s > FA   +0.2ms c > A   +60s end
=> fin client client_closed tcp.missing_bytes.server=100 tcp.missing_bytes.client=0 tcp.retransmits.server=0
"#

round_trips r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S   +10ms s > SA   +0.1ms c > A
+1s c > pub a 10   +30ms s > A   +1s c > pub a 10   +10ms s > A   +1s c > pub a 10   +10ms s > A
+1s c > FA   +10ms s > FA   +0.1ms c > A   +60s end
=> fin client * tcp.rtt_us.min<=100 tcp.rtt_us.max=30000
"#

/// A repeated segment measures nothing (Karn).
repeats_are_no_round_trip r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s c > pub a 10 drop   +5s c > rtx   +1ms s > A
+1s c > FA   +0.2ms s > FA   +0.2ms c > A   +60s end
=> fin client * tcp.rtt_us.max<=1000
"#

/// Counted once though captured by two interfaces.
captured_twice_counted_once r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s c > pub a 10 twice  +0.2ms s > A twice
+1s s > msg a 10 twice  +0.2ms c > A twice
+1s c > FA twice   +0.2ms s > FA twice  +0.2ms c > A twice  +60s end
=> fin client client_closed nats.pubs=1 nats.msgs=1 tcp.retransmits.client=0 tcp.retransmits.server=0 client.packets=9 server.packets=6
"#

/// Captured without payload: TCP can be judged, NATS can't, and nothing counts as lost on the path.
snaplen_cut r#"
snaplen 70
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s c > pub a 1000      +0.2ms s > A
+1s s > msg a 1000      +0.2ms c > A
+1s c > FA   +0.2ms s > FA   +0.2ms c > A   +60s end
=> fin client client_closed|unknown tcp.retransmits.client=0 handshake=complete tcp.unacked_bytes.client=0
"#

/// Frames were lost by the capture itself.
capture_loss_is_told r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s lost
+1s c > FA   +0.2ms s > FA   +0.2ms c > A   +60s end
=> fin client client_closed
=> event capture_loss
"#

subscriptions_and_errors r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=billing lang=go version=1.31.0 user=orders
+1s c > PA "SUB a 1\r\nSUB b 2\r\n"   +0.2ms s > A
+1s c > pub secret 3   +0.2ms s > PA "-ERR 'Permissions Violation for Publish to \"secret\"'\r\n"   +0.2ms c > A
+9s c > FA   +0.2ms s > FA   +0.2ms c > A   +60s end
=> fin client client_closed nats.subs=2 nats.errors.0~secret client.user=orders client.version=1.31.0 server.id=NA server.name=n1 server.version=2.15.1
"#

/// Only the server's direction was captured.
one_direction_only r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
c > S unseen   +0.2ms s > SA   +0.1ms c > A unseen
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"   +0.2ms c > PA "PING\r\n" unseen
+0.2ms s > PA "PONG\r\n"   +5s c > pub a 10 unseen   +0.2ms s > A
+5s  c > FA unseen  +0.2ms s > FA   +0.2ms c > A unseen   +60s end
=> fin client * ..0.6
"#

/// Headers alone: nothing is read of what the ends say, and that counts as no loss.
headers_alone r#"
set --capture headers
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 400  +0.2ms c > A
+5s    c > FA  +0.2ms s > FA  +0.2ms c > A
+120s  end
=> fin client client_closed nats.protocol=unknown tcp.missing_bytes.server=0 cause.why_not.0!="" client.bytes>=1
"#
}
