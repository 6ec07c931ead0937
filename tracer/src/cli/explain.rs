//! `natstrace explain`: the causes in words, from the rules themselves.
use super::{Usage, near};
use crate::cause::Rule;
use crate::event::Family;
use std::io::{self, Write};

/// Writes what `code` means, or without it the list of causes by family.
///
/// # Errors
/// The outer one when `out` can't be written; the inner one for an unknown code, with those it may have meant.
pub fn explain(
    code: Option<&str>,
    rules: &[&'static Rule],
    out: &mut impl Write,
) -> io::Result<Result<(), Usage>> {
    let Some(code) = code else { return list(rules, out).map(Ok) };
    let wanted = code.trim().to_ascii_lowercase().replace('-', "_");
    let Some(rule) = rules.iter().find(|rule| rule.code == wanted) else {
        let codes: Vec<&str> = rules.iter().map(|rule| rule.code).collect();
        return Ok(Err(Usage(near::unknown("cause", code, &codes))));
    };
    writeln!(out, "{} (family {})", rule.code, rule.family)?;
    writeln!(out, "  {}\n", rule.title)?;
    writeln!(out, "{}", rule.explain.trim())?;
    Ok(Ok(()))
}

fn list(rules: &[&'static Rule], out: &mut impl Write) -> io::Result<()> {
    let width = rules.iter().map(|rule| rule.code.len()).max().unwrap_or_default();
    for family in Family::ALL {
        let members: Vec<_> = rules.iter().filter(|rule| rule.family == *family).collect();
        if members.is_empty() {
            continue;
        }
        writeln!(out, "{family}")?;
        for rule in members {
            writeln!(out, "  {:width$}  {}", rule.code, rule.title)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "natstrace explain CODE says how it looks, what else it could be and what to do.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{Case, Judgement};

    fn no(_: &Case<'_>) -> Judgement {
        Judgement::No
    }

    static SLOW: Rule = Rule {
        code: "slow_consumer",
        family: Family::SlowConsumer,
        title: "the client did not read fast enough",
        explain: "\nThe server closed it.\n",
        needs: &[],
        judge: no,
        cases: &[],
    };
    static CLOSED: Rule =
        Rule { code: "client_closed", family: Family::Normal, title: "closed in good order", ..SLOW };

    fn run(code: Option<&str>) -> Result<String, Usage> {
        let mut out = Vec::new();
        explain(code, &[&SLOW, &CLOSED], &mut out).unwrap()?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn one_and_all() {
        let page = "slow_consumer (family slow_consumer)\n  the client did not read fast enough\n\nThe server closed it.\n";
        assert_eq!(run(Some("Slow-Consumer")).as_deref(), Ok(page));
        let list = run(None).unwrap();
        let start =
            "normal\n  client_closed  closed in good order\n\nslow_consumer\n  slow_consumer  the client";
        assert!(list.starts_with(start), "{list}");
        assert_eq!(run(Some("slow")).unwrap_err().0, "unknown cause 'slow'; did you mean slow_consumer?");
    }
}
