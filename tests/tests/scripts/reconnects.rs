//! What became of the client.

scenarios! {
third_attempt_works r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; c4 = 10.0.0.7:50004 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s s:c1 > FA  +0.2ms c1 > FA  +0.2ms s:c1 > A
+2s c2 > S     +0.2ms s:c2 > RA
+2s c3 > S     +0.2ms s:c3 > RA
+2s hello c4 name=billing id=NB
+60s end
=> fin server server_shutdown flow.id=1 reconnect.attempts=3 reconnect.outcome=reconnected reconnect.server_changed=true reconnect.interval_ms>=1999 reconnect.interval_ms<=2002 reconnect.downtime_ms>=6000 reconnect.downtime_ms<=6003
=> rst server server_not_listening flow.id=2
=> rst server server_not_listening flow.id=3
=> open 1
"#

/// The path broke, the server is the same.
same_server_after_a_break r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s    c1 > RA
+2s    hello c2 name=billing
+60s end
=> rst client * reconnect.server_changed=false reconnect.attempts=1 reconnect.outcome=reconnected reconnect.flow.id=2
=> open 1
"#

/// Downtime runs "else from when the server was last heard".
downtime_of_a_silent_end r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s    c1 > pub a 10     +0.2ms s:c1 > A
+10s   c1 > pub a 100 drop   +0.2s c1 > rtx drop x8/0.4s
+90s   hello c2 name=billing id=NB
+60s end
=> * * * flow.id=1 reconnect.outcome=reconnected reconnect.downtime_ms>=151000 reconnect.downtime_ms<=152500
=> open 1
"#

never_came_back r#"
c1 = 10.0.0.7:50001 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s c1 > FA  +0.2ms s:c1 > FA  +0.2ms c1 > A
+90s end
=> fin client client_closed reconnect=-
"#

gave_up_after_five r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; c4 = 10.0.0.7:50004 ; c5 = 10.0.0.7:50005 ; c6 = 10.0.0.7:50006 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s s:c1 > FA  +0.2ms c1 > FA  +0.2ms s:c1 > A
+2s c2 > S     +0.2ms s:c2 > RA
+2s c3 > S     +0.2ms s:c3 > RA
+2s c4 > S     +0.2ms s:c4 > RA
+2s c5 > S     +0.2ms s:c5 > RA
+2s c6 > S     +0.2ms s:c6 > RA
+5m end
=> fin server server_shutdown reconnect.attempts=5 reconnect.outcome=gave_up reconnect.downtime_ms=-
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server client_gave_up|server_not_listening
"#

still_trying r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; c4 = 10.0.0.7:50004 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s s:c1 > FA  +0.2ms c1 > FA  +0.2ms s:c1 > A
+2s c2 > S     +0.2ms s:c2 > RA
+2s c3 > S     +0.2ms s:c3 > RA
+2s c4 > S     +0.2ms s:c4 > RA
+1s end
=> fin server server_shutdown reconnect.attempts=3 reconnect.outcome=trying
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
"#

/// Two clients on one host, told apart by their names.
two_names_on_one_host r#"
a1 = 10.0.0.7:50001 ; b1 = 10.0.0.7:50002 ; a2 = 10.0.0.7:50003 ; b2 = 10.0.0.7:50004 ; s = 10.0.0.5:4222
hello a1 name=alpha ; hello b1 name=beta
+5s     s:a1 > FA  +0.05ms s:b1 > FA
+0.2ms  a1 > FA  +0.05ms b1 > FA  +0.1ms s:a1 > A  +0.05ms s:b1 > A
+2s     hello b2 name=beta id=NB
+4s     hello a2 name=alpha id=NB
+60s end
=> fin server server_shutdown|server_crashed client.name=alpha reconnect.flow.id=4 reconnect.downtime_ms>=6000 reconnect.attempts=1
=> fin server server_shutdown|server_crashed client.name=beta reconnect.flow.id=3 reconnect.downtime_ms<=2100 reconnect.attempts=1
=> open 2
"#

/// A stranger on the same host is no reconnect of anybody.
another_client_of_the_host_is_no_reconnect r#"
a1 = 10.0.0.7:50001 ; b1 = 10.0.0.7:50002 ; s = 10.0.0.5:4222
hello a1 name=alpha lang=go
+5s     a1 > FA  +0.2ms s:a1 > FA  +0.2ms a1 > A
+20s    hello b1 name=beta lang=python3
+60s end
=> fin client client_closed reconnect=-
=> open 1
"#

/// To another server: the client is the same.
another_server_answers r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; s1 = 10.0.0.5:4222 ; s2 = 10.0.0.6:4222
hello c1:s1 name=billing
+5s s1:c1 > FA  +0.2ms c1 > FA  +0.2ms s1:c1 > A
+10ms hello c2:s2 name=billing id=NB server=n2
+60s end
=> fin server * reconnect.outcome=reconnected reconnect.server_changed=true reconnect.downtime_ms<=20 reconnect.attempts=1
=> open 1
"#

/// A connection accepted by TCP, refused by NATS, is an attempt that failed.
attempts_that_fail_at_nats r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s s:c1 > FA  +0.2ms c1 > FA  +0.2ms s:c1 > A
+2s tcp c2     +0.2ms s:c2 > PA "INFO {\"server_id\":\"NB\",\"version\":\"2.15.1\",\"auth_required\":true} \r\n"
+0.2ms c2 > PA "CONNECT {\"verbose\":false,\"name\":\"billing\",\"lang\":\"go\",\"version\":\"1.31.0\"}\r\nPING\r\n"
+0.2ms s:c2 > PA "-ERR 'Authorization Violation'\r\n"   +0.1ms s:c2 > FA   +0.2ms c2 > FA   +0.1ms s:c2 > A
+2s hello c3 name=billing id=NB
+60s end
=> fin server * flow.id=1 reconnect.attempts=2 reconnect.outcome=reconnected
=> fin server authorization_violation flow.id=2
=> open 1
"#

storm_of_one_client r#"
c = 10.0.0.7:50001 ; s = 10.0.0.5:4222
c > S     +0.2ms s > RA
+0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA
+0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA
+0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA
+0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA
+0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA
+0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA  +0.3s c > S  +0.2ms s > RA
+60s end
=> event reconnect_storm client.address=10.0.0.7 server.address=10.0.0.5
=> open 0
"#

/// Live: the close leaves before the client is back; what became of it comes in a line of its own.
told_when_it_is_back r#"
live
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; s = 10.0.0.5:4222
hello c1 name=a id=NA
+5s    s > FA  +0.2ms c1 > FA  +0.2ms s > A
+6s    hello c2 name=a id=NB
+5s    end
=> fin server *
=> reconnect after=1 flow.id=2 reconnect.outcome=reconnected reconnect.attempts=1 reconnect.server_changed=true reconnect.downtime_ms>=5900 reconnect.downtime_ms<=6100
=> open 1
"#

/// Live: it tried and stopped trying.
told_when_it_gave_up r#"
live
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; c3 = 10.0.0.7:51003 ; s = 10.0.0.5:4222
hello c1 name=a
+5s    s > FA  +0.2ms c1 > FA  +0.2ms s > A
+3s    c2 > S  +0.2ms s:c2 > RA
+2s    c3 > S  +0.2ms s:c3 > RA
+120s  end  +60s end
=> fin server *
=> rst server server_not_listening|client_gave_up
=> rst server server_not_listening|client_gave_up
=> reconnect after=1 reconnect.outcome=gave_up reconnect.attempts=2
"#
}
