//! The summary: what happened, counted.
use super::words::{count, grouped, size};
use super::wrap::Page;
use super::{BOLD, Look, Style, plain};
use crate::base::Span;
use crate::event::Summary;
use anstyle::AnsiColor;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Clients that are listed.
const CLIENTS: usize = 5;

pub(super) fn summary(page: &mut Page, counts: &Summary, look: Look) {
    let head = format!(
        "{} on {} ({} still open), {} ({}) read in {}",
        count(counts.closed, "close"),
        count(counts.seen, "connection"),
        grouped(counts.open),
        count(counts.packets, "packet"),
        size(counts.bytes),
        Span::millis(i64::try_from(counts.elapsed_ms).unwrap_or(i64::MAX)),
    );
    page.paragraph(2, &[(BOLD, "Summary:".to_owned())], &[plain(head)]);
    let warning = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
    if counts.capture_lost_packets > 0 {
        let lost = count(counts.capture_lost_packets, "packet");
        page.paragraph(
            2,
            &[],
            &[(warning, format!("The capture lost {lost}: verdicts are less sure for it."))],
        );
    }
    if counts.evicted > 0 {
        let evicted = count(counts.evicted, "connection");
        let text = format!("{evicted} forgotten for want of room; --max-connections gives more.");
        page.paragraph(2, &[], &[(warning, text)]);
    }
    if counts.seen == 0 && counts.packets > 0 {
        let text = "No connection on the server ports was seen; --port names others (all for every port).";
        page.paragraph(2, &[], &[(warning, text.to_owned())]);
    }
    if counts.closed == 0 {
        return;
    }
    page.out.push_str(&table(counts, look));
    let worst = most_first(counts.causes.iter()).into_iter().find(|(code, _)| *code != "client_closed");
    if let Some((code, _)) = worst {
        page.paragraph(
            2,
            &[],
            &[plain(format!("What a cause means and what to do: natstrace explain {code}"))],
        );
    }
}

fn most_first<'a>(counts: impl Iterator<Item = (&'a &'static str, &'a u64)>) -> Vec<(&'static str, u64)> {
    let mut list: Vec<_> = counts.map(|(word, n)| (*word, *n)).collect();
    list.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    list
}

fn table(counts: &Summary, look: Look) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(look.width - 1).unwrap_or(u16::MAX));
    table.set_header(["closes by", "", "closes", "share"]);
    let clients = counts.clients.iter().take(CLIENTS).map(|(label, n)| (clean(label), *n)).collect();
    let groups =
        [("cause", &counts.causes), ("kind", &counts.kinds), ("side", &counts.sides)].map(|(name, map)| {
            (name, most_first(map.iter()).into_iter().map(|(word, n)| (word.to_owned(), n)).collect())
        });
    for (name, list) in groups.into_iter().chain([("client", clients)]) {
        group(&mut table, name, list, counts.closed);
    }
    for right in [2, 3] {
        if let Some(column) = table.column_mut(right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string().lines().fold(String::new(), |page, line| page + " " + line.trim_end() + "\n")
}

/// One row: its lines are the members, so that the table rules between groups only.
fn group(table: &mut Table, name: &str, list: Vec<(String, u64)>, all: u64) {
    if list.is_empty() {
        return;
    }
    let column =
        |cell: &dyn Fn(&(String, u64)) -> String| list.iter().map(cell).collect::<Vec<_>>().join("\n");
    let share = |n: u64| format!("{:.0} %", n as f64 * 100.0 / all.max(1) as f64);
    table.add_row([
        name.to_owned(),
        column(&|(label, _)| label.clone()),
        column(&|(_, n)| grouped(*n)),
        column(&|(_, n)| share(*n)),
    ]);
}

fn clean(label: &str) -> String {
    super::wrap::clean(&super::mask(label))
}
