//! Slow consumers (nats-wire.md §3.4).

scenarios! {
/// Closed for longer than write_deadline, then read on: the FIN comes in the last segment.
fin_behind_queued_data r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=slow
+5s    s > msg a 1400    +0.2ms c > win 0
+0.26s s > zwp           +0.1ms c > A
+0.43s s > zwp           +0.1ms c > A
+0.87s s > zwp           +0.1ms c > A
+1.7s  s > zwp           +0.1ms c > A
+6.9s  s > zwp           +0.1ms c > win 502
+0.1ms s > PA len=1000   +0.1ms c > A
+0.1ms s > PA+F len=600  +0.1ms c > A
+1ms   c > FA            +0.1ms s > R
+60s end
=> fin server slow_consumer 0.8.. close.detail=fin_behind_queued_data tcp.zero_window_ms.client>=10100
"#

/// It never reads again. The kernel drops the socket silently; nothing on the wire marks the end.
never_reads_again r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=slow
+5s    s > msg a 1400    +0.2ms c > win 0
+0.26s s > zwp           +0.1ms c > A
+0.43s s > zwp           +0.1ms c > A
+0.87s s > zwp           +0.1ms c > A
+1.7s  s > zwp           +0.1ms c > A
+3.6s  s > zwp           +0.1ms c > A
+6.9s  s > zwp           +0.1ms c > A
+13.9s s > zwp           +0.1ms c > A
+28s   s > zwp           +0.1ms c > A
+55s   s > zwp           +0.1ms c > A
+111s  s > zwp           +0.1ms c > A
+300s end
=> timeout client slow_consumer 0.6.. close.detail=closed_window
"#

/// … and its own next segment gets a bare RST: the end was earlier, and not that reset.
never_reads_but_writes_late r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=slow
+5s    s > msg a 1400    +0.2ms c > win 0
+0.26s s > zwp           +0.1ms c > A
+0.87s s > zwp           +0.1ms c > A
+3.6s  s > zwp           +0.1ms c > A
+13.9s s > zwp           +0.1ms c > A
+55s   s > zwp           +0.1ms c > A
+111s  s > zwp           +0.1ms c > A
+400s  c > PA "PING\r\n" +0.1ms s > R
+60s end
=> timeout client slow_consumer
"#

/// The deadline was told: two seconds are enough.
told_write_deadline r#"
set --assume write_deadline=2s
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=slow
+5s    s > msg a 1400    +0.2ms c > win 0
+0.26s s > zwp           +0.1ms c > A
+0.43s s > zwp           +0.1ms c > A
+1.7s  s > zwp           +0.1ms c > win 502
+0.1ms s > PA len=1000   +0.1ms c > A
+0.1ms s > PA+F len=600  +0.1ms c > A
+1ms   c > FA            +0.1ms s > R
+60s end
=> fin server slow_consumer 0.7..
"#

/// The server's process gave up, then the client's kernel freed: the client process is killed, its kernel resets.
killed_while_its_window_is_closed r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c name=slow
+5s    s > msg a 1400    +0.2ms c > win 0
+0.26s s > zwp           +0.1ms c > A
+0.43s s > zwp           +0.1ms c > A
+1.7s  c > RA
+60s end
=> rst client client_process_exit|client_closed
"#

/// The server's window closed, not the client's: no slow consumer.
the_servers_window_is_another_story r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > pub a 1400    +0.2ms s > win 0
+0.26s c > zwp           +0.1ms s > A
+0.43s c > zwp           +0.1ms s > A
+12s   c > zwp           +0.1ms s > A
+1s    c > FA            +0.1ms s > A
+60s end
=> fin client stale_server|client_closed
"#

/// Slow, but it was the operator who stopped the client: window open again, then a plain close by the client.
slow_once_then_closed_by_the_client r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 1400    +0.2ms c > win 0
+0.26s s > zwp           +0.1ms c > A
+3s    c > win 502
+1ms   s > msg a 1000    +0.1ms c > A
+300s  c > FA            +0.1ms s > FA  +0.1ms c > A
+60s end
=> fin client client_closed
"#
}
