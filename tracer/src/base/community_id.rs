//! Community ID v1 flow hash (Corelight's specification), as other tools print it.
use super::{Addr, Endpoint};
use sha1::block_api::compress;

/// `1:` and the base64 SHA-1 of seed 0, the ordered endpoints and protocol 6 (TCP): ASCII.
#[must_use]
pub fn community_id(a: Endpoint, b: Endpoint) -> [u8; 30] {
    if let (Some(a), Some(b)) = (v4(a), v4(b)) {
        let ([_, _, a, b, c, d, p, q], [_, _, e, f, g, h, r, s]) =
            (a.min(b).to_be_bytes(), a.max(b).to_be_bytes());
        return hashed(&[0, 0, a, b, c, d, e, f, g, h, 6, 0, p, q, r, s]);
    }
    let (room_a, room_b) = (&mut [0; 18], &mut [0; 18]);
    let (a, b) = (octets(a, room_a), octets(b, room_b));
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let (low, low_port) = low.split_at(low.len() - 2);
    let (high, high_port) = high.split_at(high.len() - 2);
    // Together, since a hash of forty octets costs less than six updates of it.
    let mut all = [0; 40];
    let mut len = 0;
    for part in [&[0, 0], low, high, &[6, 0], low_port, high_port] {
        if let Some(place) = all.get_mut(len..len + part.len()) {
            place.copy_from_slice(part);
            len += part.len();
        }
    }
    hashed(all.get(..len).unwrap_or_default())
}

/// Address and port as one number, where it is IPv4: it orders as its octets do.
fn v4(end: Endpoint) -> Option<u64> {
    let Addr([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]) = end.addr else { return None };
    let [p, q] = end.port.to_be_bytes();
    Some(u64::from_be_bytes([0, 0, a, b, c, d, p, q]))
}

/// The state that SHA-1 begins with (FIPS 180-4, 5.3.1).
const BEGIN: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// Of at most forty octets: with what SHA-1 puts behind them (a bit, noughts, their number in bits) they are one block.
fn hashed(octets: &[u8]) -> [u8; 30] {
    let mut block = [0; 64];
    if let Some((place, [bit, ..])) = block.split_at_mut_checked(octets.len()) {
        place.copy_from_slice(octets);
        *bit = 0x80;
    }
    block[64 - 8..].copy_from_slice(&(8 * octets.len() as u64).to_be_bytes());
    let mut state = BEGIN;
    compress(&mut state, &[block]);
    in_base64(state)
}

/// Three octets in four letters (RFC 4648, 4); of the last three one is none.
fn in_base64(hash: [u32; 5]) -> [u8; 30] {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut octets = [0; 21];
    for (place, word) in octets.chunks_exact_mut(4).zip(hash) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    let mut id = *b"1:............................";
    let [_, _, room @ ..] = &mut id;
    for (place, &[a, b, c]) in room.chunks_exact_mut(4).zip(octets.as_chunks().0) {
        let bits = u32::from_be_bytes([0, a, b, c]) as usize;
        let letters = [18, 12, 6, 0].map(|shift| LETTERS[bits >> shift & 63]);
        place.copy_from_slice(&letters);
    }
    id[29] = b'=';
    id
}

/// Address octets in their own family's length, then the port: the order the specification sorts by.
fn octets(end: Endpoint, room: &mut [u8; 18]) -> &[u8] {
    let (addr, port) = room.split_at_mut(16);
    addr.copy_from_slice(&end.addr.0);
    port.copy_from_slice(&end.port.to_be_bytes());
    room.get(if end.addr.is_v4() { 12.. } else { 0.. }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use sha1::{Digest as _, Sha1};

    #[test]
    fn published_vector() {
        // The specification's own TCP example.
        let a = Endpoint { addr: Addr::v4([128, 232, 110, 120]), port: 34855 };
        let b = Endpoint { addr: Addr::v4([66, 35, 250, 204]), port: 80 };
        assert_eq!(&community_id(a, b), b"1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(community_id(b, a), community_id(a, b));
    }

    #[test]
    fn as_the_libraries_hash_and_write() {
        let seed: Vec<u8> = (0..40).map(|n: u8| n.wrapping_mul(151)).collect();
        for len in 0..=seed.len() {
            let hash = Sha1::digest(&seed[..len]);
            let text = format!("1:{}", base64::engine::general_purpose::STANDARD.encode(hash));
            assert_eq!(hashed(&seed[..len]), text.as_bytes());
        }
        let [a, b] = [7, 9].map(|n| Endpoint { addr: Addr::v6([n; 16]), port: 4222 });
        let text: Vec<u8> = [&[0, 0], &[7; 16][..], &[9; 16], &[6, 0, 16, 126, 16, 126]].concat();
        assert!(community_id(b, a) == hashed(&text) && community_id(a, b) == hashed(&text));
    }
}
