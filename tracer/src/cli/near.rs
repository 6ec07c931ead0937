//! Words that were nearly right.

/// The members of `all` that `typed` may have meant, nearest first, at most four.
pub(super) fn near<'a>(typed: &str, all: &[&'a str]) -> Vec<&'a str> {
    let typed = typed.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    let mut scored: Vec<(f64, &str)> = all
        .iter()
        .map(|word| {
            let holds = typed.len() >= 3 && (word.contains(&typed) || typed.contains(word));
            (strsim::jaro_winkler(&typed, word) + if holds { 1.0 } else { 0.0 }, *word)
        })
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(4).map(|(_, word)| word).collect()
}

/// `unknown cause 'x'; did you mean y or z?`, or all there are where none is near.
pub(super) fn unknown(what: &str, typed: &str, all: &[&str]) -> String {
    match near(typed, all).as_slice() {
        [] => format!("unknown {what} '{typed}'; there are {}", all.join(", ")),
        [first @ .., last] if !first.is_empty() => {
            format!("unknown {what} '{typed}'; did you mean {} or {last}?", first.join(", "))
        }
        [only, ..] => format!("unknown {what} '{typed}'; did you mean {only}?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let all = ["slow_consumer", "stale_client", "stale_server", "auth_timeout"];
        assert_eq!(near("slow-consumr", &all), ["slow_consumer"]);
        assert_eq!(near("stale", &all), ["stale_client", "stale_server"]);
        assert_eq!(unknown("cause", "slow", &all), "unknown cause 'slow'; did you mean slow_consumer?");
        assert!(
            unknown("cause", "zzz", &all)
                .ends_with("there are slow_consumer, stale_client, stale_server, auth_timeout")
        );
    }
}
