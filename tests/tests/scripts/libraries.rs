//! How each client library leaves (nats-wire.md §5.3), seen as what it is.

scenarios! {
/// FIN, 0.3 ms later RST (SO_LINGER 0): one close by choice.
c_client_closes r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=C version=3.4.1
+5s c > FA    +0.3ms c > RA    +0.1ms s > RA
+60s end
=> fin client client_closed 0.6.. client.lang=C
"#

java_client_force_closes r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=java version=2.26.2
+5s c > RA    +60s end
=> rst client client_closed|client_process_exit client.lang=java
"#

/// Server FIN, Java answers with RST: the server's end.
java_client_after_a_server_fin r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=java version=2.26.2
+5s s > FA    +0.2ms c > A   +1ms c > RA
+60s end
=> fin server server_shutdown|kicked|server_crashed
"#

/// Rust keeps its side open until a new connection works.
rust_client_after_a_server_fin r#"
c1 = 10.0.0.7:51234 ; c2 = 10.0.0.7:51235 ; s = 10.0.0.5:4222
hello c1 lang=rust version=0.49.1 name=r
+5s s:c1 > FA     +0.2ms c1 > A
+8.1s hello c2 lang=rust version=0.49.1 name=r id=NB
+1ms  c1 > FA     +0.2ms s:c1 > R
+60s end
=> fin server * client.port=51234 reconnect.outcome=reconnected reconnect.server_changed=true
=> open 1
"#

/// The drain: PING, PONG, FIN.
rust_client_drains r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=rust version=0.49.1
+5s c > PA "UNSUB 1\r\nPING\r\n"   +0.2ms s > PA "PONG\r\n"   +0.2ms c > FA   +0.2ms s > FA  +0.2ms c > A
+60s end
=> fin client client_closed 0.6..
"#

/// Go's third tick: two PINGs unanswered, the kernel acknowledged them, FIN.
go_client_declares_the_server_stale r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=go
+2m c > PA "PING\r\n"   +0.2ms s > A
+2m c > PA "PING\r\n"   +0.2ms s > A
+2m c > FA              +0.2ms s > A
+60s end
=> fin client stale_server 0.5..
"#

/// Java resets instead.
java_client_declares_the_server_stale r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=java
+2m c > PA "PING\r\n"   +0.2ms s > A
+2m c > PA "PING\r\n"   +0.2ms s > A
+2m c > RA
+60s end
=> rst client stale_server
"#

c_client_declares_the_server_stale r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=C
+2m c > PA "PING\r\n"   +0.2ms s > A
+2m c > PA "PING\r\n"   +0.2ms s > A
+2m c > FA              +0.3ms c > RA
+60s end
=> fin client stale_server
"#

/// The same over a dead path is no stale server: nothing was acknowledged.
go_client_gives_up_over_a_dead_path r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=go
+2m   c > PA "PING\r\n" drop   +0.2s c > rtx drop x9/0.4s
+17s  c > PA "PING\r\n" drop
+120s c > FA drop
+300s end
=> timeout server path_blackhole|peer_vanished|packet_loss
"#

/// The server gives up on PONGs: the client hangs.
server_declares_the_client_stale r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=python3
+2m s > PA "PING\r\n"   +0.2ms c > A
+2m s > PA "PING\r\n"   +0.2ms c > A
+2m s > PA "-ERR 'Stale Connection'\r\n"   +0.1ms s > FA   +0.2ms c > A
+60s end
=> fin server stale_client 0.6..
"#

python_client_after_a_server_fin r#"
c1 = 10.0.0.7:51234 ; c2 = 10.0.0.7:51235 ; s = 10.0.0.5:4222
hello c1 lang=python3 name=py
+5s  s:c1 > FA     +0.2ms c1 > FA   +0.2ms s:c1 > A
+2s  hello c2 lang=python3 name=py
+60s end
=> fin server * client.port=51234 reconnect.outcome=reconnected reconnect.attempts=1 reconnect.downtime_ms>=1990
=> open 1
"#

/// The process went away with a message unread: RST, no FIN.
client_process_died_with_unread_data r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c lang=go
+5s s > msg a 500  +0.1ms c > A  +1ms c > RA
+0.5ms s > msg a 500  +0.1ms c > R
+60s end
=> rst client client_process_exit|client_closed
"#
}
