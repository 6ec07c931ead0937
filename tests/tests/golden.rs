//! Every capture in `tests/captures`: what natstrace says against what is true, and against what it said before.
//!
//! The truth can't be blessed away: `UPDATE_GOLDEN=1` rewrites the snapshots only.
use std::path::Path;
use tests::{check, score, variants};

fn captures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

#[test]
fn verdicts_are_true() {
    let wrong = check::report(&captures()).expect("the captures can be checked");
    assert_eq!(wrong, 0, "verdicts differ from the truth: see the rows marked WRONG");
}

#[test]
fn harder_captures_are_not_told_wrong_with_confidence() {
    let harder = score::harder(&captures()).expect("every capture can be made harder and read");
    let budgets = score::Budget::table(include_str!("harder.txt")).expect("the table of budgets");
    let mut firm = 0;
    let mut broken = Vec::new();
    for (variant, said) in &harder {
        println!("{variant:34} {said}");
        match budgets.get(*variant) {
            Some(budget) => broken.extend(said.breaks(*budget).map(|how| format!("{variant}: {how}"))),
            None => broken.push(format!("{variant}: no line in harder.txt")),
        }
        // In doubt and wrong: no failure, but where to look next.
        if std::env::var_os("SHOW_DOUBTFUL").is_some() {
            said.doubtful.iter().for_each(|line| println!("  in doubt: {line}"));
        }
        firm += said.firm.len();
    }
    assert_eq!(harder.len(), variants::ALL.len(), "a way to make captures harder changes none");
    assert_eq!(firm, 0, "firm wrong causes on harder captures: see the lines above");
    assert!(broken.is_empty(), "worse than before (SHOW_DOUBTFUL=1 lists all):\n{}", broken.join("\n"));
}

#[test]
fn output_is_as_before() {
    let (folder, binary) = (captures(), check::natstrace().expect("natstrace builds"));
    let mut changed = Vec::new();
    for truth in check::truths(&folder).expect("truths") {
        for (vantage, wanted) in &truth.vantages {
            let name = format!("{}.{vantage}", truth.scenario);
            let mut hold = |extension: &str, text: anyhow::Result<String>| {
                let file = folder.join(format!("{name}.{extension}"));
                if let Err(e) = text.and_then(|text| check::snapshot(&file, &text)) {
                    changed.push(format!("{name}: {e:#}"));
                }
            };
            let run = |format| check::run(&binary, &folder, &wanted.capture, &truth.options, format);
            hold("ndjson", run("json").and_then(|t| check::frozen(&t)));
            hold("txt", run("text").map(|t| check::steady(&t)));
        }
    }
    assert!(changed.is_empty(), "output changed (UPDATE_GOLDEN=1 accepts it):\n{}", changed.join("\n"));
}

#[test]
fn truths_are_complete() {
    let folder = captures();
    let truths = check::truths(&folder).expect("truths");
    assert!(truths.len() >= 34, "only {} scenarios are recorded", truths.len());
    let known: Vec<_> = tests::lab::scenarios::all().iter().map(|s| s.name).collect();
    for truth in truths {
        assert!(known.contains(&truth.scenario.as_str()), "{}: no such scenario any more", truth.scenario);
        assert!(!truth.vantages.is_empty(), "{}: no capture", truth.scenario);
        for wanted in truth.vantages.values() {
            assert!(folder.join(&wanted.capture).is_file(), "{} is missing", wanted.capture);
        }
    }
}
