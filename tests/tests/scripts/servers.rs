//! The server's own word, its log or its monitoring, joined to packets that don't tell.
use tests::script::check;

/// TLS: a banner, then nothing that can be read, and the server's FIN.
const TLS: &str = r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
+0 tcp c
+0.2ms s > PA "INFO {\"server_id\":\"NA\",\"server_name\":\"n1\",\"version\":\"2.15.1\",\"client_id\":5,\"tls_required\":true} \r\n"
+1ms c > PA "\x16\x03\x01\x00\x10\x01\x00\x00\x0c\x03\x03aaaaaaaaaa" ; +1ms s > PA "\x16\x03\x03\x00\x10\x02\x00\x00\x0c\x03\x03aaaaaaaaaa" ; +1ms c > PA "\x17\x03\x03\x00\x05aaaaa"
+1ms s > PA "\x17\x03\x03\x00\x05aaaaa\x17\x03\x03\x00\x05aaaaa"
+1ms c > PA "\x17\x03\x03\x00\x05aaaaa" ; +30s c > PA "\x17\x03\x03\x00\x05aaaaa" ; +0.1ms s > A
+30s s > FA ; +0.2ms c > A ; +0.2ms c > FA ; +0.2ms s > A
"#;

fn tls(before: &str, after: &str) {
    check(&format!("{before}\n{TLS}\n{after}"));
}

#[test]
fn the_log_names_what_tls_hides() {
    tls(
        r#"log "[7] 2026/11/22 12:01:00.006 [DBG] 10.0.0.7:51234 - cid:5 - \"v1.31.0:go:billing\" - Client connection closed: Stale Connection""#,
        r#"+70s end
        => fin server stale_client 0.9.. cause.evidence.0.source=server cause.evidence.0.text~Stale cause.evidence.0.ts=2026-11-22T12:01:00.006000Z"#,
    );
}

#[test]
fn a_local_clock_is_recognised() {
    // India: 5 h 30 min ahead; written while the connection lived, by the default level.
    tls(
        r#"log "[7] 2026/11/22 17:31:00.001 [INF] 10.0.0.7:51234 - cid:5 - \"v1:go:x\" - \"$G/user:a\" - Slow Consumer Detected: MaxPending of 1000000 Exceeded""#,
        r#"+70s end
        => fin server slow_consumer 0.9.. cause.evidence.0.text~"5 h 30 min ahead" cause.evidence.0.ts=2026-11-22T12:01:00.001000Z"#,
    );
    tls(
        r#"log "[7] 2026/11/22 04:00:59.9 [DBG] 10.0.0.7:51234 - cid:5 - Client connection closed: Kicked""#,
        r#"+70s end
        => fin server kicked 0.9.. cause.evidence.0.text~"8 h 0 min behind""#,
    );
}

#[test]
fn a_line_without_a_time_is_joined_by_its_end() {
    tls(
        r#"log "[7] [DBG] 10.0.0.7:51234 - cid:5 - Client connection closed: Authentication Expired""#,
        "+70s end\n=> fin server auth_expired 0.9.. cause.evidence.0.ts=-",
    );
}

