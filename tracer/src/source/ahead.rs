//! Reading on in a thread of its own: to unpack a file takes as long as all that is done with its frames.
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Blocks that wait to be worked on, at most.
const WAITING: usize = 4;

/// A stream that another thread reads on.
pub(super) struct Ahead {
    blocks: Receiver<io::Result<Vec<u8>>>,
    used: SyncSender<Vec<u8>>,
    block: Vec<u8>,
    /// How much of `block` was taken.
    taken: usize,
}

impl Ahead {
    /// Reads `inner` on, at most `size` octets at once, until it ends, fails, or nobody wants more.
    pub fn of(mut inner: Box<dyn Read + Send>, size: usize) -> Self {
        let (to, blocks) = sync_channel(WAITING);
        let (used, back) = sync_channel::<Vec<u8>>(WAITING + 2);
        thread::spawn(move || {
            loop {
                let mut block = back.try_recv().unwrap_or_default();
                block.resize(size, 0);
                let read = read_some(&mut inner, &mut block);
                let goes_on = matches!(read, Ok(1..));
                let sent = read.map(|len| {
                    block.truncate(len);
                    block
                });
                if to.send(sent).is_err() || !goes_on {
                    break;
                }
            }
        });
        Self { blocks, used, block: Vec::new(), taken: 0 }
    }
}

impl Read for Ahead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() {
            // The thread is gone once it has told the end.
            let Ok(next) = self.blocks.recv() else { return Ok(0) };
            let _ = self.used.try_send(std::mem::replace(&mut self.block, next?));
            self.taken = 0;
        }
        let mut rest = self.block.get(self.taken..).unwrap_or_default();
        let got = rest.read(buf)?;
        self.taken += got;
        Ok(got)
    }
}

/// What one call gives: a slow stream isn't waited for.
fn read_some(inner: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    loop {
        match inner.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many octets in small pieces, then fails.
    struct Breaks(usize);

    impl Read for Breaks {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let len = buf.len().min(7).min(self.0);
            for octet in &mut buf[..len] {
                *octet = self.0 as u8;
                self.0 -= 1;
            }
            Ok(len)
        }
    }

    #[test]
    fn octets_come_in_order_and_the_failure_behind_them() {
        let mut plain = Vec::new();
        assert!(Breaks(10_000).read_to_end(&mut plain).is_err());
        let (mut read, mut ahead) = (Vec::new(), Ahead::of(Box::new(Breaks(10_000)), 64));
        let error = ahead.read_to_end(&mut read).map_err(|e| e.kind());
        assert_eq!(error, Err(io::ErrorKind::UnexpectedEof));
        assert!(read == plain && read.len() == 10_000, "{} octets", read.len());
        assert_eq!(ahead.read(&mut [0; 8]).ok(), Some(0));
    }

    #[test]
    fn an_end_is_an_end() {
        let mut read = String::new();
        let mut ahead = Ahead::of(Box::new(io::Cursor::new(b"all of it")), 4);
        assert!(ahead.read_to_string(&mut read).is_ok());
        assert_eq!(read, "all of it");
    }
}
