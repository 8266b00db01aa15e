//! The codecs of compressed clusters: raw deflate in a 4 KiB window, and zstd frames.

use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;
use zstd::zstd_safe;

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
    pub(crate) fn decode(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<Option<usize>, BadStream> {
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

fn decode_zlib(inflate: &mut Decompress, bytes: &[u8], out: &mut [u8]) -> Result<Option<usize>, BadStream> {
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

/// The length of the zstd frame at the start of `bytes`, if it says that it holds a whole cluster.
pub(crate) fn zstd_frame_bytes(bytes: &[u8], cluster_bytes: u64) -> Option<usize> {
    match zstd_safe::get_frame_content_size(bytes) {
        Ok(Some(content)) if content == cluster_bytes => zstd_safe::find_frame_compressed_size(bytes).ok(),
        _ => None,
    }
}

/// Compresses clusters; costly to make, cheap to use again.
pub(crate) enum Encoder {
    Zlib(imgctl_deflate::Encoder),
    Zstd(zstd_safe::CCtx<'static>, i32),
}

impl Encoder {
    /// `level` is within what the codec has.
    pub(crate) fn new(codec: Codec, level: u32) -> Self {
        match codec {
            // Its levels are those of the options, and its streams never reach back further than 4 KiB.
            Codec::Zlib => Self::Zlib(imgctl_deflate::Encoder::new(level)),
            Codec::Zstd => Self::Zstd(zstd_safe::CCtx::create(), level as i32),
        }
    }

    /// Compresses `cluster` behind what `streams` holds and returns the stream's length; `None`, and nothing is added,
    /// when that would not be smaller.
    pub(crate) fn encode(&mut self, cluster: &[u8], streams: &mut Vec<u8>) -> Result<Option<usize>, BadStream> {
        let start = streams.len();
        let length = match self {
            Self::Zlib(deflate) => deflate.compress(cluster, cluster.len() - 1, streams),
            Self::Zstd(context, level) => {
                streams.resize(start + cluster.len() - 1, 0);
                let out = &mut streams[start..];
                context.compress(out, cluster, *level).ok()
            }
        };
        streams.truncate(start + length.unwrap_or(0));
        Ok(length)
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

    #[test]
    fn what_is_encoded_decodes_and_its_end_is_found() {
        let cluster = sample();
        for codec in [Codec::Zlib, Codec::Zstd] {
            let mut encoder = Encoder::new(codec, codec.default_level());
            let mut decoder = Decoder::new(codec);
            for _ in 0..2 {
                let mut streams = vec![7; 10];
                let length = encoder.encode(&cluster, &mut streams).unwrap().unwrap();
                assert_eq!(streams.len(), 10 + length);
                assert!(length < 60000);
                streams.extend([0xaa; 511]);
                let stream = &streams[10..];
                let mut out = vec![0; cluster.len()];
                assert_eq!(decoder.decode(stream, &mut out), Ok(Some(length)));
                assert_eq!(out, cluster);
                let cut = decoder.decode(&stream[..length - 9], &mut out);
                assert_eq!(cut, Err(BadStream));
            }
        }
    }

    #[test]
    fn what_would_not_shrink_leaves_nothing_and_harms_nothing() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..65536)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        for codec in [Codec::Zlib, Codec::Zstd] {
            let mut encoder = Encoder::new(codec, codec.default_level());
            let mut streams = vec![7; 10];
            for length in [512, 4096, 65536, 40000, 65536, 4096, 65536] {
                assert_eq!(encoder.encode(&noise[..length], &mut streams), Ok(None));
                assert_eq!(streams.len(), 10);
                let mut again = Vec::new();
                assert!(encoder.encode(&sample(), &mut again).unwrap().is_some());
            }
        }
    }
}
