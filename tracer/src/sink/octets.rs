//! Sixteen octets of a text at a time: nearly every text has nothing to mask and nothing to escape.

/// Some octet can't stand in a JSON string as it is.
pub(super) const ESCAPED: u8 = 1;
/// Some octet may announce a secret.
pub(super) const TELLING: u8 = 1 << 1;
/// There is a colon, which may announce one, too: mostly it stands before a port.
pub(super) const COLON: u8 = 1 << 2;

/// Which of them hold for some octet.
pub(super) fn odd(text: &[u8]) -> u8 {
    let (chunks, _) = text.as_chunks::<16>();
    // The last sixteen, some of which may be looked at twice.
    let found = match text.last_chunk() {
        Some(last) => gathered(chunks, last),
        None => gathered(chunks, &filled_up(text)),
    };
    let found = u128::from_ne_bytes(found);
    let found = found as u64 | (found >> 64) as u64;
    let of = |class: u8| if found & (EACH as u64 * u64::from(class)) == 0 { 0 } else { class };
    of(ESCAPED) | of(TELLING) | of(COLON)
}

/// Whether one of the octets that may announce a secret does, by where it stands.
pub(super) fn any_telling(text: &[u8], mut does: impl FnMut(usize) -> bool) -> bool {
    let (chunks, tail) = text.as_chunks::<16>();
    let last = filled_up(tail);
    for (n, sixteen) in chunks.iter().chain([&last]).enumerate() {
        let mut found = u128::from_le_bytes(gathered(&[], sixteen)) & (EACH * u128::from(TELLING | COLON));
        while found != 0 {
            if does(n * 16 + found.trailing_zeros() as usize / 8) {
                return true;
            }
            found &= found - 1;
        }
    }
    false
}

/// The beginning of sixteen octets, blanks behind it.
fn filled_up(tail: &[u8]) -> [u8; 16] {
    let mut last = [b' '; 16];
    if let Some(place) = last.get_mut(..tail.len()) {
        place.copy_from_slice(tail);
    }
    last
}

/// The lowest bit of each octet.
const EACH: u128 = u128::MAX / 255;

/// The classes that the octets at each place of the sixteens have together. On its own and without branches, compilers make a few
/// comparisons of sixteen octets of it.
#[inline(never)]
fn gathered(chunks: &[[u8; 16]], last: &[u8; 16]) -> [u8; 16] {
    let mut found = classes(last);
    for sixteen in chunks {
        for (all, one) in found.iter_mut().zip(classes(sixteen)) {
            *all |= one;
        }
    }
    found
}

#[inline(always)]
fn classes(sixteen: &[u8; 16]) -> [u8; 16] {
    sixteen.map(|octet| {
        let escaped = (octet < 0x20) | (octet == b'"') | (octet == b'\\') | (octet == 0x7f);
        let telling = (octet == b'@') | (octet == b'J') | (octet == b'=');
        u8::from(escaped) | u8::from(telling) << 1 | u8::from(octet == b':') << 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_looked_at() {
        for len in 0..70 {
            let plain = vec![b'a'; len];
            assert_eq!(odd(&plain), 0, "{len}");
            for place in 0..len {
                for (octet, class) in
                    [(b'\n', ESCAPED), (0x7f, ESCAPED), (b'"', ESCAPED), (b':', COLON), (b'=', TELLING)]
                {
                    let mut text = plain.clone();
                    text[place] = octet;
                    assert_eq!(odd(&text), class, "{place} of {len}");
                }
            }
        }
        assert_eq!(odd(b"\\J\xc3\xa9"), ESCAPED | TELLING);
        let text = b"n1 (10.0.0.5:4222) = eyJ, user:me@10.0.0.9: that is all";
        let places: Vec<usize> = (0..text.len()).filter(|&place| b":@J=".contains(&text[place])).collect();
        let mut told = Vec::new();
        assert!(!any_telling(text, |place| {
            told.push(place);
            false
        }));
        assert_eq!(told, places);
        assert!(any_telling(text, |place| place > 30) && !any_telling(b"plain", |_| true));
    }
}
