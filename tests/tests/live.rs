//! natstrace live on the lab's hosts: every fault, watched on both hosts in three modes at once, is told right.
use std::io::Write;
use tests::check;
use tests::lab::tools;
use tests::live::{faults, run, table};

/// Several share two cores; more at a time only make the timers late.
const JOBS: usize = 3;

/// Says so past the test harness, which swallows what a passing test prints.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn faults_are_told_right_while_they_happen() {
    if !tools::is_root() {
        return say("skipped: live capture and the lab's namespaces need root");
    }
    let tools = match tools::Tools::find() {
        Ok(tools) => tools,
        Err(e) => return say(&format!("skipped: {e} (cargo xtask setup installs it)")),
    };
    let binary = check::natstrace().expect("natstrace");
    let mut outcomes = run::play_all(&faults::all(), &tools, &binary, JOBS, |o| {
        say(&format!("{:16} {:5.1} s", o.name, o.took.as_secs_f64()));
    });
    outcomes.sort_by_key(|o| o.name);
    say(&table::verdicts(&outcomes));
    say(&table::evidence(&outcomes));
    say(&table::times(&outcomes));
    assert_eq!(outcomes.len(), faults::all().len());
    assert_eq!(table::wrong(&outcomes), 0, "faults are told wrong: see the rows marked WRONG");
}
