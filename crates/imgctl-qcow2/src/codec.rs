//! The codecs of compressed clusters: raw deflate in a 4 KiB window, and zstd frames.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::fmt;
use zstd::zstd_safe;

/// The window qemu inflates with, as a power of two. A stream may not reach further back.
const WINDOW_BITS: u8 = 12;

/// How an image's clusters are compressed. An image has one codec.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Codec {
    /// Raw deflate; every qemu reads it.
    Zlib,
    /// zstd; qemu 5.1 and later read it.
    Zstd,
}

impl Codec {
    /// The number in the header.
    pub(crate) fn compression_type(self) -> u8 {
        match self {
            Self::Zlib => 0,
            Self::Zstd => 1,
        }
    }

    /// The level used when none is asked for.
    #[must_use]
    pub fn default_level(self) -> u32 {
        match self {
            Self::Zlib => 6,
            Self::Zstd => 3,
        }
    }

    /// The highest level.
    #[must_use]
    pub fn max_level(self) -> u32 {
        match self {
            Self::Zlib => 9,
            Self::Zstd => 19,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        })
    }
}

/// A stream that does not decompress to a whole cluster, or cannot be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BadStream;

/// Decompresses clusters; costly to make, cheap to use again.
pub(crate) enum Decoder {
    Zlib(Decompress),
    Zstd(zstd_safe::DCtx<'static>),
}

impl Decoder {
    pub(crate) fn new(codec: Codec) -> Self {
        match codec {
            // Not bounded to the 4 KiB window: qemu, inflating in one go, reads further back as well.
            Codec::Zlib => Self::Zlib(Decompress::new(false)),
            Codec::Zstd => Self::Zstd(zstd_safe::DCtx::create()),
        }
    }

    /// Fills `out` from the stream at the start of `bytes`; what follows the stream is not looked at.
    ///
    /// Returns the stream's length; `None` when `out` was full before the stream had ended.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        out: &mut [u8],
    ) -> Result<Option<usize>, BadStream> {
        match self {
            Self::Zlib(inflate) => decode_zlib(inflate, bytes, out),
            Self::Zstd(context) => decode_zstd(context, bytes, out),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zlib(_) => "Decoder(zlib)",
            Self::Zstd(_) => "Decoder(zstd)",
        })
    }
}

fn decode_zlib(
    inflate: &mut Decompress,
    bytes: &[u8],
    out: &mut [u8],
) -> Result<Option<usize>, BadStream> {
    inflate.reset(false);
    let status = inflate
        .decompress(bytes, out, FlushDecompress::Finish)
        .map_err(|_| BadStream)?;
    if inflate.total_out() != out.len() as u64 {
        return Err(BadStream);
    }
    Ok((status == Status::StreamEnd).then(|| inflate.total_in() as usize))
}

/// In one go per frame, straight into `out`: the window that a frame asks for is never allocated.
fn decode_zstd(
    context: &mut zstd_safe::DCtx<'static>,
    bytes: &[u8],
    out: &mut [u8],
) -> Result<Option<usize>, BadStream> {
    let mut consumed = 0;
    let mut produced = 0;
    while produced < out.len() {
        let rest = bytes.get(consumed..).ok_or(BadStream)?;
        let length = zstd_safe::find_frame_compressed_size(rest).map_err(|_| BadStream)?;
        let frame = rest.get(..length).filter(|frame| !frame.is_empty());
        let filled = context
            .decompress(&mut out[produced..], frame.ok_or(BadStream)?)
            .map_err(|_| BadStream)?;
        consumed += length;
        produced += filled;
    }
    Ok(Some(consumed))
}

/// Compresses clusters; costly to make, cheap to use again.
pub(crate) enum Encoder {
    Zlib(Compress),
    Zstd(zstd_safe::CCtx<'static>, i32),
}

impl Encoder {
    /// `level` is within what the codec has.
    pub(crate) fn new(codec: Codec, level: u32) -> Self {
        match codec {
            Codec::Zlib => Self::Zlib(Compress::new_with_window_bits(
                Compression::new(level),
                false,
                WINDOW_BITS,
            )),
            Codec::Zstd => Self::Zstd(zstd_safe::CCtx::create(), level as i32),
        }
    }

    /// Compresses `cluster` into the start of `out` and returns the stream's length; `None` when it does not fit.
    pub(crate) fn encode(
        &mut self,
        cluster: &[u8],
        out: &mut [u8],
    ) -> Result<Option<usize>, BadStream> {
        match self {
            Self::Zlib(deflate) => {
                deflate.reset();
                let status = deflate
                    .compress(cluster, out, FlushCompress::Finish)
                    .map_err(|_| BadStream)?;
                Ok((status == Status::StreamEnd).then(|| deflate.total_out() as usize))
            }
            Self::Zstd(context, level) => Ok(context.compress(out, cluster, *level).ok()),
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zlib(_) => "Encoder(zlib)",
            Self::Zstd(..) => "Encoder(zstd)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that repeats at distances within and beyond 4 KiB.
    fn sample() -> Vec<u8> {
        let mut state = 1_u32;
        let block: Vec<u8> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b"0123456789abcdef"[(state >> 28) as usize]
            })
            .collect();
        block.iter().copied().cycle().take(65536).collect()
    }

    /// Inflates in small pieces, so that every match is checked against a window of 4 KiB.
    fn inflates_in_a_4k_window(stream: &[u8], expected: &[u8]) -> bool {
        let mut inflate = Decompress::new_with_window_bits(false, WINDOW_BITS);
        let mut found = Vec::new();
        let mut piece = [0; 512];
        loop {
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let input = &stream[before_in as usize..];
            let Ok(status) = inflate.decompress(input, &mut piece, FlushDecompress::None) else {
                return false;
            };
            let length = (inflate.total_out() - before_out) as usize;
            found.extend_from_slice(&piece[..length]);
            match status {
                Status::StreamEnd => return found == expected,
                _ if length == 0 && inflate.total_in() == before_in => return false,
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_encoded_decodes_and_its_end_is_found() {
        let cluster = sample();
        for codec in [Codec::Zlib, Codec::Zstd] {
            let mut stream = vec![0xaa; 65536];
            let mut encoder = Encoder::new(codec, codec.default_level());
            let mut decoder = Decoder::new(codec);
            for _ in 0..2 {
                let length = encoder.encode(&cluster, &mut stream).unwrap().unwrap();
                assert!(length < 60000);
                let mut out = vec![0; cluster.len()];
                assert_eq!(decoder.decode(&stream, &mut out), Ok(Some(length)));
                assert_eq!(out, cluster);
                assert_eq!(
                    decoder.decode(&stream[..length - 9], &mut out),
                    Err(BadStream)
                );
            }
            assert_eq!(encoder.encode(&cluster, &mut stream[..100]), Ok(None));
        }
    }

    #[test]
    fn deflate_streams_stay_within_the_window() {
        let cluster = sample();
        let mut stream = vec![0; 65536];
        for level in 1..=9 {
            let mut encoder = Encoder::new(Codec::Zlib, level);
            let length = encoder.encode(&cluster, &mut stream).unwrap().unwrap();
            assert!(inflates_in_a_4k_window(&stream[..length], &cluster));
        }
        // The judge can say no.
        let mut wide = Compress::new_with_window_bits(Compression::new(6), false, 15);
        wide.compress(&cluster, &mut stream, FlushCompress::Finish)
            .unwrap();
        let length = wide.total_out() as usize;
        assert!(!inflates_in_a_4k_window(&stream[..length], &cluster));
    }
}