#[test]
fn lines_of_another_connection_say_nothing() {
    for line in [
        // Another number, another time, another port, another address.
        "2026/11/22 12:01:00.006 [DBG] 10.0.0.7:51234 - cid:6 -",
        "2026/11/22 09:37:00.006 [DBG] 10.0.0.7:51234 - cid:5 -",
        "2026/11/22 12:01:00.006 [DBG] 10.0.0.7:51235 - cid:5 -",
        "2026/11/22 12:01:00.006 [DBG] 10.0.0.8:51234 - cid:5 -",
    ] {
        tls(
            &format!(r#"log "[7] {line} Client connection closed: Kicked""#),
            "+70s end\n=> fin server server_shutdown|server_crashed|kicked ..0.8 cause.evidence.0.source!=server",
        );
    }
}

#[test]
fn the_servers_life_is_in_its_log() {
    let id = r#"log "[7] 2026/11/22 11:00:00.1 [INF] Starting nats-server" ; log "[7] 2026/11/22 11:00:00.1 [INF]   ID:       NA""#;
    let stop = r#"log "[7] 2026/11/22 12:01:00 [INF] Trapped \"terminated\" signal" ; log "[7] 2026/11/22 12:01:00 [INF] Initiating Shutdown...""#;
    tls(
        &format!("{id}\n{stop}"),
        "+70s end\n=> fin server server_shutdown 0.9.. cause.evidence.0.text~terminated cause.evidence.0.source=server",
    );
    let leaves = r#"log "[7] 2026/11/22 12:00:50 [INF] Entering lame duck mode, stop accepting new clients" ; log "[7] 2026/11/22 12:01:09 [INF] Initiating Shutdown...""#;
    tls(
        &format!("{id}\n{leaves}"),
        "+70s end\n=> fin server server_lame_duck 0.9.. cause.evidence.0.source=server",
    );
    let again = r#"log "[9] 2026/11/22 12:01:05 [INF] Starting nats-server""#;
    tls(
        &format!("{id}\n{again}"),
        "+70s end\n=> fin server server_crashed 0.9.. cause.evidence.0.text~Initiating",
    );
    // A stop long before, another server's log: neither says anything of this close.
    for other in [
        r#"log "[7] 2026/11/22 11:00:00.1 [INF]   ID:       NA" ; log "[7] 2026/11/22 11:59:00 [INF] Initiating Shutdown...""#.to_owned(),
        format!(r#"log "[7] 2026/11/22 11:00:00.1 [INF]   ID:       NB" ; {stop}"#),
    ] {
        tls(&other, "+70s end\n=> fin server server_shutdown|server_crashed|kicked ..0.8");
    }
}

#[test]
fn a_client_it_could_not_reach_is_no_slow_consumer() {
    check(
        r#"
        c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
        +0 hello c
        +1s s > msg a 900 drop ; +0.2s s > rtx drop x6/0.4s
        log "[7] 2026/11/22 12:00:12 [INF] 10.0.0.7:51234 - cid:7 - Slow Consumer Detected: WriteDeadline of 10s exceeded with 3 chunks of 2700 total bytes."
        +200s end
        => timeout|firewall_drop * path_blackhole|peer_vanished|one_way_path|firewall_drop 0.2.. cause.why_not~"no longer reached"
        "#,
    );
}

#[test]
fn the_closed_list_names_what_tls_hides() {
    let list = r#"connz "{\"server_id\":\"NA\",\"now\":\"2026-11-22T12:01:03.5Z\",\"num_connections\":1,\"total\":1,\"connections\":[{\"cid\":5,\"ip\":\"10.0.0.7\",\"port\":51234,\"start\":\"2026-11-22T12:00:03Z\",\"stop\":\"2026-11-22T12:01:03Z\",\"reason\":\"Slow Consumer (Write Deadline)\",\"pending_bytes\":9543186}]}""#;
    let varz = r#"varz "{\"server_id\":\"NA\",\"write_deadline\":2000000000,\"slow_consumers\":0}""#;
    let more = r#"varz "{\"server_id\":\"NA\",\"write_deadline\":2000000000,\"slow_consumers\":3}""#;
    tls(
        varz,
        &format!(
            r#"+0.4s {list} ; +0.1s {more}
            +70s end
            => fin server slow_consumer 0.9.. cause.evidence.0.text~"9543186 bytes" cause.evidence~"3 slow consumers, 0 before""#
        ),
    );
}

#[test]
fn an_end_the_server_did_not_notice() {
    let list = r#"connz "{\"server_id\":\"NA\",\"now\":\"2026-11-22T12:00:11Z\",\"num_connections\":0,\"total\":0,\"connections\":[]}""#;
    check(&format!(
        r#"
        c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
        +0 hello c
        +5s s > R ttl=33 id=9
        +1s {list}
        +70s end
        => rst * * ..1 cause.evidence~"for the server it still stands"
        "#
    ));
}

#[test]
fn the_servers_word_against_the_packets() {
    let log = |reason: &str| {
        format!(
            r#"log "[7] 2026/11/22 12:00:05 [DBG] 10.0.0.7:51234 - cid:7 - Client connection closed: {reason}""#
        )
    };
    let ends = "c = 10.0.0.7:51234 ; s = 10.0.0.5:4222\n+0 hello c";
    for (reason, end, want) in [
        ("Client Closed", "+5s c > R ttl=33", "end of the stream"),
        (
            "Client Closed",
            "+5s c > FA ttl=64 ; +0.2ms s > FA ; +0.2ms c > A",
            "the FIN in the client's name came from a device 3 hops nearer",
        ),
        (
            "Read Error",
            "+5s c > RA ttl=63 ; +1s c > pub a 10 ; +0.1ms s > R",
            "the RST in the client's name came from a device 2 hops nearer",
        ),
        ("Read Error", "+5s c > FA ; +0.2ms s > A ; +0.2ms s > FA ; +0.2ms c > A", "a reset reached it"),
        (
            "Client Closed",
            "+5s s > FA ; +0.2ms c > A ; +0.2ms c > FA ; +0.2ms s > A",
            "its own FIN came first",
        ),
    ] {
        check(&format!("{}\n{ends}\n{end}\n+70s end\n=> * * * ..1 cause.why_not~\"{want}\"", log(reason)));
    }
}
