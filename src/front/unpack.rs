//! Packed bodies, and the bombs among them.
//!
//! A few KiB can unpack to gigabytes, and nothing but unpacking them tells. So what a body may honestly
//! become is kept as it comes out, up to a MiB; past that the rest is only counted, and unpacked again
//! if it turns out to fit. So a bomb takes a MiB beside what was sent for it, however many come at a time,
//! and a large honest body pays with a second pass.

use super::body::{make_room, too_large};
use super::reply::{ApiError, Cause};
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;
use std::io::{self, Read};

/// How much larger an honest body becomes: rows of numbers as JSON reach 3 to 10.
const HONEST: usize = 16;
/// What is kept at most before the whole length is known.
const KEPT: usize = 1 << 20;
/// Bytes that come out at a time.
const PIECE: usize = 16 << 10;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    /// In the zlib format, as HTTP has it.
    Deflate,
}

impl Packing {
    /// What the headers say; `None` where the body is plain.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(None) };
        match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "deflate" => Ok(Some(Self::Deflate)),
            other => {
                let words = format!(
                    "content-encoding '{}' is not read: send gzip, deflate or identity",
                    crate::text::shorten(other, 40)
                );
                Err(ApiError { field: Some("content-encoding".into()), ..ApiError::new(Cause::MediaType, words) })
            }
        }
    }

    fn reader(self, packed: &[u8]) -> Box<dyn Read + '_> {
        match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Deflate => Box::new(ZlibDecoder::new(packed)),
        }
    }
}

/// Unpacks a body that may become `limit` bytes long.
pub(super) fn unpack(packing: Packing, packed: &[u8], limit: usize) -> Result<Bytes, ApiError> {
    let honest = packed.len().saturating_mul(HONEST).clamp(PIECE, KEPT).min(limit);
    let mut reader = packing.reader(packed);
    let (whole, ended) = keep(&mut reader, honest).map_err(|error| damaged(&error))?;
    if ended {
        return Ok(whole.into());
    }
    let rest = count(&mut reader, limit - whole.len()).map_err(|error| damaged(&error))?;
    if rest == 0 {
        return Ok(whole.into());
    }
    let size = whole.len() + rest;
    if size > limit {
        return Err(too_large(size, limit));
    }
    drop((whole, reader));
    let (whole, _) = keep(&mut packing.reader(packed), size).map_err(|error| damaged(&error))?;
    Ok(whole.into())
}

/// At most the first `most` bytes, and whether these are all.
fn keep(reader: &mut impl Read, most: usize) -> io::Result<(Vec<u8>, bool)> {
    let (mut whole, mut piece) = (Vec::new(), [0; PIECE]);
    while whole.len() < most {
        let wanted = PIECE.min(most - whole.len());
        let came = reader.read(&mut piece[..wanted])?;
        if came == 0 {
            return Ok((whole, true));
        }
        let have = whole.len();
        make_room(&mut whole, have + came, most);
        whole.extend_from_slice(&piece[..came]);
    }
    Ok((whole, false))
}

/// How many bytes still come out, up to one more than `most`.
fn count(reader: &mut impl Read, most: usize) -> io::Result<usize> {
    let (mut counted, mut piece) = (0, [0; PIECE]);
    while counted <= most {
        let wanted = PIECE.min(most + 1 - counted);
        match reader.read(&mut piece[..wanted])? {
            0 => return Ok(counted),
            came => counted += came,
        }
    }
    Ok(counted)
}

fn damaged(error: &io::Error) -> ApiError {
    ApiError::field("body", format!("the body is not what its content-encoding says: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn packed_bodies_come_out_as_they_went_in() {
        // Short, long, and so repetitive that they are counted first.
        let noise: Vec<u8> = (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for body in [b"[1,2,3]".to_vec(), noise, vec![b' '; 3 << 20], Vec::new()] {
            for limit in [body.len(), body.len() + 1, 64 << 20] {
                assert_eq!(unpack(Packing::Gzip, &gzip(&body), limit).expect("fits"), body);
                assert_eq!(unpack(Packing::Deflate, &deflate(&body), limit).expect("fits"), body);
            }
        }
        let two = [gzip(b"[1,"), gzip(b"2]")].concat();
        assert_eq!(unpack(Packing::Gzip, &two, 5).expect("fits"), &b"[1,2]"[..]);
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = gzip(&vec![b' '; 50 << 20]);
        assert!(bomb.len() < 100_000);
        for limit in [0, 1000, 49 << 20, (50 << 20) - 1] {
            let error = unpack(Packing::Gzip, &bomb, limit).expect_err("too much");
            assert_eq!((error.cause, error.limit), (Cause::TooLarge, Some(("max_body", limit, limit + 1))));
        }
        let cut = &bomb[..bomb.len() / 2];
        assert_eq!(unpack(Packing::Gzip, cut, 1 << 30).expect_err("cut").cause, Cause::BadRequest);
    }

    #[test]
    fn a_bomb_is_counted_and_not_kept() {
        let bomb = gzip(&vec![b' '; 50 << 20]);
        let honest = bomb.len() * HONEST;
        let (kept, ended) = keep(&mut Packing::Gzip.reader(&bomb), honest).expect("it unpacks");
        assert_eq!((kept.len(), kept.capacity(), ended), (honest, honest, false));
        assert_eq!(count(&mut Packing::Gzip.reader(&bomb), 1 << 30).expect("it unpacks"), 50 << 20);
    }
}
