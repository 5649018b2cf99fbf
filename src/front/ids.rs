//! The ids a request goes by: the caller's, or ours.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use uuid::Uuid;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub const PREDICTION_ID: HeaderName = HeaderName::from_static("x-prediction-id");

/// Longest id taken from a caller.
const LONGEST: usize = 128;

/// A request's two ids. Ours are UUIDs of version 7: sortable by time.
#[derive(Clone, Debug)]
pub struct Ids {
    pub request: HeaderValue,
    pub prediction: HeaderValue,
}

impl Ids {
    /// Takes the caller's ids where they are usable, and makes the others.
    pub fn new(headers: &HeaderMap) -> Self {
        match (taken(headers, &REQUEST_ID), taken(headers, &PREDICTION_ID)) {
            (Some(request), Some(prediction)) => Self { request, prediction },
            (Some(request), None) => Self { request, prediction: fresh() },
            (None, Some(prediction)) => Self { request: fresh(), prediction },
            (None, None) => {
                let id = fresh();
                Self { request: id.clone(), prediction: id }
            }
        }
    }

    pub fn prediction_text(&self) -> &str {
        text(&self.prediction)
    }

    pub fn request_text(&self) -> &str {
        text(&self.request)
    }
}

/// Both kinds of value are visible ASCII, so this never fails.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

fn taken(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let value = headers.get(name)?;
    let usable = (1..=LONGEST).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    usable.then(|| value.clone())
}

fn fresh() -> HeaderValue {
    let mut buffer = [0; 36];
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_ids_are_kept_where_usable() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-1"));
        headers.insert(PREDICTION_ID, HeaderValue::from_static("with space"));
        let ids = Ids::new(&headers);
        assert_eq!(ids.request_text(), "abc-1");
        assert_eq!(ids.prediction_text().len(), 36);
    }

    #[test]
    fn our_ids_sort_by_time() {
        let ids: Vec<String> = (0..1000).map(|_| Ids::new(&HeaderMap::new()).prediction_text().to_owned()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
