//! Endings as they are met, each with the verdict it must get: where rules compete, the right one wins.
use super::judge;
use super::testing::*;

/// What the scene is judged to be.
fn told(scene: &Scene) -> (&'static str, f64) {
    let cause = judge(&scene.case());
    (cause.code, cause.confidence)
}

fn expect(scene: Scene, code: &str) {
    let cause = judge(&scene.case());
    assert_eq!(cause.code, code, "{} (also {:?})", cause.summary, cause.also);
}

#[test]
fn the_server_spoke_first_whoever_left_first() {
    for party in [Party::Client, Party::Server] {
        for kind in [Kind::Fin, Kind::Rst] {
            expect(Scene::new().ends(kind, party).error("User Authentication Expired"), "auth_expired");
        }
    }
}

#[test]
fn an_old_error_is_no_reason() {
    let scene =
        Scene::new().error("Stale Connection").with(|s| s.facts.nats.errors[0].mark.at = mark(1_000).at);
    expect(scene, "client_closed");
}

#[test]
fn an_error_into_a_dead_path_is_no_reason() {
    let scene = Scene::new().dies(Kind::FirewallDrop, Party::Client).error("Stale Connection").with(|s| {
        *s.facts.tcp.server.unanswered = Some(unanswered(Owed::Data, END - 120_000));
    });
    expect(scene, "firewall_drop");
}

#[test]
fn java_resets_on_purpose() {
    expect(Scene::new().connect(|c| c.lang = "java".into()).ends(Kind::Rst, Party::Client), "client_closed");
}

#[test]
fn a_lone_fin_of_the_server_is_likely_a_stop() {
    let (code, confidence) = told(&Scene::new().ends(Kind::Fin, Party::Server));
    assert!(code == "server_shutdown" && confidence < 0.5);
    let cause = judge(&Scene::new().ends(Kind::Fin, Party::Server).case());
    assert!(cause.also.iter().any(|a| a.0 == "kicked"));
}

#[test]
fn a_stop_with_tls_says_goodbye() {
    let stop = |notify: bool| {
        Scene::new()
            .ends(Kind::Fin, Party::Server)
            .tls(|t| (t.established, t.close_notify.server) = (true, notify))
            .with(|s| s.around.refused = Some(mark(END + 10)))
    };
    expect(stop(true), "server_shutdown");
    expect(stop(false), "server_crashed");
}

#[test]
fn a_regular_ping_gap_is_no_idle_timeout() {
    let scene = Scene::new().dies(Kind::FirewallDrop, Party::Server).with(|s| {
        *s.facts.tcp.client.unanswered = Some(unanswered(Owed::Data, END + 120_000));
        s.facts.nats.pings.client.sent = 5;
        s.facts.nats.pings.client.interval = Some(Span::secs(120));
        s.around.accepted = Some(mark(END + 300_000));
    });
    expect(scene, "firewall_drop");
}

#[test]
fn refused_while_others_get_in_is_a_filter() {
    expect(Scene::new().attempt(Handshake::Refused), "server_not_listening");
    let selective =
        Scene::new().attempt(Handshake::Refused).with(|s| s.around.server_accepts_others = Some(mark(1)));
    expect(selective, "firewall_reject");
}

#[test]
fn a_closed_window_of_the_server_is_no_slow_consumer() {
    let scene = Scene::new().with(|s| s.facts.tcp.server.zero_window.longest = Span::secs(60));
    expect(scene, "client_closed");
}

#[test]
fn the_servers_own_record_counts() {
    let scene = Scene::new().ends(Kind::Fin, Party::Server).with(|s| {
        s.around.server_reason =
            Some(ServerReason { text: "Slow Consumer (Write Deadline)".into(), ..ServerReason::default() });
    });
    let cause = judge(&scene.case());
    assert_eq!(cause.code, "slow_consumer");
    assert!(cause.evidence.iter().any(|e| e.source == Source::Server));
}

#[test]
fn nothing_is_certain() {
    for kind in Kind::ALL {
        for party in Party::ALL {
            for handshake in Handshake::ALL {
                let scene = Scene::new().mute().ends(*kind, *party).with(|s| s.facts.handshake = *handshake);
                let cause = judge(&scene.case());
                assert!(!cause.evidence.is_empty() && cause.confidence <= 0.99);
            }
        }
    }
}
