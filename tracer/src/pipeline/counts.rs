//! How many closes there were: by how, by whom, by why, and of which clients.
use crate::base::Addr;
use crate::event::{Kind, Party, Summary};
use ecow::EcoString;
use hashbrown::{Equivalent, HashMap};

/// Clients whose closes are counted.
const CLIENTS_MAX: usize = 10_000;

/// Address and name of a client.
#[derive(Clone, Copy, Hash)]
pub(super) struct Client<'a>(pub Addr, pub &'a str);

impl Equivalent<(Addr, EcoString)> for Client<'_> {
    fn equivalent(&self, (addr, name): &(Addr, EcoString)) -> bool {
        self.0 == *addr && self.1 == name
    }
}

/// The counts of a run.
#[derive(Default)]
pub(super) struct Counts {
    closed: u64,
    kinds: [u64; Kind::ALL.len()],
    sides: [u64; Party::ALL.len()],
    /// Few, each met again and again.
    causes: Vec<(&'static str, u64)>,
    clients: HashMap<(Addr, EcoString), u64, foldhash::fast::RandomState>,
}

impl Counts {
    /// One more close.
    pub fn add(&mut self, client: Client<'_>, kind: Kind, side: Party, code: &'static str) {
        self.closed += 1;
        add(self.kinds.get_mut(kind as usize));
        add(self.sides.get_mut(side as usize));
        match self.causes.iter_mut().find(|cause| cause.0 == code) {
            Some(known) => known.1 += 1,
            None => self.causes.push((code, 1)),
        }
        if let Some(count) = self.clients.get_mut(&client) {
            *count += 1;
        } else if self.clients.len() < CLIENTS_MAX {
            self.clients.insert((client.0, client.1.into()), 1);
        }
    }

    /// Adds them to a summary.
    pub fn tell(&self, summary: &mut Summary) {
        summary.closed = self.closed;
        let kinds = Kind::ALL.iter().map(|kind| kind.name()).zip(self.kinds);
        let sides = Party::ALL.iter().map(|side| side.name()).zip(self.sides);
        summary.kinds = kinds.filter(|(_, count)| *count > 0).collect();
        summary.sides = sides.filter(|(_, count)| *count > 0).collect();
        summary.causes = self.causes.iter().copied().collect();
        summary.clients = busiest(self.clients.iter());
    }
}

fn add(count: Option<&mut u64>) {
    if let Some(count) = count {
        *count += 1;
    }
}

/// The ten with most closes, most first.
fn busiest<'a>(closes: impl Iterator<Item = (&'a (Addr, EcoString), &'a u64)>) -> Vec<(String, u64)> {
    let label =
        |addr: &Addr, name: &str| if name.is_empty() { addr.to_string() } else { format!("{addr} {name}") };
    let mut clients: Vec<(String, u64)> = closes.map(|((addr, name), n)| (label(addr, name), *n)).collect();
    clients.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    clients.truncate(10);
    clients
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_by_what_it_was() {
        let (mut counts, mut summary) = (Counts::default(), Summary::default());
        let a = Addr::v4([10, 0, 0, 1]);
        for (name, kind, code) in
            [("a", Kind::Fin, "x"), ("b", Kind::Rst, "y"), ("a", Kind::Fin, "x"), ("", Kind::Rst, "x")]
        {
            counts.add(Client(a, name), kind, Party::Client, code);
        }
        counts.tell(&mut summary);
        assert_eq!(summary.closed, 4);
        assert_eq!(summary.kinds.into_iter().collect::<Vec<_>>(), [("fin", 2), ("rst", 2)]);
        assert_eq!(summary.sides.into_iter().collect::<Vec<_>>(), [("client", 4)]);
        assert_eq!(summary.causes.into_iter().collect::<Vec<_>>(), [("x", 3), ("y", 1)]);
        let clients = [("10.0.0.1 a", 2), ("10.0.0.1", 1), ("10.0.0.1 b", 1)];
        assert_eq!(summary.clients, clients.map(|(label, n)| (label.to_owned(), n)));
    }

    #[test]
    fn clients_without_end_take_no_memory_without_end() {
        let mut counts = Counts::default();
        for n in 0..2 * CLIENTS_MAX as u32 {
            counts.add(Client(Addr::v4(n.to_be_bytes()), "a"), Kind::Fin, Party::Client, "x");
        }
        assert_eq!((counts.clients.len(), counts.closed), (CLIENTS_MAX, 2 * CLIENTS_MAX as u64));
    }
}
