//! Why: the server's words, what is silent about the reason but shows it, and who spoke first.

scenarios! {
told_and_closed r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > PA "-ERR 'User Authentication Expired'\r\n"  +0.1ms s > FA  +0.2ms c > FA  +0.1ms s > A   +60s end
=> fin server auth_expired 0.8..
"#

revoked r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > PA+F "-ERR 'User Authentication Revoked'\r\n"  +0.2ms c > FA  +0.1ms s > A   +60s end
=> fin server auth_revoked 0.8..
"#

/// "a client that is quicker to close after an -ERR is the side, the cause stays the server's reason"
client_closes_first_after_the_error r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"auth_required\":true} \r\n"
+1ms c > PA "CONNECT {\"lang\":\"python3\",\"version\":\"2.16.0\"}\r\nPING\r\n"
+0.3ms s > PA "-ERR 'Authorization Violation'\r\n"
+0.1ms c > FA   +0.1ms s > FA  +0.1ms c > A   +60s end
=> fin client authorization_violation 0.8..
"#

/// Told but not heard: the client's bytes were unread, so the kernel resets.
told_but_reset r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > PA "PUB big 2000000\r\n" len=1300   +0.1ms c > PA len=1300
+0.2ms s > PA "-ERR 'Maximum Payload Violation'\r\n"   +0.05ms s > RA
+60s end
=> rst server max_payload_exceeded 0.8..
"#

error_split_over_segments r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s s > PA "-ERR 'Stale Con"   +0.1ms s > PA "nection'\r"   +0.1ms s > PA+F "\n"   +0.2ms c > FA   +0.1ms s > A  +60s end
=> fin server stale_client 0.6.. nats.errors.0~Stale
"#

fin_captured_before_the_error r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > PA "-ERR 'User Authentication Expired'\r\n" late=2ms   +0.1ms s > FA
+3ms   c > A   +0.1ms c > FA  +0.1ms s > A   +60s end
=> fin server auth_expired 0.8..
"#

error_repeated_after_a_loss r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > PA+F "-ERR 'User Authentication Expired'\r\n" drop
+0.2s  s > rtx   +0.2ms c > FA  +0.1ms s > A   +60s end
=> fin server auth_expired 0.8..
"#

auth_timeout r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"auth_required\":true} \r\n"  +0.1ms c > A
+2s  s > PA "-ERR 'Authentication Timeout'\r\n"  +0.1ms s > FA   +0.1ms c > FA   +0.1ms s > A   +60s end
=> fin server auth_timeout 0.8..
"#

max_connections r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"
+0.1ms s > PA "-ERR 'maximum connections exceeded'\r\n"   +0.05ms s > FA
+0.2ms c > PA "CONNECT {\"lang\":\"go\"}\r\nPING\r\n" ack=-1   +0.1ms s > R
+60s end
=> fin server max_connections 0.8..
"#

account_max_connections r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"
+0.2ms c > PA "CONNECT {\"lang\":\"go\"}\r\nPING\r\n"
+0.2ms s > PA+F "-ERR 'maximum account active connections exceeded'\r\n"  +0.1ms c > FA  +0.1ms s > A  +60s end
=> fin server account_max_connections 0.8..
"#

throttled r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+1ms s > PA+F "-ERR 'Connection throttling is active. Please try again later.'\r\n"  +0.1ms c > FA  +0.1ms s > A  +60s end
=> fin server connection_throttled 0.8..
"#

unknown_verb r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > PA "FOO bar\r\n"   +0.1ms s > PA+F "-ERR 'Unknown Protocol Operation'\r\n"  +0.1ms c > FA  +0.1ms s > A  +60s end
=> fin server protocol_error 0.7..
"#

control_line_too_long r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > PA "SUB " len=1400   +0.1ms c > PA len=1400   +0.1ms c > PA len=1400
+0.1ms s > PA "-ERR 'maximum control line exceeded'\r\n"  +0.1ms s > RA  +60s end
=> rst server protocol_error 0.7..
"#

/// No -ERR for bad arguments: FIN alone.
bad_arguments r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s c > PA "SUB foo\r\n"   +0.2ms s > FA  +0.1ms c > FA  +0.1ms s > A  +60s end
=> fin server protocol_error
"#

http_to_the_client_port r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+0.1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"
+0.1ms c > PA "GET / HTTP/1.1\r\nHost: x\r\n\r\n"   +0.1ms s > PA+F "-ERR 'Unknown Protocol Operation'\r\n"
+0.1ms c > FA  +0.1ms s > A  +60s end
=> fin server wrong_port 0.6..
"#

client_on_a_route_port r#"
set --port 6222
c = 10.0.0.7:51234 ; s = 10.0.0.5:6222
tcp c
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"nonce\":\"x\",\"lnoc\":true} \r\n"
+0.2ms c > PA "CONNECT {\"lang\":\"go\",\"version\":\"1.31.0\"}\r\nPING\r\n"
+0.2ms s > PA+F "-ERR 'attempted to connect to route port'\r\n"  +0.1ms c > FA  +0.1ms s > A  +60s end
=> fin server wrong_port 0.8..
"#

plain_client_on_a_tls_listener r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"tls_required\":true} \r\n"
+0.2ms c > PA "CONNECT {\"lang\":\"go\",\"tls_required\":false}\r\nPING\r\n"
+0.2ms s > FA  +0.1ms c > FA  +0.1ms s > A  +60s end
=> fin server tls_required 0.6..
"#

tls_to_a_plain_listener r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+0.1ms c > PA "\x16\x03\x01\x00\x10\x01\x00\x00\x0c\x03\x03aaaaaaaaaa"
+0.1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\"} \r\n"
+0.1ms s > PA "-ERR 'Unknown Protocol Operation'\r\n"   +0.05ms s > RA   +60s end
=> rst server tls_handshake_failed 0.5..
"#

/// All at once, then refused: the server stopped.
stopped_in_good_order r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.8:50002 ; c3 = 10.0.0.9:50003 ; c4 = 10.0.0.9:50004 ; s = 10.0.0.5:4222
hello c1 ; hello c2 ; hello c3
+5s s:c1 > FA  +0.05ms s:c2 > FA  +0.05ms s:c3 > FA
+0.2ms c1 > FA  +0.05ms c2 > FA  +0.05ms c3 > FA  +0.1ms s:c1 > A  +0.05ms s:c2 > A  +0.05ms s:c3 > A
+2s c4 > S  +0.2ms s:c4 > RA
+90s end
=> fin server server_shutdown 0.5..
=> fin server server_shutdown 0.5..
=> fin server server_shutdown 0.5..
=> rst server server_not_listening
"#

/// One alone, others served on, nothing said, quickly back: an operator's act.
kicked r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.8:50002 ; c3 = 10.0.0.9:50003 ; c4 = 10.0.0.7:50004 ; s = 10.0.0.5:4222
hello c1 name=a ; hello c2 name=b ; hello c3 name=d
+5s s:c1 > FA  +0.2ms c1 > FA  +0.1ms s:c1 > A
+2s hello c4 name=a
+1s c2 > pub a 10   +0.1ms s:c2 > A   +1s c3 > pub a 10   +0.1ms s:c3 > A
+30s c2 > pub a 10   +0.1ms s:c2 > A   +1s c3 > pub a 10   +0.1ms s:c3 > A
+90s end
=> fin server kicked client.port=50001
=> open 3
"#

lame_duck r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.8:50002 ; s = 10.0.0.5:4222
hello c1 ; hello c2
+5s s:c1 > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"ldm\":true} \r\n"  +0.1ms c1 > A
+0.1ms s:c2 > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"ldm\":true} \r\n"  +0.1ms c2 > A
+10s s:c1 > FA  +0.2ms c1 > FA  +0.1ms s:c1 > A
+0.8s s:c2 > FA  +0.2ms c2 > FA  +0.1ms s:c2 > A
+90s end
=> fin server server_lame_duck 0.8..
=> fin server server_lame_duck 0.8..
=> event lame_duck_announced
"#

/// Announced to another client of the same server: this one never saw the INFO (captured from the middle).
lame_duck_told_to_others r#"
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.8:50002 ; s = 10.0.0.5:4222
hello c1 ; hello c2
+5s s:c1 > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"ldm\":true} \r\n"  +0.1ms c1 > A
+10s s:c2 > FA  +0.2ms c2 > FA  +0.1ms s:c2 > A
+0.8s s:c1 > FA  +0.2ms c1 > FA  +0.1ms s:c1 > A
+90s end
=> fin server server_lame_duck 0.5.. client.address=10.0.0.8
=> fin server server_lame_duck 0.8.. client.address=10.0.0.7
"#

/// TCP is open, nobody says INFO, the client leaves after its timeout.
no_info_in_time r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+2s c > FA   +0.2ms s > A   +90s end
=> fin client connect_timeout|stale_server|accept_queue_overflow
"#

/// The server's kernel repeats its SYN-ACK though the third step came: nobody accepts.
accept_queue_is_full r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
tcp c
+1s s > SA seq=-1     +0.1ms c > A
+2s s > SA seq=-1     +0.1ms c > A
+1s c > FA   +4s s > SA seq=-1    +0.1ms c > R
+90s end
=> * * accept_queue_overflow|connect_timeout
"#

mqtt_replaced_by_the_same_id r#"
set --port 1883
c1 = 10.0.0.7:50001 ; c2 = 10.0.0.8:50002 ; s = 10.0.0.5:1883
tcp c1
+1ms c1 > PA "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"   +1ms s:c1 > PA "\x20\x02\x00\x00"   +0.1ms c1 > A
+5s tcp c2
+1ms c2 > PA "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"   +1ms s:c2 > PA "\x20\x02\x00\x00"
+0.1ms s:c1 > FA   +0.1ms c1 > FA   +0.1ms s:c1 > A   +0.1ms c2 > A
+30s end
=> fin server duplicate_client 0.6.. client.address=10.0.0.7 nats.protocol=mqtt
=> open 1
"#

/// Keepalive 4 s: closed at 6 s of silence.
mqtt_keepalive_expired r#"
set --port 1883
c1 = 10.0.0.7:50001 ; s = 10.0.0.5:1883
tcp c1
+1ms c1 > PA "\x10\x10\x00\x04MQTT\x04\x02\x00\x04\x00\x04test"   +1ms s:c1 > PA "\x20\x02\x00\x00"   +0.1ms c1 > A
+6s  s:c1 > FA   +0.1ms c1 > FA   +0.1ms s:c1 > A
+60s end
=> fin server idle_client_closed 0.5..
"#

cluster_names_differ r#"
set --port 6222
c = 10.0.0.7:51234 ; s = 10.0.0.5:6222
tcp c
+1ms s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"nonce\":\"x\",\"lnoc\":true,\"cluster\":\"B\"} \r\n"
+0.2ms c > PA "CONNECT {\"echo\":true,\"verbose\":false,\"name\":\"NB\",\"cluster\":\"A\"}\r\n"
+0.2ms s > PA+F "-ERR 'Rejecting connection, cluster name \"A\" does not match \"B\"'\r\n"  +0.1ms c > FA  +0.1ms s > A  +60s end
=> fin server cluster_conflict 0.8..
"#

/// The -ERR of long ago is no reason for today's end.
an_old_error_is_no_reason r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    c > PA "SUB secret 1\r\n"   +0.1ms s > PA "-ERR 'Permissions Violation for Subscription to \"secret\"'\r\n"  +0.1ms c > A
+1h    c > FA  +0.1ms s > FA  +0.1ms c > A   +60s end
=> fin client client_closed
"#

/// A message may say anything.
an_error_inside_a_payload_is_no_error r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+5s    s > PA "MSG log 1 33\r\n-ERR 'User Authentication Expired'\r\n\r\n"  +0.1ms c > A
+1ms   c > FA  +0.1ms s > FA  +0.1ms c > A   +60s end
=> fin client client_closed nats.errors=[]
"#

/// A reload removed their user: they come back, and the same server says who it is but takes none of them.
removed_users_are_no_stop r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; c3 = 10.0.0.7:51003 ; s = 10.0.0.5:4222
hello c1 name=a
+0.1s   hello c2 name=b
+3s     s:c1 > FA  +0.1ms s:c2 > FA  +0.1ms c1 > FA  +0.1ms c2 > FA  +0.1ms s:c1 > A  +0.1ms s:c2 > A
+0.5s   tcp c3
+0.2ms  s:c3 > PA "INFO {\"server_id\":\"NA\",\"server_name\":\"n1\",\"version\":\"2.15.1\",\"auth_required\":true} \r\n"
+0.2ms  c3 > PA "CONNECT {\"verbose\":false,\"name\":\"a\",\"lang\":\"go\",\"version\":\"1.31.0\"}\r\nPING\r\n"
+0.2ms  s:c3 > PA "-ERR 'Authorization Violation'\r\n"  +0.1ms s:c3 > FA  +0.1ms c3 > FA  +0.1ms s:c3 > A
+120s   end
=> fin server kicked ..0.8 client.port=51001
=> fin server kicked ..0.8 client.port=51002
=> fin server authorization_violation client.port=51003
"#

/// The path takes less than the server sends: it gives the client up in the middle of a message, and goes on with others.
given_up_in_the_middle_of_a_message r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.8:51002 ; s = 10.0.0.5:4222
hello c1
+0.1s   hello c2
+1s     s:c1 > PA "MSG a 1 90000\r\n"  +1us s:c1 > PA "x" times=1400  +1us s:c1 > PA "x" times=1400  +1us s:c1 > PA "x" times=1400  +1us s:c1 > PA "x" times=1400
+10s    s:c1 > FPA "x" times=1400
+20ms   c1 > A  +0.2ms c1 > FA  +0.2ms s:c1 > A
+2s     c2 > pub a 10  +0.1ms s:c2 > A
+120s   end
=> fin server slow_consumer 0.6..
=> open 1
"#
}
