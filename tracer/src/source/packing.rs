//! Compressed files: told by their first octets, unpacked as a stream.
use lz4_flex::frame::FrameDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// Packed octets that are read at once.
const BLOCK: usize = 128 << 10;

/// How a file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
    Lz4,
    Xz,
}

impl Packing {
    /// By the first octets of a file.
    pub fn of(start: &[u8]) -> Self {
        match *start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    /// As it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
        }
    }

    /// The content of a stream packed like this, also of several packed pieces one behind the other.
    pub fn unpack(self, packed: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        if self == Self::None {
            return Ok(Box::new(packed));
        }
        let packed = BufReader::with_capacity(BLOCK, packed);
        Ok(match self {
            Self::None => Box::new(packed),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
            Self::Lz4 => {
                Box::new(Lz4 { frame: Some(FrameDecoder::new(Watched { inner: packed, ended: false })) })
            }
            Self::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(packed)),
        })
    }
}

/// What went wrong in unpacking, for the message.
pub(super) fn failure(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "the compressed stream ends too early".into();
    }
    format!("the compressed stream can't be unpacked ({error})")
}

/// LZ4 frames one behind the other. `FrameDecoder` ends alike at the end of a frame and where its input breaks off
/// between two blocks; whether it ran into the end of its input tells the two apart.
struct Lz4<R: BufRead> {
    frame: Option<FrameDecoder<Watched<R>>>,
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.frame {
            let got = frame.read(buf)?;
            if got > 0 || buf.is_empty() {
                return Ok(got);
            }
            if frame.get_ref().ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut inner = self.frame.take().map(FrameDecoder::into_inner);
            // A decoder of its own for each frame, since the sizes of its buffers are the first one's.
            if let Some(rest) = inner.as_mut()
                && !rest.inner.fill_buf()?.is_empty()
            {
                self.frame = inner.map(FrameDecoder::new);
            }
        }
        Ok(0)
    }
}

/// Notes when its end is reached.
struct Watched<R> {
    inner: R,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buf)?;
        self.ended |= got == 0 && !buf.is_empty();
        Ok(got)
    }
}
