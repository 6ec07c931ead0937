//! A bare TCP client for what no library would do: wrong verbs, silence, resets, other protocols.
use super::net::{Host, Net};
use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// An open connection.
pub struct Raw {
    stream: TcpStream,
    /// The port it comes from.
    pub port: u16,
}

impl Raw {
    /// Connects from `host`.
    ///
    /// # Errors
    /// Where the connection isn't made within `within`.
    pub fn dial(net: &Net, host: Host, to: SocketAddr, within: Duration) -> Result<Self> {
        let stream = net.enter(host, move || Ok(TcpStream::connect_timeout(&to, within)?))?;
        stream.set_nodelay(true)?;
        let port = stream.local_addr()?.port();
        Ok(Self { stream, port })
    }

    /// Sends bytes; a peer that has closed meanwhile is no error.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Reads until `word` was seen; returns all that was read.
    ///
    /// # Errors
    /// Where the connection ends or 5 s pass first.
    pub fn expect(&mut self, word: &str) -> Result<String> {
        self.stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (mut seen, mut block) = (String::new(), [0; 4096]);
        let end = Instant::now() + Duration::from_secs(5);
        while !seen.contains(word) {
            match self.stream.read(&mut block) {
                Ok(0) => bail!("closed without {word:?}: {seen:?}"),
                Ok(n) => seen += &String::from_utf8_lossy(&block[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(e).with_context(|| format!("instead of {word:?}: {seen:?}")),
            }
            if Instant::now() > end {
                bail!("no {word:?} in 5 s: {seen:?}");
            }
        }
        Ok(seen)
    }

    /// Reads until the peer closes or resets; returns what was read.
    ///
    /// # Errors
    /// Where it is still open after `within`.
    pub fn drain(&mut self, within: Duration) -> Result<String> {
        self.stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (mut seen, mut block) = (String::new(), [0; 4096]);
        let end = Instant::now() + within;
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => return Ok(seen),
                Ok(n) => seen += &String::from_utf8_lossy(&block[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Ok(seen + "<reset>"),
            }
            if Instant::now() > end {
                bail!("still open: {seen:?}");
            }
        }
    }

    /// Logs in as NATS clients do, with this JSON, and waits for the PONG.
    ///
    /// # Errors
    /// Where there is none.
    pub fn login(&mut self, json: &str) -> Result<String> {
        let info = self.expect("INFO {")?;
        self.send(format!("CONNECT {json}\r\nPING\r\n"));
        Ok(info + &self.expect("PONG")?)
    }

    /// Says FIN, but goes on listening.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub fn finish(&self) -> Result<()> {
        Ok(self.stream.shutdown(std::net::Shutdown::Write)?)
    }

    /// Closes at once with a reset (SO_LINGER 0).
    pub fn abort(self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let size = libc::socklen_t::try_from(size_of::<libc::linger>()).unwrap_or(8);
        // SAFETY: the descriptor is open, the pointer is to a linger of that size.
        unsafe {
            let value = (&raw const linger).cast();
            libc::setsockopt(self.stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size);
        }
    }
}
