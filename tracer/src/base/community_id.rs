//! Community ID v1 flow hash (Corelight's specification), as other tools print it.
use super::Endpoint;
use base64::Engine as _;
use sha1::{Digest as _, Sha1};

/// `1:` and the base64 SHA-1 of seed 0, the ordered endpoints and protocol 6 (TCP).
#[must_use]
pub fn community_id(a: Endpoint, b: Endpoint) -> String {
    let (low, high) = if octets(a) <= octets(b) { (a, b) } else { (b, a) };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    hash.update(&octets(low)[..octets(low).len() - 2]);
    hash.update(&octets(high)[..octets(high).len() - 2]);
    hash.update([6, 0]);
    hash.update(low.port.to_be_bytes());
    hash.update(high.port.to_be_bytes());
    format!("1:{}", base64::engine::general_purpose::STANDARD.encode(hash.finalize()))
}

/// Address octets in their own family's length, then the port: the order the specification sorts by.
fn octets(end: Endpoint) -> Vec<u8> {
    let mut out = match end.addr.ip() {
        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    out.extend(end.port.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vector() {
        // The specification's own TCP example.
        let a = Endpoint { addr: crate::base::Addr::v4([128, 232, 110, 120]), port: 34855 };
        let b = Endpoint { addr: crate::base::Addr::v4([66, 35, 250, 204]), port: 80 };
        assert_eq!(community_id(a, b), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(community_id(b, a), community_id(a, b));
    }
}
