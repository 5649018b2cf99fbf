//! Answers packed the way the caller would like them.

use super::reply::Reply;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http_body_util::Full;
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};
use std::io::Write;

/// Shorter answers stay plain: packing costs more than sending them. Most HTTP libraries offer gzip
/// without having been asked to.
const SMALLEST: usize = 1024;

/// A form that answers are packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Gzip,
    /// In the zlib format, as HTTP has it.
    Deflate,
}

/// Packs an answer if its caller takes packed ones and it is long enough to be worth it.
pub(super) fn pack(asked: &HeaderMap, reply: Reply) -> Reply {
    let Some(form) = wanted(asked) else { return reply };
    let (mut parts, body) = reply.into_parts();
    let plain = body.into_inner().unwrap_or_default();
    if plain.len() < SMALLEST {
        return Reply::from_parts(parts, Full::new(plain));
    }
    match packed(form, &plain) {
        Ok(body) => {
            let name = if form == Form::Gzip { "gzip" } else { "deflate" };
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            parts.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
            Reply::from_parts(parts, Full::new(Bytes::from(body)))
        }
        // Writing to memory does not fail; were it to, the plain answer is right too.
        Err(_) => Reply::from_parts(parts, Full::new(plain)),
    }
}

fn packed(form: Form, plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let room = Vec::with_capacity(plain.len() / 2);
    match form {
        Form::Gzip => {
            let mut encoder = GzEncoder::new(room, Compression::fast());
            encoder.write_all(plain)?;
            encoder.finish()
        }
        Form::Deflate => {
            let mut encoder = ZlibEncoder::new(room, Compression::fast());
            encoder.write_all(plain)?;
            encoder.finish()
        }
    }
}

/// The form that is liked best of those that are taken; gzip where both are liked alike.
fn wanted(asked: &HeaderMap) -> Option<Form> {
    let mut best: Option<(f32, Form)> = None;
    for value in asked.get_all(ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            let form = match (is("gzip") || is("x-gzip"), is("deflate")) {
                (true, _) => Form::Gzip,
                (_, true) => Form::Deflate,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let better = best.is_none_or(|(most, other)| weight > most || (weight == most && other == Form::Deflate));
            if weight > 0.0 && better {
                best = Some((weight, form));
            }
        }
    }
    best.map(|(_, form)| form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::reply::json;
    use flate2::read::{GzDecoder, ZlibDecoder};
    use hyper::StatusCode;
    use std::io::Read;

    fn asked(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_form_liked_best_is_chosen() {
        for (value, form) in [
            ("gzip", Some(Form::Gzip)),
            ("deflate, gzip", Some(Form::Gzip)),
            ("gzip, deflate", Some(Form::Gzip)),
            ("gzip;q=0.5, deflate", Some(Form::Deflate)),
            ("GZIP;q=0, Deflate;q=0.1", Some(Form::Deflate)),
            ("br, zstd", None),
            ("gzip;q=0", None),
            ("gzip;q=lots", None),
            ("", None),
        ] {
            assert_eq!(wanted(&asked(value)), form, "{value}");
        }
        assert_eq!(wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn long_answers_are_packed_and_short_ones_are_not() {
        let text = "1.5,".repeat(1000);
        let short = pack(&asked("gzip"), json(StatusCode::OK, "short"));
        assert!(!short.headers().contains_key(CONTENT_ENCODING));
        for (form, name) in [(Form::Gzip, "gzip"), (Form::Deflate, "deflate")] {
            let reply = pack(&asked(name), json(StatusCode::OK, text.clone()));
            assert_eq!(reply.headers()[CONTENT_ENCODING], name);
            let body = reply.into_body().into_inner().expect("a body");
            assert!(body.len() < text.len() / 4);
            let mut read = String::new();
            match form {
                Form::Gzip => GzDecoder::new(&body[..]).read_to_string(&mut read),
                Form::Deflate => ZlibDecoder::new(&body[..]).read_to_string(&mut read),
            }
            .expect("what was packed");
            assert_eq!(read, text);
        }
    }
}
