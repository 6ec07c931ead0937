//! Sixteen octets of a text at a time: nearly every text has nothing to mask and nothing to escape.

/// Whether some octet of `text` is odd. The question must be one that compilers make of a few comparisons; a blank is never odd.
#[inline(always)]
pub(super) fn any(text: &[u8], odd: impl Fn(u8) -> bool) -> bool {
    let mut found = [0u8; 16];
    let mut look = |sixteen: &[u8; 16]| {
        for (found, &octet) in found.iter_mut().zip(sixteen) {
            *found |= u8::from(odd(octet));
        }
    };
    let (chunks, tail) = text.as_chunks::<16>();
    chunks.iter().for_each(&mut look);
    match text.last_chunk::<16>() {
        _ if tail.is_empty() => {}
        // Those before the tail are asked twice.
        Some(last) => look(last),
        None => {
            let mut last = [b' '; 16];
            if let Some(place) = last.get_mut(..tail.len()) {
                place.copy_from_slice(tail);
            }
            look(&last);
        }
    }
    u128::from_ne_bytes(found) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_looked_at() {
        for len in 0..70 {
            let plain = vec![b'a'; len];
            assert!(!any(&plain, |b| b == b'x'), "{len}");
            for place in 0..len {
                let mut text = plain.clone();
                text[place] = b'x';
                assert!(any(&text, |b| b == b'x'), "{place} of {len}");
            }
        }
    }
}
