//! Proxies, address translation, idle limits: what lies between the ends and closes for them.

scenarios! {
/// Captured on the proxy's host: the client closes, the proxy passes that on.
proxied_client_closes r#"
c = 10.0.0.7:51001 ttl 61 ; s = 10.0.0.9:4222 ttl 64 ; c2 = 10.0.1.9:40001 ttl 64 ; s2 = 10.0.1.5:4222 ttl 61
proxied c:s c2:s2
+5s    c:s > FA    +0.1ms s:c > A   +0.1ms c2:s2 > FA   +0.2ms s2:c2 > FA   +0.1ms c2:s2 > A   +0.1ms s:c > FA   +0.1ms c:s > A
+90s   end
=> fin client client_closed flow.id=1 flow.other_leg.id=2 flow.other_leg.joint=proxy cause.evidence~"flow 2 (10.0.1.9:40001 to 10.0.1.5:4222)"
=> fin client client_closed flow.id=2 flow.other_leg.id=1 cause.evidence~"said goodbye to the proxy first"
"#

/// The server closes; the client's side is told so, though the FIN there is the proxy's.
proxied_server_closes_all r#"
c = 10.0.0.7:51001 ttl 61 ; s = 10.0.0.9:4222 ttl 64 ; c2 = 10.0.1.9:40001 ttl 64 ; s2 = 10.0.1.5:4222 ttl 61
c3 = 10.0.1.9:40002 ttl 64 ; c4 = 10.0.1.9:40003 ttl 64
hello c3:s2 id=NA
proxied c:s c2:s2
+5s    s2:c2 > FA   +0.1ms s2:c3 > FA   +0.1ms c2:s2 > FA  +0.1ms s2:c2 > A   +0.1ms c3:s2 > FA   +0.1ms s2:c3 > A
+0.1ms s:c > FA   +0.1ms c:s > FA   +0.1ms s:c > A
+1s    c4:s2 > S  +0.2ms s2:c4 > RA
+90s   end
=> fin server server_shutdown
=> fin server server_shutdown
=> fin server server_shutdown 0.8.. close.detail=- server.address=10.0.0.9 cause.evidence~"said goodbye to the proxy first"
=> rst server server_not_listening
"#

/// Neither end closed: the proxy did, on both sides, in the middle of traffic.
proxy_closes_both_sides r#"
c = 10.0.0.7:51001 ttl 61 ; s = 10.0.0.9:4222 ttl 64 ; c2 = 10.0.1.9:40001 ttl 64 ; s2 = 10.0.1.5:4222 ttl 61
proxied c:s c2:s2
+5s    s2:c2 > msg a 40   +0.1ms c2:s2 > A   +0.1ms s:c > msg a 40   +0.1ms c:s > A
+20ms  s:c > FA   +0.01ms c2:s2 > FA   +0.1ms c:s > FA   +0.1ms s:c > A   +0.1ms s2:c2 > FA   +0.1ms c2:s2 > A
+90s   end
=> fin server proxy_closed 0.8.. close.detail=proxy
=> fin client proxy_closed 0.8.. close.detail=proxy
"#

/// … after six seconds without a message: its idle limit.
proxy_closes_both_sides_out_of_silence r#"
c = 10.0.0.7:51001 ttl 61 ; s = 10.0.0.9:4222 ttl 64 ; c2 = 10.0.1.9:40001 ttl 64 ; s2 = 10.0.1.5:4222 ttl 61
proxied c:s c2:s2
+6s    s:c > FA   +0.01ms c2:s2 > FA   +0.1ms c:s > FA   +0.1ms s:c > A   +0.1ms s2:c2 > FA   +0.1ms c2:s2 > A
+90s   end
=> fin server idle_timeout_middlebox 0.8.. close.detail=proxy cause.fix~"proxy_timeout"
=> fin client idle_timeout_middlebox 0.8.. close.detail=proxy
"#

/// A NAT's host shows the connection twice: the same segments, one hop apart. The server drops this client alone.
nat_shows_it_twice r#"
c = 10.0.0.7:51001 ttl 64 iss 3300111 id 777 ; s = 10.0.1.5:4222 ttl 63 iss 8800111 id 999
c2 = 10.0.1.1:51001 ttl 63 iss 3300111 id 777 ; s2 = 10.0.1.5:4222 ttl 64 iss 8800111 id 999
c3 = 10.0.1.8:50000
hello c3:s name=stays
c:s > S   +0.01ms c2:s2 > S   +0.2ms s2:c2 > SA   +0.01ms s:c > SA   +0.1ms c:s > A   +0.01ms c2:s2 > A
+0.2ms s2:c2 > PA "INFO {\"server_id\":\"NA\",\"client_id\":31,\"client_ip\":\"10.0.1.1\"} \r\n"
+0.01ms s:c > PA "INFO {\"server_id\":\"NA\",\"client_id\":31,\"client_ip\":\"10.0.1.1\"} \r\n"
+0.2ms c:s > PA "CONNECT {\"lang\":\"go\",\"name\":\"a\"}\r\nPING\r\n"   +0.01ms c2:s2 > PA "CONNECT {\"lang\":\"go\",\"name\":\"a\"}\r\nPING\r\n"
+0.2ms s2:c2 > PA "PONG\r\n"   +0.01ms s:c > PA "PONG\r\n"   +0.1ms c:s > A   +0.01ms c2:s2 > A
+5s    s2:c2 > FA   +0.01ms s:c > FA   +0.1ms c:s > FA   +0.01ms c2:s2 > FA   +0.1ms s2:c2 > A   +0.01ms s:c > A
+1s    s:c3 > msg b 10  +0.1ms c3:s > A
+90s   s:c3 > msg b 10  +0.1ms c3:s > A
=> fin server kicked flow.id=3 flow.other_leg.joint=nat flow.other_leg.id=2 cause.evidence~"other side of a NAT"
=> fin server kicked flow.id=2 flow.other_leg.id=3
=> open 1
"#

/// Strangers with the same numbers, as test tools make them, are no NAT.
same_numbers_are_no_nat r#"
c = 10.0.0.7:51001 iss 1000 id 1 ttl 64 ; c2 = 10.0.0.8:51002 iss 1000 id 1 ttl 63 ; s = 10.0.0.5:4222
hello c
hello c2
+5s c > FA  +0.2ms s:c > FA  +0.2ms c > A   +1s c2 > FA  +0.2ms s:c2 > FA  +0.2ms c2 > A   +60s end
=> fin client client_closed flow.other_leg=-
=> fin client client_closed flow.other_leg=-
"#

/// A proxy takes the connection although nobody listens behind it; captured on its host.
proxy_without_a_server r#"
c = 10.0.0.7:51001 ttl 61 ; s = 10.0.0.9:4222 ttl 64 ; c2 = 10.0.1.9:40001 ttl 64 ; s2 = 10.0.1.5:4222 ttl 61
tcp c:s
+0.5ms c2:s2 > S   +0.2ms s2:c2 > RA   +0.1ms s:c > FA   +0.1ms c:s > FA   +0.1ms s:c > A
+90s end
=> rst server server_not_listening
=> fin server server_not_listening 0.8.. cause.evidence~"own SYN to 10.0.1.5:4222 was refused"
"#

/// … and seen from the client's host alone.
accepted_and_closed_without_a_word r#"
c = 10.0.0.7:51001 ; s = 10.0.0.9:4222
tcp c    +2ms s > FA   +0.1ms c > FA   +0.1ms s > A
+90s end
=> fin server server_not_listening 0.3..0.7
"#

/// Three clients, cut after one silence at three times: a device's limit, named with the devices that have it.
the_same_silence_three_times r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; c3 = 10.0.0.9:51003 ; s = 10.0.0.5:4222
hello c1 name=a
+40s hello c2 name=b
+40s hello c3 name=c
+270s c1 > pub a 10  +0.2ms s:c1 > R ttl=57
+40s  c2 > pub a 10  +0.2ms s:c2 > R ttl=57
+41s  c3 > pub a 10  +0.2ms s:c3 > R ttl=57
+90s end
=> rst network idle_timeout_middlebox cause.evidence~"AWS network load balancer" cause.fix~ping_interval
=> rst network idle_timeout_middlebox cause.evidence~"2 other connections ended after about the same gap"
=> rst network idle_timeout_middlebox
"#

/// A server's FIN out of silence, alone: nothing says that it is a device's.
one_silence_proves_nothing r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; s = 10.0.0.5:4222
hello c1 name=a
hello c2 name=b
+77s s:c1 > FA  +0.1ms c1 > FA  +0.1ms s:c1 > A
+1s s:c2 > msg a 10  +0.1ms c2 > A
+20s s:c2 > msg a 10  +0.1ms c2 > A
=> fin server kicked
=> open 1
"#

/// The server's side: a PROXY header tells of the proxy.
proxy_header_shows_the_proxy r#"
c = 10.0.1.9:40001 ; s = 10.0.1.5:4222
tcp c
+0.1ms c > PA "PROXY TCP4 10.0.0.7 10.0.0.9 51001 4222\r\n"
+0.2ms s > PA "INFO {\"server_id\":\"NA\",\"client_id\":31} \r\n"
+0.2ms c > PA "CONNECT {\"lang\":\"go\",\"name\":\"a\"}\r\nPING\r\n"   +0.1ms s > PA "PONG\r\n"   +0.1ms c > A
+5s    c > RA
+90s   end
=> rst client client_process_exit cause.evidence~"PROXY header names 10.0.0.7"
"#

/// The SYN is answered within 0.2 ms, INFO and every PONG take 20 ms: what answers is near, the server is not. A server's FIN there
/// is less surely the server's.
pongs_come_from_farther_than_tcp r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
tcp c
+40ms  s > PA "INFO {\"server_id\":\"NA\",\"client_id\":31} \r\n"   +0.2ms c > PA "CONNECT {\"lang\":\"go\",\"name\":\"a\"}\r\nPING\r\n"
+20ms  s > PA "PONG\r\n"   +0.1ms c > A
+20s   c > PA "PING\r\n"   +0.2ms s > A   +20ms s > PA "PONG\r\n"   +0.1ms c > A
+20s   c > PA "PING\r\n"   +0.2ms s > A   +20ms s > PA "PONG\r\n"   +0.1ms c > A
+3.3s  s > FA   +0.1ms c > FA   +0.1ms s > A
+90s   end
=> fin server * ..0.7 cause.evidence~"no PONG came in less than 20" cause.why_not~"a proxy or balancer may stand between"
"#

/// … out of a silence that is a whole number of seconds: likely its limit, and not more than likely.
a_near_answer_and_a_round_silence r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
tcp c
+40ms  s > PA "INFO {\"server_id\":\"NA\",\"client_id\":31} \r\n"   +0.2ms c > PA "CONNECT {\"lang\":\"go\",\"name\":\"a\"}\r\nPING\r\n"
+20ms  s > PA "PONG\r\n"   +0.1ms c > A
+20s   c > PA "PING\r\n"   +0.2ms s > A   +20ms s > PA "PONG\r\n"   +0.1ms c > A
+20s   c > PA "PING\r\n"   +0.2ms s > A   +20ms s > PA "PONG\r\n"   +0.1ms c > A
+60s   s > FA   +0.1ms c > FA   +0.1ms s > A
+90s   end
=> fin server idle_timeout_middlebox 0.4..0.7
"#

/// A server as near as its PONGs: nothing hints at a hop.
pongs_as_quick_as_tcp r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+20s   c > PA "PING\r\n"   +0.2ms s > PA "PONG\r\n"   +0.1ms c > A
+20s   c > PA "PING\r\n"   +0.3ms s > PA "PONG\r\n"   +0.1ms c > A
+3.3s  s > FA   +0.1ms c > FA   +0.1ms s > A
+90s   end
=> fin server * cause.evidence!~"in its name"
"#

/// One address, two servers behind it: that another one takes the client next is no restart.
several_servers_behind_one_address r#"
c = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; c3 = 10.0.0.9:51003 ; c4 = 10.0.0.7:51004 ; s = 10.0.0.5:4222
hello c name=a id=NA
hello c2 name=b id=NB
hello c3 name=c id=NA
+5s s:c3 > msg b 10  +0.1ms c3 > A
+1s s:c > msg a 10  +0.1ms c > A
+5s s:c > FA  +0.1ms c > FA  +0.1ms s:c > A
+1s hello c4 name=a id=NB
+3s s:c3 > msg b 10  +0.1ms c3 > A   +0.1s s:c2 > msg b 10  +0.1ms c2 > A
+60s s:c3 > msg b 10  +0.1ms c3 > A
=> fin server kicked ..0.7 cause.evidence~"several stand behind it"
=> open 3
"#

/// Without a sign of another server, a new server_id after the close is a restart.
one_server_restarted r#"
c = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; c4 = 10.0.0.7:51004 ; s = 10.0.0.5:4222
hello c name=a id=NA
hello c2 name=b id=NA
+5s s:c > FA  +0.1ms c > FA  +0.1ms s:c > A   +0.1ms s:c2 > FA  +0.1ms c2 > FA  +0.1ms s:c2 > A
+1s hello c4 name=a id=NB
+60s end
=> fin server server_shutdown cause.evidence!~"stand behind"
=> fin server server_shutdown
=> open 1
"#

/// One address, two TTLs that take turns: more than one host answers there. Weak, and said so.
two_ttls_take_turns r#"
c = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; c3 = 10.0.0.9:51003 ; s = 10.0.0.5:4222
hello c
hello c2
hello c3
+2s s:c > msg a 9 ttl=61  +0.1ms c > A  +0.1ms c > pub x 2  +0.1ms s:c > A ttl=61
+2s s:c2 > msg a 9 ttl=58  +0.1ms c2 > A  +0.1ms c2 > pub x 2  +0.1ms s:c2 > A ttl=58
+2s s:c > msg a 9 ttl=61  +0.1ms c > A  +0.1ms c > pub x 2  +0.1ms s:c > A ttl=61
+2s s:c2 > msg a 9 ttl=58  +0.1ms c2 > A  +0.1ms c2 > pub x 2  +0.1ms s:c2 > A ttl=58
+2s s:c > msg a 9 ttl=61  +0.1ms c > A  +0.1ms c > pub x 2  +0.1ms s:c > A ttl=61
+2s s:c2 > msg a 9 ttl=58  +0.1ms c2 > A  +0.1ms c2 > pub x 2  +0.1ms s:c2 > A ttl=58
+2s s:c > msg a 9 ttl=61  +0.1ms c > A  +0.1ms c > pub x 2  +0.1ms s:c > A ttl=61
+1s s:c2 > FA ttl=58  +0.1ms c2 > FA  +0.1ms s:c2 > A ttl=58
+60s s:c3 > msg b 10  +0.1ms c3 > A
=> fin server * ..0.75
=> open 2
"#
}
