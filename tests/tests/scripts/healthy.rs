//! Healthy traffic: no close, whatever it looks like.

use std::fmt::Write as _;

scenarios! {
idle_with_pings_for_hours r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+2s s > PA "PING\r\n"  +0.2ms c > PA "PONG\r\n"  +0.2ms s > A
+2m c > PA "PING\r\n"  +0.2ms s > PA "PONG\r\n"  +0.2ms c > A
+2m c > PA "PING\r\n"  +0.2ms s > PA "PONG\r\n"  +0.2ms c > A
+3h c > PA "PING\r\n"  +0.2ms s > PA "PONG\r\n"  +0.2ms c > A
+1h end
=> nothing
=> open 1
"#

loss_survived r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s   s > msg a 900 drop   +1ms s > msg a 900   +0.2ms c > A  +0.2s s > rtx   +0.2ms c > A
+1s   c > pub a 900 drop   +0.2s c > rtx drop x7/0.4s  +30s c > rtx   +0.2ms s > A
+10m  end
=> nothing
=> open 1
"#

/// The server's process was stopped for a minute; its kernel acknowledged.
stopped_and_continued r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+2m  c > PA "PING\r\n"   +0.2ms s > A
+60s s > PA "PONG\r\n"   +0.2ms c > A
+10m end
=> nothing
=> open 1
"#

/// Its window filled meanwhile, and opened again.
stopped_until_the_window_filled r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s    c > pub a 1400    +0.2ms s > win 0
+0.2s  c > zwp           +0.2ms s > A
+0.4s  c > zwp           +0.2ms s > A
+5s    s > win 502
+1ms   c > pub a 1400    +0.2ms s > A
+10m end
=> nothing
=> open 1
"#

/// A slow reader that was back before the deadline.
slow_for_a_moment r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s    s > msg a 1400    +0.2ms c > win 0
+0.2s  s > zwp           +0.2ms c > A
+4s    c > win 502
+1ms   s > msg a 1400    +0.2ms c > A
+10m end
=> nothing
=> open 1
"#

/// The capture missed what both ends have.
holes_in_the_capture r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s   s > msg a 900 unseen   +0.2ms c > A
+1s   c > pub a 900 unseen   +0.2ms s > A unseen
+1s   c > pub a 900          +0.2ms s > A
+10m end
=> nothing
=> open 1
"#

/// Acknowledgements were never captured: nothing shows that anything is owed but silence, which repeats would break.
acknowledgement_missed_by_the_capture r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s   s > msg a 900    +0.2ms c > A unseen
+10s  s > msg a 900    +0.2ms c > A
+10m end
=> nothing
=> open 1
"#

/// Segments in another order, acknowledged with SACK.
reordered r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s    s > msg a 900 late=3ms
+0.1ms s > msg a 900     +0.2ms s > msg a 900
+4ms   c > A
+10m end
=> nothing
=> open 1
"#

/// A permissions violation closes nothing.
permissions_violation r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s    c > pub secret 10
+0.2ms s > PA "-ERR 'Permissions Violation for Publish to \"secret\"'\r\n"   +0.2ms c > A
+10m end
=> nothing
=> open 1
"#

lame_duck_announced_but_not_closed_yet r#"
c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+1s    s > PA "INFO {\"server_id\":\"NA\",\"version\":\"2.15.1\",\"ldm\":true} \r\n"   +0.2ms c > A
+5s end
=> nothing
=> event lame_duck_announced server.address=10.0.0.5
=> open 1
"#
}

/// Every third segment is lost, in both directions, for ten minutes; all of it is repeated and arrives.
#[test]
fn a_third_of_everything_is_lost() {
    let mut script = String::from("c = 10.0.0.7:51234 ; s = 10.0.0.5:4222\nhello c\n");
    for round in 0..300 {
        let (from, to, what) = if round % 2 == 0 { ("c", "s", "pub") } else { ("s", "c", "msg") };
        let lost = round % 3 == 0;
        let _ = writeln!(script, "+1.8s {from} > {what} a 200 {}", if lost { "drop" } else { "" });
        if lost {
            let _ = writeln!(
                script,
                "+0.2s {from} > rtx {}",
                if round % 9 == 0 { "drop +0.4s c > A" } else { "" }
            );
            if round % 9 == 0 {
                let _ = writeln!(script, "{from} > rtx");
            }
        }
        let _ = writeln!(script, "+0.2ms {to} > A");
    }
    script.push_str("+10m end\n=> nothing\n=> open 1\n");
    tests::script::check(&script);
}

/// Any prefix of a conversation: what is alive is no close.
#[test]
fn every_prefix_of_healthy_traffic() {
    let whole = r#"c = 10.0.0.7:51234 ; s = 10.0.0.5:4222
hello c
+2s s > PA "PING\r\n"  +0.2ms c > PA "PONG\r\n"  +0.2ms s > A
+1s c > pub a 2000     +0.2ms s > A
+1s s > msg b 2000     +0.2ms c > A
+1s c > FA   +0.2ms s > FA   +0.2ms c > A
=> open 0
"#;
    let frames = tests::script::frames(whole).unwrap();
    let fin = frames.len() - 3;
    for end in 0..=fin {
        let said = tests::script::run(&[], false, &frames[..end]).unwrap();
        assert!(said.iter().all(|l| l["type"] != "close"), "after {end} frames: {said:?}");
    }
    let said = tests::script::run(&[], false, &frames[..=fin]).unwrap();
    assert_eq!(said.iter().filter(|l| l["type"] == "close").count(), 1);
}
