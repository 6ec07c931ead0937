//! Lists in order of time, bounded.
use crate::base::{Span, Timestamp};
use std::collections::VecDeque;
use std::ops::Range;

/// Whether so many of these times, oldest first, lie in the span up to `at`.
pub(super) fn is_rush(times: &VecDeque<Timestamp>, at: Timestamp, (many, span): (usize, Span)) -> bool {
    let Some(&first) = times.len().checked_sub(many).and_then(|place| times.get(place)) else { return false };
    match times.back() {
        Some(&last) if last <= at => at - first <= span,
        _ => within(times, at, span) as usize >= many,
    }
}

/// How many of these times, oldest first, lie in the span up to `at`.
pub(super) fn within(times: &VecDeque<Timestamp>, at: Timestamp, span: Span) -> u32 {
    let (Some(&first), Some(&last)) = (times.front(), times.back()) else { return 0 };
    // Asked about now, all have been; in a rush the oldest that is kept lies within the span.
    let from = if at - first > span { times.partition_point(|&t| at - t > span) } else { 0 };
    let to = if last > at { times.partition_point(|&t| t <= at) } else { times.len() };
    u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX)
}

pub(super) fn near(a: Timestamp, b: Timestamp, within: Span) -> bool {
    (a - b).0.abs() <= within.0
}

pub(super) fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

pub(super) fn keep<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(item);
}

/// Keeps a list in order of time; nearly all comes in that order.
pub(super) fn keep_in_order<T>(list: &mut VecDeque<T>, item: T, most: usize, time: impl Fn(&T) -> Timestamp) {
    if list.len() >= most {
        list.pop_front();
    }
    let at = time(&item);
    if list.back().is_none_or(|last| time(last) <= at) {
        list.push_back(item);
    } else {
        list.insert(list.partition_point(|other| time(other) <= at), item);
    }
}

/// Which of a list in order of time lie that near to `at`.
pub(super) fn window<T>(
    list: &VecDeque<T>,
    time: impl Fn(&T) -> Timestamp,
    at: Timestamp,
    within: Span,
) -> Range<usize> {
    let from = list.partition_point(|item| time(item) < at - within);
    from..list.partition_point(|item| time(item) <= at + within).max(from)
}
