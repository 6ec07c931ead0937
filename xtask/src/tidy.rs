//! `cargo xtask tidy`: what the compiler doesn't hold: floors, purity below the edges, file headers, the list of causes.
use crate::sh;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};

/// The floors of `tracer/src`, lowest first. A module imports only from lower floors, never from its own or higher.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["wire", "nats", "kernel"],
    &["event"],
    &["track"],
    &["cause"],
    &["pipeline"],
    &["source", "sink"],
    &["cli"],
    &["app"],
];
/// The first floor that may touch the world.
const EDGE: usize = 6;
/// What is not for the floors below: files, sockets, threads, clocks.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::thread",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
];

/// Checks the source; prints every finding.
pub fn run() -> Result<()> {
    let root = sh::root();
    let mut findings = Vec::new();
    for folder in ["tracer", "tracer-ebpf", "xtask", "tests"] {
        for file in sources(&root.join(folder)) {
            let text = std::fs::read_to_string(&file)?;
            let shown = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            findings.extend(header(&text).into_iter().map(|f| format!("{shown}:1: {f}")));
            if let Some(module) = module(&root, &file) {
                findings.extend(floors(&module, &text).into_iter().map(|f| format!("{shown}:{f}")));
            }
        }
    }
    findings.extend(causes(&root.join("tracer/src/cause"))?);
    for finding in &findings {
        eprintln!("{finding}");
    }
    ensure!(findings.is_empty(), "tidy: {} findings", findings.len());
    Ok(())
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()) {
        if path.is_dir() && !path.ends_with("target") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Every file says on top what it is.
fn header(text: &str) -> Option<String> {
    (!text.starts_with("//!"))
        .then(|| "no `//!` header: what is this file, what must it not know?".to_owned())
}

/// `track::window` for `tracer/src/track/window.rs`, as its parts.
fn module(root: &Path, file: &Path) -> Option<Vec<String>> {
    let inner = file.strip_prefix(root.join("tracer/src")).ok()?.with_extension("");
    let mut parts: Vec<_> = inner.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    Some(parts)
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|names| names.contains(&module))
}

/// Imports that go up or sideways, and the world below the edge. Tests may do as they like.
fn floors(module: &[String], text: &str) -> Vec<String> {
    let Some(own) = module.first() else { return vec![] };
    let Some(level) = floor(own) else { return vec![] };
    let mut findings = Vec::new();
    for (number, line) in statements(text) {
        if line.trim_start().starts_with("#[cfg(test)]") && !text.lines().nth(number + 1).is_some_and(is_item)
        {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        for used in imports(module, code) {
            let higher = floor(&used).is_some_and(|other| used != *own && other >= level);
            if higher {
                findings.push(format!("{}: {own} (F{level}) may not use {used}", number + 1));
            }
        }
        for word in IMPURE.iter().filter(|_| level < EDGE).filter(|word| code.contains(**word)) {
            findings.push(format!("{}: {own} (F{level}) is pure: no {word}", number + 1));
        }
    }
    findings
}

/// Lines with their numbers; an import that spans lines is one.
fn statements(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut import): (Vec<(usize, String)>, bool) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        match found.last_mut().filter(|_| import) {
            Some((_, open)) => open.push_str(line.trim()),
            None => found.push((number, line.to_owned())),
        }
        let starts = line.trim_start().trim_start_matches("pub ").starts_with("use ");
        import = (import || starts) && !line.contains(';');
    }
    found
}

/// A `#[cfg(test)]` on a field, an import or a submodule in its own file doesn't end the checked part.
fn is_item(next: &str) -> bool {
    !next.trim_start().starts_with("mod ") || next.trim_end().ends_with(';')
}

/// Top-level modules that a line names by `crate::X`, `crate::{X, Y}` or enough `super::`.
fn imports(module: &[String], code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for part in code.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(list) => found.extend(top_level(list).into_iter().map(|item| word(item.trim()))),
            None => found.push(word(part)),
        }
    }
    // `super::` once a level reaches the module's own top; once more, its neighbours.
    let up = "super::".repeat(module.len());
    for part in code.split(&up).skip(1).filter(|_| !up.is_empty()) {
        found.push(word(part.trim_start_matches("super::")));
    }
    found
}

/// The items of a brace list, not those of inner lists.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&list[start..at]);
                return items;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&list[start..]);
    items
}

/// Every file that holds a rule is named by the list of causes.
fn causes(folder: &Path) -> Result<Vec<String>> {
    let listed: String = sources(folder)
        .iter()
        .filter(|f| f.file_stem().is_some_and(|s| s == "mod" || s == "list" || s == "registry"))
        .map(std::fs::read_to_string)
        .collect::<std::io::Result<_>>()?;
    let mut findings = Vec::new();
    for file in sources(folder) {
        let (text, stem) =
            (std::fs::read_to_string(&file)?, file.file_stem().unwrap_or_default().to_string_lossy());
        let rule = text.lines().any(|l| l.starts_with("pub") && l.contains(": Rule = "));
        let named = listed.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == stem);
        if rule && !named {
            findings.push(format!("tracer/src/cause/{stem}.rs: its rule is not in the list of causes"));
        }
        if rule && !text.contains("cases:") {
            findings.push(format!("tracer/src/cause/{stem}.rs: a rule without cases"));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Vec<String> {
        path.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn lower_floors_may_be_used() {
        assert!(
            floors(&module("track::window"), "use crate::base::Seq;\nuse crate::{wire, event::Facts};")
                .is_empty()
        );
        assert!(floors(&module("track::window"), "use super::session;\nuse crate::track::table;").is_empty());
    }

    #[test]
    fn up_and_sideways_are_found() {
        assert_eq!(floors(&module("track::window"), "use crate::cause::Rule;").len(), 1);
        assert_eq!(floors(&module("wire::tcp"), "use crate::nats::Op;").len(), 1);
        assert_eq!(floors(&module("base"), "use crate::{base, sink::{json, text}, app};").len(), 2);
        assert_eq!(floors(&module("base"), "use crate::{\n    base,\n    sink::{json, text},\n};").len(), 1);
        assert_eq!(floors(&module("track::window"), "use super::super::cause;").len(), 1);
    }

    #[test]
    fn the_world_begins_at_the_edge() {
        assert_eq!(floors(&module("pipeline"), "let t = std::time::Instant::now();").len(), 2);
        assert!(floors(&module("source::files"), "use std::fs::File;").is_empty());
        assert!(floors(&module("cause"), "// std::fs is not for us").is_empty());
    }

    #[test]
    fn tests_are_free() {
        let text = "use crate::base;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert!(floors(&module("track"), text).is_empty());
    }

    #[test]
    fn headers_are_wanted() {
        assert!(header("//! It is.\n").is_none());
        assert!(header("use std::fs;\n").is_some());
    }
}
