//! What a client does after its loss: pace, servers, time to notice, subscriptions; what its library is known for.

scenarios! {
/// The gaps of a library without jitter.
attempts_at_a_constant_gap r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; c4 = 10.0.0.7:50004 ; c5 = 10.0.0.7:50005 ; s = 10.0.0.5:4222
hello c1 name=billing lang=python3
+5s s:c1 > FA  +0.2ms c1 > FA  +0.2ms s:c1 > A
+2s c2 > S     +0.2ms s:c2 > RA
+2s c3 > S     +0.2ms s:c3 > RA
+2s c4 > S     +0.2ms s:c4 > RA
+2s hello c5 name=billing lang=python3 id=NB
+60s end
=> fin server server_shutdown reconnect.backoff=constant reconnect.attempts=4 reconnect.shortest_gap_ms>=1990 reconnect.longest_gap_ms<=2010 reconnect.servers_tried.0.attempts=4 reconnect.servers_tried.0.outcome=accepted reconnect.servers_tried.0.announced=-
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> open 1
"#

attempts_with_jitter r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; c4 = 10.0.0.7:50004 ; c5 = 10.0.0.7:50005 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s s:c1 > FA     +0.2ms c1 > FA  +0.2ms s:c1 > A
+2.03s c2 > S     +0.2ms s:c2 > RA
+2.09s c3 > S     +0.2ms s:c3 > RA
+2.01s c4 > S     +0.2ms s:c4 > RA
+2.06s hello c5 name=billing id=NB
+60s end
=> fin server server_shutdown reconnect.backoff=jittered
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> open 1
"#

/// async-nats doubles its wait.
attempts_at_growing_gaps r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; c4 = 10.0.0.7:50004 ; c5 = 10.0.0.7:50005 ; s = 10.0.0.5:4222
hello c1 name=r lang=rust version=0.49.1
+5s    s:c1 > FA  +0.2ms c1 > FA  +0.2ms s:c1 > A
+0.5s  c2 > S     +0.2ms s:c2 > RA
+1s    c3 > S     +0.2ms s:c3 > RA
+2s    c4 > S     +0.2ms s:c4 > RA
+4s    hello c5 name=r lang=rust version=0.49.1 id=NB
+60s end
=> fin server server_shutdown reconnect.backoff=growing
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> open 1
"#

/// INFO names a node that clients can't reach: the time lost there is told, and what to set.
an_announced_server_out_of_reach r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; c3 = 10.0.0.7:50003 ; s1 = 10.0.0.5:4222 ; s2 = 172.17.0.2:4222 ; s3 = 10.0.0.6:4222
tcp c1:s1
+0.2ms s1:c1 > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"connect_urls\":[\"10.0.0.5:4222\",\"172.17.0.2:4222\"]} \r\n"
+0.2ms c1 > PA "CONNECT {\"verbose\":false,\"name\":\"billing\",\"lang\":\"go\",\"version\":\"1.53.1\"}\r\nPING\r\n"
+0.2ms s1:c1 > PA "PONG\r\n"  +0.1ms c1 > A
+5s    s1:c1 > FA  +0.2ms c1 > FA  +0.2ms s1:c1 > A
+10ms  c2:s2 > S drop  +1s c2 > rtx drop
+1s    hello c3:s3 name=billing lang=go version=1.53.1 id=NC
+120s  end
=> fin server * flow.id=1 reconnect.outcome=reconnected reconnect.servers_tried.0.address=172.17.0.2 reconnect.servers_tried.0.announced=true reconnect.servers_tried.0.outcome=unanswered reconnect.servers_tried.1.address=10.0.0.6 cause.fix~client_advertise cause.fix~IgnoreDiscoveredServers
=> timeout * * flow.id=2 cause.why_not~"connect_urls of INFO from 10.0.0.5:4222" cause.fix~no_advertise
=> open 1
"#

/// An INFO that comes later replaces the list.
the_newest_info_counts r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; s1 = 10.0.0.5:4222 ; s2 = 10.0.0.6:4222
hello c1:s1 name=billing
+1s    s1:c1 > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"connect_urls\":[\"10.0.0.5:4222\",\"10.0.0.6:4222\"]} \r\n"  +0.1ms c1 > A
+5s    s1:c1 > FA  +0.2ms c1 > FA  +0.2ms s1:c1 > A
+10ms  hello c2:s2 name=billing id=NB
+60s   end
=> fin server * reconnect.servers_tried.0.announced=true reconnect.servers_tried.0.outcome=accepted
=> open 1
"#

/// A FIN is noticed at once, whatever the wait.
a_fin_is_noticed_at_once r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; s = 10.0.0.5:4222
hello c1 name=billing
+5s    s:c1 > FA  +0.4ms c1 > FA  +0.2ms s:c1 > A
+2s    hello c2 name=billing id=NB
+60s   end
=> fin server * reconnect.detect_ms=0 reconnect.downtime_ms>=1999
=> open 1
"#

/// A dead path is noticed by PINGs alone: from the last sign of the server to the new SYN, and the setting is named.
a_dead_path_is_noticed_late r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; s1 = 10.0.0.5:4222 ; s2 = 10.0.0.6:4222
hello c1:s1 name=billing lang=rust version=0.49.1
+10s   c1 > pub a 10     +0.2ms s1:c1 > A
+60s   c1 > PA "PING\r\n" drop   +0.2s c1 > rtx drop x8/0.4s
+18s   c1 > PA "PING\r\n" drop
+60s   hello c2:s2 name=billing lang=rust version=0.49.1 id=NB
+60s   end
=> * * * flow.id=1 reconnect.outcome=reconnected reconnect.detect_ms>=188900 reconnect.detect_ms<=189100 cause.fix~ping_interval
=> open 1
"#

subscriptions_are_made_again r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; s = 10.0.0.5:4222
hello c1 name=billing
+1s    c1 > PA "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nUNSUB 3\r\n"  +0.1ms s:c1 > A
+5s    s:c1 > FA  +0.4ms c1 > FA  +0.2ms s:c1 > A
+2s    hello c2 name=billing id=NB
+1ms   c2 > PA "SUB a 1\r\nSUB b 2\r\n"  +0.1ms s:c2 > A
+2.1s  s:c2 > PA "PING\r\n"  +0.2ms c2 > PA "PONG\r\n"  +0.1ms s:c2 > A
+60s   end
=> fin server * reconnect.subscriptions_before=2 reconnect.subscriptions_restored=2
=> open 1
"#

subscriptions_that_are_missing r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.7:50002 ; s = 10.0.0.5:4222
hello c1 name=billing
+1s    c1 > PA "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n"  +0.1ms s:c1 > A
+5s    s:c1 > FA  +0.4ms c1 > FA  +0.2ms s:c1 > A
+2s    hello c2 name=billing id=NB
+1ms   c2 > PA "SUB a 1\r\n"  +0.1ms s:c2 > A
+2.1s  s:c2 > PA "PING\r\n"  +0.2ms c2 > PA "PONG\r\n"  +0.1ms s:c2 > A
+60s   end
=> fin server * reconnect.subscriptions_before=3 reconnect.subscriptions_restored=1 cause.why_not~"1 of the 3 subscriptions"
=> open 1
"#

/// The library of a refused attempt is known from the connection that it replaces.
a_js_client_gives_up_after_ten r#"
c = 10.0.0.7:50000 ; d = 10.0.0.7:50001 ; s = 10.0.0.5:4222
hello c name=web lang=nats.js version=3.4.0
+5s s:c > FA  +0.2ms c > FA  +0.2ms s:c > A
+2s d > S  +0.2ms s:d > RA  +2s d > S  +0.2ms s:d > RA  +2s d > S  +0.2ms s:d > RA  +2s d > S  +0.2ms s:d > RA  +2s d > S  +0.2ms s:d > RA
+2s d > S  +0.2ms s:d > RA  +2s d > S  +0.2ms s:d > RA  +2s d > S  +0.2ms s:d > RA  +2s d > S  +0.2ms s:d > RA  +2s d > S  +0.2ms s:d > RA
+5m end
=> fin server server_shutdown reconnect.attempts=10 reconnect.outcome=gave_up
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server server_not_listening
=> rst server client_gave_up cause.fix~maxReconnectAttempts cause.evidence~"10 attempts are the default limit of JavaScript" cause.summary~web
"#

/// UNSUB before CONNECT: jnats 2.21.2 is refused although its credentials are right.
jnats_unsubscribes_before_connect r#"
c = 10.0.0.7:50001 ; s = 10.0.0.5:4222
tcp c
+0.2ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"auth_required\":true} \r\n"
+0.2ms c > PA "UNSUB 7\r\nCONNECT {\"verbose\":false,\"lang\":\"java\",\"version\":\"2.21.2\",\"user\":\"a\",\"pass\":\"b\"}\r\nPING\r\n"
+0.2ms s > PA "-ERR 'Authorization Violation'\r\n"   +0.1ms s > FA   +0.2ms c > RA
+60s end
=> fin server known_bug 0.9.. cause.summary~2.21.2 cause.fix~2.21.4 cause.also.0.code=authorization_violation
"#

/// The same refusal of a version that has no such defect is one of credentials.
jnats_mended r#"
c = 10.0.0.7:50001 ; s = 10.0.0.5:4222
tcp c
+0.2ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"auth_required\":true} \r\n"
+0.2ms c > PA "CONNECT {\"verbose\":false,\"lang\":\"java\",\"version\":\"2.21.2\",\"user\":\"a\",\"pass\":\"b\"}\r\nPING\r\n"
+0.2ms s > PA "-ERR 'Authorization Violation'\r\n"   +0.1ms s > FA   +0.2ms c > RA
+60s end
=> fin server authorization_violation
"#

/// The octets behind a PROXY header are lost in 2.12.4: the client said CONNECT, the server waited for it.
a_proxy_header_eats_connect r#"
c = 10.0.0.7:50001 ; s = 10.0.0.5:4222
tcp c
+0.2ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.12.4\",\"auth_required\":true} \r\n"
+0.2ms c > PA "PROXY TCP4 192.0.2.1 10.0.0.5 5555 4222\r\nCONNECT {\"verbose\":false,\"lang\":\"go\",\"version\":\"1.50.0\",\"user\":\"a\"}\r\nPING\r\n"
+0.1ms s > A
+2s    s > PA "-ERR 'Authentication Timeout'\r\n"   +0.1ms s > FA   +0.2ms c > FA  +0.1ms s > A
+60s end
=> fin server known_bug 0.9.. cause.fix~2.12.6
"#

/// A library that closes for good on an error says so.
a_python_client_never_comes_back r#"
c = 10.0.0.7:50001 ; s = 10.0.0.5:4222
tcp c
+0.2ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"auth_required\":true} \r\n"
+0.2ms c > PA "CONNECT {\"verbose\":false,\"lang\":\"python3\",\"version\":\"2.16.0\",\"user\":\"a\"}\r\nPING\r\n"
+0.2ms s > PA "-ERR 'Authorization Violation'\r\n"   +0.1ms s > FA   +0.2ms c > FA  +0.1ms s > A
+60s end
=> fin server authorization_violation cause.fix~"nats-py closes for good"
"#

/// A hung server: whose timer fired is told.
a_hung_server_and_the_clients_timer r#"
c = 10.0.0.7:50001 ; s = 10.0.0.5:4222
hello c lang=go name=a
+3m c > PA "PING\r\n"   +0.2ms s:c > A
+2m c > PA "PING\r\n"   +0.2ms s:c > A
+2m c > FA              +0.2ms s:c > A
+60s end
=> fin client stale_server cause.evidence~"the client's own PING timer fired: 2 PINGs without a PONG, one every 2 min 0 s, the default of Go"
"#

/// INFO took 0.2 ms for an hour and takes seconds now: told where a client left before it.
info_grows_late r#"
a1 = 10.0.0.9:50001 ; a2 = 10.0.0.9:50002 ; a3 = 10.0.0.9:50003 ; b = 10.0.0.9:50004 ; c = 10.0.0.7:50005 ; s = 10.0.0.5:4222
hello a1 name=1 ; hello a2 name=2 ; hello a3 name=3
+1m tcp b
+1.9s s:b > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"  +0.1ms b > PA "CONNECT {\"lang\":\"rust\",\"version\":\"0.49.1\",\"verbose\":false}\r\nPING\r\n"  +0.1ms s:b > PA "PONG\r\n"  +0.1ms b > A
+1s tcp c
+2.01s c > FA  +0.1ms s:c > A
+60s end
=> fin client connect_timeout|stale_server cause.evidence~"INFO after accept took 1.9 s" cause.evidence~"200 µs before"
"#
}

/// `clients` lose their server at once and come back two seconds later, so far apart.
fn herd(clients: u32, apart: &str) -> String {
    let hosts = |n: u32| format!("10.0.{}.{}", n / 200 + 1, n % 200 + 1);
    let mut script = "s = 10.0.0.5:4222\n".to_owned();
    for n in 0..clients {
        let host = hosts(n);
        script.push_str(&format!("c{n} = {host}:50001 ; d{n} = {host}:50002\n"));
    }
    for n in 0..clients {
        script.push_str(&format!("hello c{n} lang=python3 name=p{n}\n"));
    }
    script.push_str("+1s end\n");
    for n in 0..clients {
        script.push_str(&format!("+1us s:c{n} > FA\n"));
    }
    for n in 0..clients {
        script.push_str(&format!("+1us c{n} > FA ; +1us s:c{n} > A\n"));
    }
    script.push_str("+1.999s end\n");
    for n in 0..clients {
        script.push_str(&format!("+{apart} d{n} > S ; +1us s:d{n} > RA\n"));
    }
    script.push_str("+60s end\n");
    script
}

/// Without jitter a herd is one blow; with enough of it there is no storm at all.
#[test]
fn a_herd_without_jitter() {
    let told = "=> event reconnect_storm message~\"clients that lost their connections together\" message~\"no jitter\"";
    tests::script::check(&format!("{}\n{told}", herd(130, "0.1ms")));
    tests::script::check(&format!("{}\n=> no event reconnect_storm", herd(130, "20ms")));
}
