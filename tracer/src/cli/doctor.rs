//! `natstrace doctor`: what a host allows, as tables for people and as one JSON object.
use crate::base::Timestamp;
use crate::source::survey::{Allowed, Area, Check, Status, Survey};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;
use std::io::{self, Write};

/// Columns at least, however narrow the terminal says it is.
const WIDTH_MIN: usize = 60;

/// A rule below the header, none between rows: they are many and short.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Writes tables for people, `width` columns wide. Commands are never broken over lines: they are there to be copied.
///
/// # Errors
/// When `out` can't be written.
pub fn doctor(survey: &Survey, width: usize, out: &mut impl Write) -> io::Result<()> {
    let width = width.max(WIDTH_MIN);
    writeln!(out, "{}\n", checks(&survey.checks, width))?;
    let lacking = lacking(&survey.checks);
    if !lacking.is_empty() {
        writeln!(out, "What is missing, what it costs, what mends it:")?;
    }
    for (names, costs, mend) in lacking {
        writeln!(out, "\n  {names}")?;
        wrapped(out, costs, width)?;
        if let Some(mend) = mend {
            writeln!(out, "    mend: {mend}")?;
        }
    }
    writeln!(out, "\nWhat each feature takes:\n{}", features(&survey.features, width))?;
    writeln!(out, "\nAll of it but CAP_SYS_ADMIN, without root (setcap replaces what the file had):")?;
    writeln!(out, "  {}\n", survey.setcap)?;
    let verdict = if survey.main_job { "Live tracing can run here." } else { "Live tracing can't run here." };
    writeln!(out, "{verdict}")
}

/// Writes one JSON object on a line: `{"type":"doctor",...}`.
///
/// # Errors
/// When `out` can't be written.
pub fn doctor_json(survey: &Survey, at: Timestamp, out: &mut impl Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        r#type: &'static str,
        ts: String,
        version: &'static str,
        #[serde(flatten)]
        survey: &'a Survey,
    }
    let line = Line { r#type: "doctor", ts: at.to_string(), version: env!("CARGO_PKG_VERSION"), survey };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

fn table(width: usize, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(RULED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width - 1).unwrap_or(u16::MAX));
    table.set_header(header.to_vec());
    table
}

fn checks(checks: &[Check], width: usize) -> String {
    let mut table = table(width, &["", "what", "", "found"]);
    let mut last = None;
    for check in checks {
        let area = if last == Some(check.area) { "" } else { area(check.area) };
        last = Some(check.area);
        table.add_row([area, &check.name, status(check.status), &check.found]);
    }
    trimmed(&table)
}

fn features(features: &[Allowed], width: usize) -> String {
    let mut table = table(width, &["to", "takes", "here"]);
    for feature in features {
        let name =
            if feature.main { format!("{} (main job)", feature.feature) } else { feature.feature.clone() };
        let here = if feature.lacks.is_empty() {
            "held".to_owned()
        } else {
            format!("lacks {}", feature.lacks.join(" "))
        };
        table.add_row([name, feature.takes.join(" "), here]);
    }
    trimmed(&table)
}

/// As text without blanks at the ends of lines.
fn trimmed(table: &Table) -> String {
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// What doesn't work: names, price, remedy. Neighbours with one price and one remedy are one.
fn lacking(checks: &[Check]) -> Vec<(String, &str, Option<&str>)> {
    let mut found: Vec<(String, &str, Option<&str>)> = Vec::new();
    for check in checks {
        let Some(costs) = check.costs.as_deref() else { continue };
        let mend = check.mend.as_deref();
        match found.last_mut().filter(|(_, c, m)| (*c, *m) == (costs, mend)) {
            Some((names, ..)) => *names += &format!(", {}", check.name),
            None => found.push((check.name.clone(), costs, mend)),
        }
    }
    found
}

fn wrapped(out: &mut impl Write, text: &str, width: usize) -> io::Result<()> {
    let mut line = "    costs:".to_owned();
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() >= width {
            writeln!(out, "{line}")?;
            line = "          ".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(out, "{line}")
}

const fn area(area: Area) -> &'static str {
    match area {
        Area::Host => "host",
        Area::Privileges => "privileges",
        Area::Packets => "packets",
        Area::Probes => "probes",
        Area::Firewall => "firewall",
        Area::Processes => "processes",
    }
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::Works => "works",
        Status::Partly => "partly",
        Status::Missing => "missing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(name: &str, costs: Option<&str>) -> Check {
        Check {
            area: Area::Privileges,
            name: name.to_owned(),
            status: if costs.is_some() { Status::Missing } else { Status::Works },
            found: "as it is".to_owned(),
            costs: costs.map(str::to_owned),
            mend: costs.map(|_| "sudo setcap cap_bpf=ep /usr/bin/natstrace".to_owned()),
        }
    }

    fn survey() -> Survey {
        let no_probes = Some("a drop by this host's firewall is guessed from silence, not proven");
        Survey {
            kernel: "6.1.0".to_owned(),
            uid: 1000,
            main_job: true,
            checks: vec![
                check("CAP_NET_RAW", None),
                check("CAP_BPF", no_probes),
                check("CAP_PERFMON", no_probes),
            ],
            features: vec![Allowed {
                feature: "capture packets".to_owned(),
                takes: vec!["cap_net_raw".to_owned()],
                lacks: vec![],
                main: true,
            }],
            setcap: "sudo setcap cap_net_raw=ep /a/rather/long/path/that/must/stay/on/one/line/natstrace"
                .to_owned(),
        }
    }

    #[test]
    fn people_get_the_price_and_the_remedy_once() {
        let mut out = Vec::new();
        doctor(&survey(), 70, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\n  CAP_BPF, CAP_PERFMON\n    costs: a drop by"), "{text}");
        assert_eq!(text.matches("guessed").count(), 1, "{text}");
        assert!(text.contains("    mend: sudo setcap cap_bpf=ep /usr/bin/natstrace\n"), "{text}");
        assert!(text.contains("capture packets (main job)"), "{text}");
        assert!(text.ends_with("line/natstrace\n\nLive tracing can run here.\n"), "{text}");
        let commands = ["mend:", "sudo"];
        let prose = text.lines().filter(|line| !commands.iter().any(|word| line.contains(word)));
        assert!(prose.clone().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn programs_get_one_object() {
        let mut out = Vec::new();
        doctor_json(&survey(), Timestamp(0), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["type"], &line["ts"]), (&json!("doctor"), &json!("1970-01-01T00:00:00.000000Z")));
        assert_eq!((&line["main_job"], &line["uid"]), (&json!(true), &json!(1000)));
        let works =
            json!({"area": "privileges", "name": "CAP_NET_RAW", "status": "works", "found": "as it is"});
        assert_eq!(line["checks"][0], works);
        assert_eq!(line["checks"][1]["mend"], "sudo setcap cap_bpf=ep /usr/bin/natstrace");
        assert_eq!(line["features"][0]["takes"], json!(["cap_net_raw"]));
    }
}
