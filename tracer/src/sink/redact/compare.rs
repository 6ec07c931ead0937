//! A comparison of two captures, disguised: nothing but addresses in it names anybody.
use super::{Veil, Words};
use crate::base::{Endpoint, PerSide};
use crate::pipeline::compare::{Comparison, Path};

/// The same with tokens for addresses, the same token for the same address throughout.
#[must_use]
pub fn redacted(found: &Comparison) -> Comparison {
    let mut veil = Veil::default();
    let mut out = found.clone();
    for path in &mut out.paths {
        veil.path(path);
    }
    out
}

impl Veil {
    fn path(&mut self, path: &mut Path) {
        for ends in [&mut path.at_client_side, &mut path.at_server_side].into_iter().flatten() {
            *ends = self.ends(*ends);
        }
        let addresses = path.rewritten.iter_mut().filter(|r| r.field == "address");
        let values = addresses.flat_map(|r| [&mut r.client_side, &mut r.server_side]);
        for text in values.chain([&mut path.summary, &mut path.advice]) {
            *text = self.text(text, &Words::new());
        }
        for icmp in &mut path.icmp {
            icmp.from = self.addr(icmp.from);
        }
    }

    fn ends(&mut self, ends: PerSide<Endpoint>) -> PerSide<Endpoint> {
        PerSide { client: self.endpoint(ends.client), server: self.endpoint(ends.server) }
    }
}
