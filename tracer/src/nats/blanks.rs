//! Where the words of a line end. Its octets are looked at thirty-two at a time: what is no more than a space is marked by a bit,
//! and the ends of all words are then known by counting zeros.
use wide::u8x16;

/// Octets looked at at once.
const WIDTH: usize = 32;

/// A bit for each octet that is a space or a control character, the first octet's lowest.
#[inline(always)]
fn marks(octets: &[u8; WIDTH]) -> u32 {
    let half = |octets: Option<&[u8; 16]>| {
        let half = octets.map_or(u8x16::splat(0), |octets| u8x16::new(*octets));
        half.min(u8x16::splat(b' ')).cmp_eq(half).move_mask() as u32
    };
    half(octets.first_chunk()) | half(octets.last_chunk()) << 16
}

/// What ends a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// A space; another word may follow.
    Space,
    /// CRLF, behind which this is the next octet.
    Line(usize),
}

/// The words of one line of a stretch of octets: one space between them, CRLF behind the last.
pub(super) struct Words<'a> {
    bytes: &'a [u8],
    /// Where the next word begins.
    at: usize,
    /// Marks of the octets from `base`, without those of words that were taken.
    marks: u32,
    base: usize,
}

impl<'a> Words<'a> {
    /// Those behind a verb of so many octets and its space. `None` where too few octets follow to look at all of them at once.
    #[inline(always)]
    pub fn behind(bytes: &'a [u8], verb: usize) -> Option<Self> {
        let marks = marks(bytes.first_chunk()?) & (u32::MAX << verb << 1);
        Some(Self { bytes, at: verb + 1, marks, base: 0 })
    }

    /// Where the next word begins and ends, and by what; `None` if it is empty, or the line is not plain or goes on to where too
    /// little follows.
    #[inline(always)]
    pub fn next(&mut self) -> Option<(usize, usize, End)> {
        if self.marks == 0 {
            (self.base, self.marks) = look_on(self.bytes, self.base)?;
        }
        let (from, to) = (self.at, self.base + self.marks.trailing_zeros() as usize);
        self.marks &= self.marks.wrapping_sub(1);
        let end = match *self.bytes.get(to..)? {
            [b' ', ..] => {
                self.at = to + 1;
                End::Space
            }
            [b'\r', b'\n', ..] => End::Line(to + 2),
            _ => return None,
        };
        (from < to).then_some((from, to, end))
    }
}

/// The next octets that hold a mark, behind those from `base`: where they begin, and theirs.
#[inline(never)]
fn look_on(bytes: &[u8], mut base: usize) -> Option<(usize, u32)> {
    loop {
        base += WIDTH;
        let marks = marks(bytes.get(base..)?.first_chunk()?);
        if marks != 0 {
            return Some((base, marks));
        }
    }
}

/// A number of at most eight digits that stands there, its digits multiplied together in a register; `None` for longer ones, and
/// where too little stands before it.
#[inline(always)]
pub(super) fn number(bytes: &[u8], from: usize, to: usize) -> Option<u64> {
    let eight = u64::from_le_bytes(*bytes.get(..to)?.last_chunk::<8>()?);
    let digits = to.wrapping_sub(from);
    if digits.wrapping_sub(1) >= 8 {
        return None;
    }
    // Only those of the number, each as its value; what stands before it counts as zeros.
    let d = (eight ^ 0x3030_3030_3030_3030) & (u64::MAX << (64 - 8 * digits as u32));
    if (d.wrapping_add(0x7676_7676_7676_7676) | d) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (d.wrapping_mul(10).wrapping_add(d >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_blank_is_marked(octets in any::<[u8; WIDTH]>()) {
            let one_by_one = octets.iter().enumerate().map(|(at, &octet)| u32::from(octet <= b' ') << at);
            prop_assert_eq!(marks(&octets), one_by_one.sum::<u32>());
        }

        #[test]
        fn digits_are_a_number(before in "[ -~]{8}", digits in "([0-9]{1,10}|[ -~]{1,8}|[\u{0}-\u{ff}]{0,4})") {
            let text = format!("{before}{digits}");
            let told = number(text.as_bytes(), before.len(), text.len());
            let fits = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            prop_assert_eq!(told, if fits { digits.parse().ok() } else { None });
        }
    }

    #[test]
    fn words_of_a_long_line() {
        let line = b"PUB a.subject.that.is.longer.than.what.is.looked.at _INBOX.1 77\r\nand what is behind it, as long as that";
        let mut words = Words::behind(line, 3)
            .into_iter()
            .flat_map(|mut words| [words.next(), words.next(), words.next()]);
        let mut text = || words.next().flatten().map(|(from, to, end)| (line.get(from..to), end));
        assert_eq!(text(), Some((line.get(4..51), End::Space)));
        assert_eq!(text(), Some((Some(&b"_INBOX.1"[..]), End::Space)));
        assert_eq!(text(), Some((Some(&b"77"[..]), End::Line(65))));
    }
}
