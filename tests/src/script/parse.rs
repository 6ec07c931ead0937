//! A script's text: words, steps, expectations. What the words mean is `play`'s and `expect`'s business.
use anyhow::{Context as _, Result, bail};
use natstrace::base::Span;

/// A script taken apart.
#[derive(Debug, Default)]
pub struct Script {
    /// Played as a live trace: a close is written when it has settled, what is learned later comes in lines of its own.
    pub live: bool,
    /// Arguments as on the command line.
    pub arguments: Vec<String>,
    /// What happens.
    pub steps: Vec<Step>,
    /// What must be said of it.
    pub expected: Vec<Expected>,
}

/// One thing that happens.
#[derive(Debug)]
pub struct Step {
    /// Line of the script, from 1.
    pub line: usize,
    /// Nanoseconds after the step before.
    pub after: i64,
    /// What.
    pub words: Vec<Word>,
}

/// One expectation.
#[derive(Debug)]
pub struct Expected {
    /// Line of the script, from 1.
    pub line: usize,
    /// What.
    pub words: Vec<String>,
}

/// A word of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// As it stands.
    Bare(String),
    /// Between quotes, escapes resolved: octets of a segment.
    Quoted(Vec<u8>),
}

impl Word {
    /// The text of a bare word.
    pub fn bare(&self) -> Option<&str> {
        match self {
            Self::Bare(text) => Some(text),
            Self::Quoted(_) => None,
        }
    }
}

/// Takes a script apart.
pub fn script(text: &str) -> Result<Script> {
    let mut script = Script::default();
    for (line, text) in (1..).zip(text.lines()) {
        let words = words(text).with_context(|| format!("line {line}: {text}"))?;
        match words.first().and_then(Word::bare) {
            None if words.is_empty() => {}
            Some("=>") => script.expected.push(Expected { line, words: bare(&words)?.split_off(1) }),
            Some("live") => script.live = true,
            Some("set") => script.arguments.extend(bare(&words)?.into_iter().skip(1)),
            _ => steps(line, words, &mut script.steps)?,
        }
    }
    if script.expected.is_empty() {
        bail!("a script without an expectation ('=> …') tests nothing");
    }
    Ok(script)
}

/// A step begins at a line's begin, after `;`, and at every `+time`.
fn steps(line: usize, words: Vec<Word>, steps: &mut Vec<Step>) -> Result<()> {
    let mut step = Step { line, after: 0, words: Vec::new() };
    let mut next = |step: &mut Step, after| {
        let done = std::mem::replace(step, Step { line, after, words: Vec::new() });
        if !done.words.is_empty() || done.after > 0 {
            steps.push(done);
        }
    };
    for word in words {
        match word.bare() {
            Some(";") => next(&mut step, 0),
            Some(text) if text.starts_with('+') => next(&mut step, span(&text[1..])?),
            _ => step.words.push(word),
        }
    }
    next(&mut step, 0);
    Ok(())
}

/// A time as `0.2ms`, `10.1s`, `2m`.
pub fn span(text: &str) -> Result<i64> {
    Ok(text.parse::<Span>().with_context(|| format!("'{text}' is no time"))?.0)
}

fn bare(words: &[Word]) -> Result<Vec<String>> {
    words.iter().map(|w| w.bare().map(str::to_owned).context("no quotes here")).collect()
}

/// Words between blanks; a quote at a word's begin opens octets, one inside a bare word keeps blanks together.
fn words(line: &str) -> Result<Vec<Word>> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
        } else if c == '#' {
            break;
        } else if c == '"' {
            chars.next();
            words.push(Word::Quoted(quoted(&mut chars)?));
        } else {
            let mut word = String::new();
            while let Some(&c) = chars.peek().filter(|c| !c.is_whitespace()) {
                chars.next();
                if c == '"' {
                    word.push_str(&String::from_utf8(quoted(&mut chars)?)?);
                } else {
                    word.push(c);
                }
            }
            words.push(Word::Bare(word));
        }
    }
    Ok(words)
}

fn quoted(chars: &mut impl Iterator<Item = char>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(out),
            '\\' => match chars.next().context("a backslash at the end")? {
                'r' => out.push(b'\r'),
                'n' => out.push(b'\n'),
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    out.push(u8::from_str_radix(&digits, 16).with_context(|| format!("\\x{digits}"))?);
                }
                c @ ('"' | '\\') => out.push(c as u8),
                c => bail!("\\{c} means nothing"),
            },
            c => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bail!("a quote that is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_begin_at_times_and_semicolons() {
        let script =
            script("c = 10.0.0.1:1 ; s = 10.0.0.2:4222\n+0 c > S +2ms s > SA # x\n=> open 1").unwrap();
        let starts: Vec<_> = script.steps.iter().map(|s| (s.after, s.words.len())).collect();
        assert_eq!(starts, [(0, 3), (0, 3), (0, 3), (2_000_000, 3)]);
        assert_eq!(script.expected[0].words, ["open", "1"]);
    }

    #[test]
    fn octets_are_quoted() {
        let all = words(r#"s > PA "INFO {\"a\":1}\r\n\x00" at=3"#).unwrap();
        assert_eq!(all[3], Word::Quoted(b"INFO {\"a\":1}\r\n\0".to_vec()));
        assert_eq!(all[4].bare(), Some("at=3"));
        assert_eq!(words("a~\"b c\"").unwrap(), [Word::Bare("a~b c".into())]);
        assert!(words("\"open").is_err());
    }

    #[test]
    fn nothing_expected_is_no_test() {
        assert!(script("c = 10.0.0.1:1").is_err());
    }
}
