//! One TCP connection in Ethernet and IPv4 frames, with timestamps as Linux has them.
use super::Take;

/// Octets before the payload: Ethernet, IPv4, TCP with its timestamps.
const HEAD: usize = 14 + 20 + 32;

/// A connection whose numbers are kept right.
#[derive(Clone, Debug)]
pub struct Conn {
    ends: [End; 2],
}

#[derive(Clone, Copy, Debug)]
struct End {
    ip: [u8; 4],
    port: u16,
    seq: u32,
    ip_id: u16,
}

impl Conn {
    /// FIN as the header has it.
    pub const FIN: u8 = 1;
    /// SYN.
    pub const SYN: u8 = 2;
    /// PSH.
    pub const PSH: u8 = 8;
    /// ACK.
    pub const ACK: u8 = 16;

    /// Number `index` of connections to 10.1.0.1 at `port`; each has another client end.
    #[must_use]
    pub const fn new(index: u64, port: u16) -> Self {
        let [.., c, d, e] = (index / 50_000 + 2).to_be_bytes();
        let client = End {
            ip: [10, c.wrapping_add(16), d, e],
            port: (index % 50_000) as u16 + 10_000,
            seq: (index as u32).wrapping_mul(0x9e37_79b9),
            ip_id: index as u16,
        };
        let server = End { ip: [10, 1, 0, 1], port, seq: (index as u32).wrapping_mul(0x85eb_ca6b), ip_id: 7 };
        Self { ends: [client, server] }
    }

    /// One segment of side `from` (0 the client, 1 the server); its numbers go on.
    pub fn segment(&mut self, from: usize, flags: u8, payload: &[u8], at: i64, take: &mut Take<'_>) -> bool {
        let frame = self.frame(from, flags, payload, at);
        take(at, frame.get(..HEAD + payload.len()).unwrap_or_default())
    }

    /// The octets of a segment as [`Conn::segment`] gives them, behind which may be more; the numbers go on.
    pub fn frame(&mut self, from: usize, flags: u8, payload: &[u8], at: i64) -> [u8; 2048] {
        let mut frame = [0; 2048];
        let to = 1 - from;
        let (src, dst) = (self.ends[from], self.ends[to]);
        let len = payload.len().min(frame.len() - HEAD);
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, to as u8, 2, 0, 0, 0, 0, from as u8, 8, 0]);
        let total = (HEAD - 14 + len) as u16;
        frame[14..16].copy_from_slice(&[0x45, 0]);
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        frame[18..20].copy_from_slice(&src.ip_id.to_be_bytes());
        frame[20..26].copy_from_slice(&[0x40, 0, 64, 6, 0, 0]);
        frame[26..30].copy_from_slice(&src.ip);
        frame[30..34].copy_from_slice(&dst.ip);
        frame[34..36].copy_from_slice(&src.port.to_be_bytes());
        frame[36..38].copy_from_slice(&dst.port.to_be_bytes());
        frame[38..42].copy_from_slice(&src.seq.to_be_bytes());
        let ack = if flags & Self::ACK == 0 { 0 } else { dst.seq };
        frame[42..46].copy_from_slice(&ack.to_be_bytes());
        frame[46..50].copy_from_slice(&[0x80, flags, 0x80, 0]);
        // No timestamps in a SYN but what a SYN agrees on: MSS, SACK, window scale.
        let clock = ((at / 1_000_000) as u32).to_be_bytes();
        if flags & Self::SYN == 0 {
            frame[54..58].copy_from_slice(&[1, 1, 8, 10]);
            frame[58..62].copy_from_slice(&clock);
            frame[62..66].copy_from_slice(&clock);
        } else {
            frame[54..66].copy_from_slice(&[2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 1, 1]);
        }
        frame[HEAD..HEAD + len].copy_from_slice(&payload[..len]);
        let end = &mut self.ends[from];
        let octets = len as u32 + u32::from(flags & (Self::SYN | Self::FIN) != 0);
        end.seq = end.seq.wrapping_add(octets);
        end.ip_id = end.ip_id.wrapping_add(1);
        frame
    }

    /// `from`'s numbers go on by `octets` that no frame shows.
    pub const fn skip(&mut self, from: usize, octets: u32) {
        let end = &mut self.ends[from];
        end.seq = end.seq.wrapping_add(octets);
    }

    /// The three steps of the handshake, INFO, CONNECT, PING and PONG; each step 20 µs after the other.
    pub fn open(&mut self, at: &mut i64, take: &mut Take<'_>) -> bool {
        (0..Self::OPENING).all(|step| {
            *at += 20_000;
            self.opening(step, *at, take)
        })
    }

    /// Steps of [`Conn::open`].
    pub const OPENING: u32 = 8;

    /// One step of [`Conn::open`].
    pub fn opening(&mut self, step: u32, at: i64, take: &mut Take<'_>) -> bool {
        const INFO: &[u8] = b"INFO {\"server_id\":\"NBENCHNBENCHNBENCHNBENCHNBENCHNBENCHNBENCHNBENCHNBENCH\",\
            \"server_name\":\"n1\",\"version\":\"2.15.1\",\"proto\":1,\"go\":\"go1.26\",\"host\":\"0.0.0.0\",\"port\":4222,\
            \"headers\":true,\"max_payload\":1048576,\"client_id\":5,\"client_ip\":\"10.16.0.2\"} \r\n";
        const CONNECT: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"name\":\"bench\",\
            \"lang\":\"go\",\"version\":\"1.48.0\",\"protocol\":1,\"echo\":true,\"headers\":true,\"no_responders\":true}\r\n\
            PING\r\n";
        let (from, flags, payload): (usize, u8, &[u8]) = match step {
            0 => (0, Self::SYN, b""),
            1 => (1, Self::SYN | Self::ACK, b""),
            2 => (0, Self::ACK, b""),
            3 => (1, Self::PSH | Self::ACK, INFO),
            4 => (0, Self::PSH | Self::ACK, CONNECT),
            5 => (1, Self::PSH | Self::ACK, b"PONG\r\n"),
            6 => (0, Self::PSH | Self::ACK, b"SUB orders.> 7\r\n"),
            _ => (1, Self::ACK, b""),
        };
        self.segment(from, flags, payload, at, take)
    }
}
