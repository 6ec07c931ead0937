//! Reads all packet filters of this thread's network namespace with the tools that are there.
use super::command::output;
use super::{ReadError, Readable};
use crate::base::Timestamp;
use crate::kernel::ruleset::{Family, Ruleset, Tool};
use crate::source::wall;

/// The rule sets at one time.
pub(super) struct Listing {
    pub rules: Ruleset,
    pub readable: Readable,
    /// When the last tool had ended: what the counters say is not newer.
    pub ended: Timestamp,
}

/// Names of one IP version's iptables.
struct Iptables {
    family: Family,
    /// Lists what iptables-nft made.
    nft: &'static str,
    /// Lists the legacy tables.
    legacy: &'static str,
    /// One of the two; its first line says which.
    either: &'static str,
    tools: [Tool; 2],
    /// Names of the legacy tables that are in use: reading it makes none, as asking for a table would.
    names: &'static str,
}

const IPTABLES: [Iptables; 2] = [
    Iptables {
        family: Family::Ip,
        nft: "iptables-nft-save",
        legacy: "iptables-legacy-save",
        either: "iptables-save",
        tools: [Tool::Iptables, Tool::IptablesLegacy],
        names: "/proc/thread-self/net/ip_tables_names",
    },
    Iptables {
        family: Family::Ip6,
        nft: "ip6tables-nft-save",
        legacy: "ip6tables-legacy-save",
        either: "ip6tables-save",
        tools: [Tool::Ip6tables, Tool::Ip6tablesLegacy],
        names: "/proc/thread-self/net/ip6_tables_names",
    },
];

/// Runs the tools. What can't be read is told in `readable`; the rest is there.
pub(super) fn read() -> Listing {
    let mut rules = Ruleset::new();
    let nft = read_nft(&mut rules);
    let mut iptables = Ok(());
    for version in &IPTABLES {
        // nft lists the tables of iptables-nft too: without any of this family there is nothing to ask for.
        let some = nft.is_err() || rules.has_family(version.family);
        let read = read_iptables(&mut rules, version, some);
        iptables = iptables.and(read);
    }
    Listing { rules, readable: Readable { nft, iptables }, ended: wall() }
}

fn read_nft(rules: &mut Ruleset) -> Result<(), ReadError> {
    let json = output("nft", &["-j", "list", "ruleset"])?;
    // Handles and words without counters; a rule whose words fail to come is named by its handle.
    let text = output("nft", &["-a", "-s", "list", "ruleset"]).unwrap_or_default();
    rules
        .add_nft(&json, &String::from_utf8_lossy(&text))
        .map_err(|error| ReadError::Failed { program: "nft", why: error.to_string() })
}

fn read_iptables(rules: &mut Ruleset, version: &Iptables, nft_backed: bool) -> Result<(), ReadError> {
    // Without the file the kernel has no legacy tables; where it may not be read, the tool says so.
    let legacy = match std::fs::read(version.names) {
        Ok(names) => !names.is_empty(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    let [nft_tool, legacy_tool] = version.tools;
    let mut read = Ok(());
    let mut missing = false;
    for (wanted, program, tool) in
        [(nft_backed, version.nft, nft_tool), (legacy, version.legacy, legacy_tool)]
    {
        if !wanted {
            continue;
        }
        match output(program, &["-c"]) {
            Ok(text) => read = read.and(add(rules, &text, tool, program)),
            Err(ReadError::Missing { .. }) => missing = true,
            Err(error) => read = read.and(Err(error)),
        }
    }
    if missing {
        match output(version.either, &["-c"]) {
            Ok(text) => {
                let is_nft =
                    String::from_utf8_lossy(&text).lines().next().is_some_and(|l| l.contains("(nf_tables)"));
                let tool = if is_nft { nft_tool } else { legacy_tool };
                read = read.and(add(rules, &text, tool, version.either));
            }
            // No iptables at all is nothing to complain of where the kernel has no tables of it.
            Err(ReadError::Missing { .. }) if !legacy => {}
            Err(error) => read = read.and(Err(error)),
        }
    }
    read
}

fn add(rules: &mut Ruleset, text: &[u8], tool: Tool, program: &'static str) -> Result<(), ReadError> {
    rules
        .add_iptables(&String::from_utf8_lossy(text), tool)
        .map_err(|error| ReadError::Failed { program, why: error.to_string() })
}
