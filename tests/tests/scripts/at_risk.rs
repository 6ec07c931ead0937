//! What may be lost with a connection: certain and possible kept apart, piece by piece.

scenarios! {
/// Half of its octets acknowledged is not acknowledged.
a_publish_acknowledged_in_part_is_lost r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > PA "PUB orders 2000\r\n" len=1000   +0.2ms s > A
+1ms   c > PA len=1002 drop    +0.2s c > rtx drop x8/0.4s
+120s  end
=> * * * at_risk.publishes=1 at_risk.publishes_unconfirmed=0 at_risk.bytes=1002 at_risk.subjects.0=orders
"#

/// The PING stood before the publish: its PONG confirms what was before it alone.
a_pong_confirms_what_was_before_its_ping r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 10   +1ms c > PA "PING\r\n"   +1ms c > pub b 10   +0.2ms s > A
+1ms   s > PA "PONG\r\n"   +0.2ms c > A
+1s    s > FA   +0.2ms c > FA   +0.2ms s > A
+60s end
=> fin server * at_risk.publishes=0 at_risk.publishes_unconfirmed=1
"#

/// A verbose client has each publish confirmed.
an_ok_confirms_a_publish r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+0.2ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"
+0.2ms c > PA "CONNECT {\"verbose\":true,\"lang\":\"go\",\"version\":\"1.53.1\"}\r\n"   +0.2ms s > PA "+OK\r\n"   +0.1ms c > A
+5s    c > pub a 10   +0.2ms s > PA "+OK\r\n"   +0.1ms c > A
+1s    c > pub a 10   +0.2ms s > A
+1s    s > FA   +0.2ms c > FA   +0.2ms s > A
+60s end
=> fin server * at_risk.publishes=0 at_risk.publishes_unconfirmed=1
"#

/// Reset with publishes under way: some never acknowledged, some acknowledged and not confirmed.
certain_and_possible_kept_apart r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 10   +0.2ms s > A
+1ms   c > pub b 10 drop
+0.2ms s > R
+60s end
=> rst server * at_risk.publishes=1 at_risk.publishes_unconfirmed=1 at_risk.subjects~b
"#

/// A status without a payload answers a request too: nobody listened.
no_responders_is_an_answer r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > PA "PUB svc _INBOX.x.1 2\r\nhi\r\n"   +0.2ms s > PA "HMSG _INBOX.x.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"   +0.2ms c > A
+1s s > FA   +0.2ms c > FA   +0.2ms s > A
+60s end
=> fin server * at_risk.requests!=1 at_risk.publishes_unconfirmed=1
"#

/// The PubAck of the first tells that the second waits for one.
a_publish_to_a_stream_without_its_ack r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > PA "PUB orders _INBOX.x.1 2\r\nhi\r\n"   +0.2ms s > PA "MSG _INBOX.x.1 1 27\r\n{\"stream\":\"ORDERS\",\"seq\":7}\r\n"   +0.2ms c > A
+1s c > PA "PUB orders _INBOX.x.2 2\r\nhi\r\n"   +0.2ms s > A
+1s s > FA   +0.2ms c > FA   +0.2ms s > A
+60s end
=> fin server * at_risk.requests=1 at_risk.jetstream_publishes=1 at_risk.subjects~orders
"#

/// A delivery that the client's kernel acknowledged is no loss of the wire, whatever the process did with it.
an_acknowledged_delivery_is_none r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > msg a 100   +0.2ms c > A   +0.1ms c > RA
+60s end
=> rst client * at_risk.deliveries!=1 at_risk.deliveries!=2
"#
}
