//! Against a server that speaks just enough HTTP.
use super::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const VARZ_JSON: &str = include_str!("../../../../tests/server-logs/varz-2.15.1.json");
const CONNZ_JSON: &str = include_str!("../../../../tests/server-logs/connz-2.15.1.json");

/// Answers every request; keeps what was asked.
fn serve(status: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let head = head.join("\n");
            let body = if head.contains("/varz") { VARZ_JSON } else { CONNZ_JSON };
            kept.lock().unwrap().push(head);
            let len = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {len}\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    (port, asked)
}

fn wait(monitor: &Monitor, wanted: fn(&Answer) -> bool) -> Vec<Answer> {
    let end = Instant::now() + Duration::from_secs(10);
    let mut all = Vec::new();
    while Instant::now() < end && !all.iter().any(wanted) {
        all.extend(monitor.answers());
        thread::sleep(Duration::from_millis(10));
    }
    all
}

#[test]
fn varz_at_once_and_the_closed_list_when_asked() {
    let (port, asked) = serve("200 OK");
    let monitor = Monitor::start(Target::Url(format!("http://me:s3cr3t@127.0.0.1:{port}"))).unwrap();
    let first = wait(&monitor, |a| matches!(a, Answer::Varz(..)));
    assert!(first.iter().any(|a| matches!(a, Answer::Varz(varz, _) if varz.version == "2.15.1")));
    assert!(!format!("{first:?}").contains("s3cr3t"));
    monitor.ask();
    monitor.ask();
    let then = wait(&monitor, |a| matches!(a, Answer::Closed(..)));
    assert!(then.iter().any(|a| matches!(a, Answer::Closed(list, _) if list.entries.len() == 11)));
    let asked = asked.lock().unwrap();
    assert!(asked.iter().any(|head| head.contains("GET /connz?state=closed&sort=stop&limit=256")));
    // bWU6czNjcjN0: me:s3cr3t.
    assert!(asked.iter().all(|head| head.to_ascii_lowercase().contains("authorization: basic")));
}

#[test]
fn without_credentials_none_are_sent() {
    let (port, asked) = serve("200 OK");
    let monitor = Monitor::start(Target::Url(format!("http://127.0.0.1:{port}"))).unwrap();
    wait(&monitor, |a| matches!(a, Answer::Varz(..)));
    assert!(!asked.lock().unwrap().iter().any(|head| head.to_ascii_lowercase().contains("authorization")));
}

#[test]
fn what_is_wrong_is_said_once_and_without_secrets() {
    for (status, want) in
        [("401 Unauthorized", "credentials"), ("500 Oops", "status 500"), ("302 Found", "redirect")]
    {
        let (port, _) = serve(status);
        let monitor = Monitor::start(Target::Url(format!("http://me:s3cr3t@127.0.0.1:{port}"))).unwrap();
        let all = wait(&monitor, |a| matches!(a, Answer::Note(_)));
        let text = format!("{all:?}");
        assert!(text.contains(want) && !text.contains("s3cr3t") && !text.contains("me:"), "{text}");
        monitor.ask();
        thread::sleep(Duration::from_millis(600));
        assert_eq!(monitor.answers().count(), 0);
    }
}

#[test]
fn urls_are_shown_without_credentials() {
    assert_eq!(shown("http://a:b@n1:8222/x@y"), "http://n1:8222/x@y");
    assert_eq!(shown("https://n1:8222"), "https://n1:8222");
    let end = Endpoint { addr: crate::base::Addr::v6([0; 16]), port: 8222 };
    assert_eq!(url("http", end), "http://127.0.0.1:8222");
}
