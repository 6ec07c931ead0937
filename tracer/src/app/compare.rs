//! `natstrace compare`: two captures read to their end, compared, written.
use super::{Failure, say};
use crate::base::PortSet;
use crate::cli::{ColorChoice, Format, Surroundings};
use crate::pipeline::compare::{Recording, compare};
use crate::sink::{Look, compare_json, compare_text, redacted};
use crate::source::FileSource;
use std::io::Write;
use std::path::Path;

/// How a comparison is written.
pub struct Writing {
    /// Text or JSON.
    pub format: Format,
    /// Colours in text.
    pub color: ColorChoice,
    /// Addresses leave as tokens.
    pub redact: bool,
}

/// Compares the capture at the client's side with that at the server's side.
pub fn run(
    sides: [&Path; 2],
    ports: &PortSet,
    writing: &Writing,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if sides == [Path::new("-"); 2] {
        return Err(Failure::Usage("standard input can be one of the two captures only".to_owned()));
    }
    let mut sources = Vec::with_capacity(2);
    for (capture, path) in (0u32..).zip(sides) {
        sources.push(FileSource::open(path, capture).map_err(|e| Failure::Run(e.to_string()))?);
    }
    let mut damage = Vec::new();
    let mut recordings = sources.iter_mut().map(|source| read(source, ports, &mut damage));
    let (client_side, server_side) = (recordings.next(), recordings.next());
    let Some((client_side, server_side)) = client_side.zip(server_side) else { return Ok(()) };
    let found = compare(client_side, server_side);
    let found = if writing.redact { redacted(&found) } else { found };
    match writing.format {
        Format::Json => {
            compare_json(out, &found)?;
            // Text tells them to whoever reads it.
            found.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        }
        Format::Text => compare_text(out, &found, look(writing.color))?,
    }
    match damage.is_empty() {
        true => Ok(()),
        false => Err(Failure::Run(damage.join("\nnatstrace: "))),
    }
}

/// A capture to its end, or to where it is damaged.
fn read(source: &mut FileSource, ports: &PortSet, damage: &mut Vec<String>) -> Recording {
    let mut recording = Recording::new(ports.clone());
    loop {
        match source.next() {
            Ok(Some(frame)) => recording.handle_frame(&frame),
            Ok(None) => break,
            Err(error) => damage.push(error.to_string()),
        }
    }
    recording.handle_lost(source.lost_frames());
    recording
}

fn look(color: ColorChoice) -> Look {
    let around = Surroundings::of_process();
    let color = match color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => around.terminal && !around.no_color,
    };
    Look { width: around.columns.unwrap_or(100), color }
}
