//! What is true of a capture: how it was made and which closes are in it. Written by the lab from what was done to the
//! connections, never from what natstrace says; kept as JSON beside the captures.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// One scenario's truth, for all its captures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Truth {
    /// Name, also of the files.
    pub scenario: String,
    /// What happens, one sentence.
    pub what: String,
    /// How it was made.
    pub made: Made,
    /// Extra options for natstrace, as its port or idle timeout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// By vantage (`client`, `router`, `server`, …).
    pub vantages: BTreeMap<String, Vantage>,
}

/// How a capture was made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Made {
    /// Servers with their version.
    pub servers: Vec<String>,
    /// Clients with their library.
    pub clients: Vec<String>,
    /// What was done to them, in order.
    pub faults: Vec<String>,
    /// What else says that it worked: lines of the server's log, words of the clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmed: Vec<String>,
}

/// What one capture holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Vantage {
    /// The file, beside the truth.
    pub capture: String,
    /// Connections still open at the end, where that is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<u64>,
    /// Every close that is to be told; one that isn't here is an error.
    pub closes: Vec<Expected>,
}

/// One expected close. Lists hold every value that is right as far as this vantage can show.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Expected {
    /// Which connections are meant.
    pub who: Who,
    /// Fewest and most of them.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: [u64; 2],
    /// `close.kind`.
    pub kind: Vec<String>,
    /// `close.side`.
    pub side: Vec<String>,
    /// `cause.code`.
    pub cause: Vec<String>,
    /// Why several are right, or why this vantage can't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// `reconnect.outcome`, where it is certain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reconnect: Vec<String>,
}

/// Finds a connection in the output; what is left out fits all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Who {
    /// CONNECT's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The client's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `handshake`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<String>,
}

fn once() -> [u64; 2] {
    [1, 1]
}

fn is_once(times: &[u64; 2]) -> bool {
    *times == once()
}

fn words(alternatives: &str) -> Vec<String> {
    alternatives.split('|').map(str::to_owned).collect()
}

/// The connection whose CONNECT has this name.
#[must_use]
pub fn name(name: &str) -> Who {
    Who { name: Some(name.to_owned()), ..Who::default() }
}

/// The connection from this port.
#[must_use]
pub fn port(port: u16) -> Who {
    Who { port: Some(port), ..Who::default() }
}

/// Connections from this address.
#[must_use]
pub fn from(address: &str) -> Who {
    Who { address: Some(address.to_owned()), ..Who::default() }
}

impl Who {
    /// Only those whose handshake went so.
    #[must_use]
    pub fn handshake(mut self, word: &str) -> Self {
        self.handshake = Some(word.to_owned());
        self
    }

    /// `orders`, `:41000`, `10.77.1.2 refused`.
    #[must_use]
    pub fn label(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.name.clone());
        parts.extend(self.address.clone());
        parts.extend(self.port.map(|p| format!(":{p}")));
        parts.extend(self.handshake.clone());
        parts.join(" ")
    }
}

impl Expected {
    /// A close; alternatives are separated by `|`.
    #[must_use]
    pub fn new(who: Who, kind: &str, side: &str, cause: &str) -> Self {
        Self {
            who,
            times: once(),
            kind: words(kind),
            side: words(side),
            cause: words(cause),
            note: None,
            reconnect: vec![],
        }
    }

    /// Says why several are right, or why this vantage can't tell.
    #[must_use]
    pub fn because(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    /// Not just one.
    #[must_use]
    pub fn times(mut self, least: u64, most: u64) -> Self {
        self.times = [least, most];
        self
    }

    /// What became of the client.
    #[must_use]
    pub fn then(mut self, outcome: &str) -> Self {
        self.reconnect = words(outcome);
        self
    }
}

impl Truth {
    /// Reads a truth file.
    ///
    /// # Errors
    /// Where it can't be read or isn't a truth.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
    }

    /// Writes `<scenario>.json` in `folder`.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(std::fs::write(folder.join(format!("{}.json", self.scenario)), text)?)
    }
}
