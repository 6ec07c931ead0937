//! What one observer is to say of one close.
use crate::truth::Expected;
use serde_json::Value;

/// A process that owns an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: u32,
    /// The kernel's comm.
    pub name: String,
}

impl Owner {
    /// A process that lives now.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Self { pid, name: name.trim_end().to_owned() }
    }
}

/// One evidence must hold all these words.
#[derive(Clone, Debug)]
pub struct Says {
    /// Its source is one of these.
    pub source: Vec<String>,
    /// What its text holds.
    pub words: Vec<String>,
}

/// One close as it is to be told.
#[derive(Clone, Debug)]
pub struct Want {
    /// Which, how often, kind, side, cause.
    pub expected: Expected,
    /// The client's process, where it is certain.
    pub client: Option<Owner>,
    /// Nobody owns the server's end: the process list must not name one.
    pub no_server: bool,
    /// Evidence.
    pub says: Vec<Says>,
}

impl Want {
    /// A close of the connection or attempts `who`.
    #[must_use]
    pub const fn new(expected: Expected) -> Self {
        Self { expected, client: None, no_server: false, says: Vec::new() }
    }

    /// Its client is this process.
    #[must_use]
    pub fn by(mut self, owner: &Owner) -> Self {
        self.client = Some(owner.clone());
        self
    }

    /// No process has the server's end.
    #[must_use]
    pub const fn nobody_listens(mut self) -> Self {
        self.no_server = true;
        self
    }

    /// An evidence from `source` (alternatives apart by `|`) that holds these words.
    #[must_use]
    pub fn says(mut self, source: &str, words: &[&str]) -> Self {
        let source = source.split('|').map(str::to_owned).collect();
        self.says.push(Says { source, words: words.iter().map(|w| (*w).to_owned()).collect() });
        self
    }

    /// Not just one.
    #[must_use]
    pub fn times(mut self, least: u64, most: u64) -> Self {
        self.expected = self.expected.times(least, most);
        self
    }

    /// `fin server server_shutdown|server_crashed`.
    #[must_use]
    pub fn label(&self) -> String {
        let e = &self.expected;
        [&e.kind, &e.side, &e.cause].map(|words| words.join("|")).join(" ")
    }
}

impl Says {
    /// Whether a close has it.
    #[must_use]
    pub fn is_in(&self, close: &Value) -> bool {
        evidence(close).any(|(source, text)| {
            self.source.iter().any(|s| s == source) && self.words.iter().all(|word| text.contains(word))
        })
    }
}

/// Source and text of each evidence.
pub fn evidence(close: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = close.pointer("/cause/evidence").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|e| Some((e.get("source")?.as_str()?, e.get("text")?.as_str()?)))
}
