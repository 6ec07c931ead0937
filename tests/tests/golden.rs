//! Every capture in `tests/captures`: what natstrace says against what is true, and against what it said before.
//!
//! The truth can't be blessed away: `UPDATE_GOLDEN=1` rewrites the snapshots only.
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tests::check::{self, Examined};
use tests::truth::Truth;
use tests::{score, variants};

/// natstrace, and what is true of each capture.
static GIVEN: LazyLock<Result<(PathBuf, Vec<Truth>)>> =
    LazyLock::new(|| Ok((check::natstrace()?, check::truths(&captures())?)));
/// What is said of each as it is; nothing where nothing is given.
static EXAMINED: LazyLock<Vec<Examined<'_>>> = LazyLock::new(|| {
    let given = GIVEN.as_ref().ok();
    given.map(|(binary, truths)| check::examine(binary, &captures(), truths)).unwrap_or_default()
});

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

#[test]
fn verdicts_are_true() {
    GIVEN.as_ref().expect("the captures can be checked");
    let wrong = check::tally(&EXAMINED);
    assert_eq!(wrong, 0, "verdicts differ from the truth: see the rows marked WRONG");
}

#[test]
fn harder_captures_are_not_told_wrong_with_confidence() {
    let (binary, _) = GIVEN.as_ref().expect("natstrace and truths");
    let harder =
        score::harder(binary, &captures(), &EXAMINED).expect("every capture can be made harder and read");
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
    let (binary, _) = GIVEN.as_ref().expect("natstrace and truths");
    let folder = captures();
    let mut changed = Vec::new();
    for examined in EXAMINED.iter() {
        let name = examined.name();
        let mut hold = |extension: &str, text: Result<String>| {
            let file = folder.join(format!("{name}.{extension}"));
            if let Err(e) = text.and_then(|text| check::snapshot(&file, &text)) {
                changed.push(format!("{name}: {e:#}"));
            }
        };
        hold("ndjson", Ok(check::frozen(&examined.said)));
        let text = check::run(binary, &folder, &examined.wanted.capture, &examined.truth.options, "text");
        hold("txt", text.map(|t| check::steady(&t)));
    }
    assert!(changed.is_empty(), "output changed (UPDATE_GOLDEN=1 accepts it):\n{}", changed.join("\n"));
}

#[test]
fn truths_are_complete() {
    let folder = captures();
    let (_, truths) = GIVEN.as_ref().expect("natstrace and truths");
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
