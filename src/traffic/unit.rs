//! Who or what a request is about: the unit that stays with its arm.

use crate::json::{JsonError, Kind, Reader};
use std::borrow::Cow;

/// Longest unit that counts as one: an id, not a document.
const LONGEST: usize = 1024;

/// Where the unit stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// A header, in lower case.
    Header(String),
    /// A JSON pointer into the body, as it was written and by its parts.
    Pointer(String, Vec<String>),
    /// A parameter of an Open Inference Protocol request.
    Parameter(String),
}

impl Sticky {
    /// Whether the body has to be there to find it.
    pub fn is_in_body(&self) -> bool {
        !matches!(self, Self::Header(_))
    }

    /// Reads a pointer (RFC 6901); `None` where it is none, or means the whole body.
    pub fn pointer(text: &str) -> Option<Self> {
        let parts = text.strip_prefix('/')?.split('/');
        let parts = parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        Some(Self::Pointer(text.to_owned(), parts))
    }

    /// Finds the unit in a JSON body: a text or a number, read no further than to its place. A body
    /// that is no JSON has none; its own reader says what is wrong with it.
    pub fn find<'a>(&self, body: &'a [u8], max_depth: usize) -> Option<Unit<'a>> {
        let mut reader = Reader::new(body, max_depth);
        let found = match self {
            Self::Header(_) => return None,
            Self::Pointer(_, parts) => walk(&mut reader, &mut parts.iter().map(String::as_str)),
            Self::Parameter(name) => walk(&mut reader, &mut ["parameters", name].into_iter()),
        };
        match found {
            Err(Stop::Found(unit)) => unit,
            Err(Stop::Broken) | Ok(()) => None,
        }
    }
}

/// The bytes of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit<'a>(Cow<'a, [u8]>);

impl<'a> Unit<'a> {
    /// `None` for what is empty or too long to be an id.
    pub fn new(bytes: impl Into<Cow<'a, [u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        (1..=LONGEST).contains(&bytes.len()).then_some(Self(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Ends the walk.
enum Stop<'a> {
    Found(Option<Unit<'a>>),
    Broken,
}

impl From<JsonError> for Stop<'_> {
    fn from(_: JsonError) -> Self {
        Self::Broken
    }
}

/// Follows the parts; whatever is at their end stops the walk.
fn walk<'a>(reader: &mut Reader<'a>, parts: &mut dyn Iterator<Item = &str>) -> Result<(), Stop<'a>> {
    let kind = reader.peek()?;
    let Some(part) = parts.next() else { return Err(Stop::Found(value(reader, kind)?)) };
    match kind {
        Kind::Object => {
            reader.object(|reader, key| if key == part { below(reader, parts) } else { Ok(reader.skip()?) })
        }
        Kind::Array => {
            let mut left: usize = part.parse().map_err(|_| Stop::Found(None))?;
            reader.array(|reader| match left {
                0 => below(reader, parts),
                _ => {
                    left -= 1;
                    Ok(reader.skip()?)
                }
            })
        }
        _ => Err(Stop::Found(None)),
    }
}

/// What lies beside the way that was taken is not looked at any more.
fn below<'a>(reader: &mut Reader<'a>, parts: &mut dyn Iterator<Item = &str>) -> Result<(), Stop<'a>> {
    walk(reader, parts)?;
    Err(Stop::Found(None))
}

fn value<'a>(reader: &mut Reader<'a>, kind: Kind) -> Result<Option<Unit<'a>>, JsonError> {
    Ok(match kind {
        Kind::String => match reader.string()? {
            Cow::Borrowed(text) => Unit::new(text.as_bytes()),
            Cow::Owned(text) => Unit::new(text.into_bytes()),
        },
        Kind::Number => Unit::new(reader.number()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(sticky: &Sticky, body: &str) -> Option<String> {
        sticky.find(body.as_bytes(), 64).map(|unit| String::from_utf8_lossy(unit.bytes()).into_owned())
    }

    #[test]
    fn a_pointer_leads_to_texts_and_numbers() {
        let at = |pointer, body| find(&Sticky::pointer(pointer).expect("a pointer"), body);
        assert_eq!(at("/user", r#"{"features": [1, 2], "user": "ann"}"#).as_deref(), Some("ann"));
        assert_eq!(at("/a/1/b~1c", r#"{"a": [0, {"x": [], "b/c": 17}]}"#).as_deref(), Some("17"));
        assert_eq!(at("/user", r#"{"user": "\u0061nn"} and no more JSON"#).as_deref(), Some("ann"));
        for body in
            [r#"{"user": null}"#, r#"{"user": {}}"#, r#"{"user": ""}"#, "{}", "[1]", "", "{\"user\"", "7", "[[[["]
        {
            assert_eq!(at("/user", body), None, "{body}");
        }
        assert_eq!(at("/0/x", r#"[{}, "ann"]"#), None);
        assert_eq!(Sticky::pointer("user"), None);
    }

    #[test]
    fn a_parameter_is_looked_for_where_the_protocol_has_it() {
        let sticky = Sticky::Parameter("user".into());
        assert_eq!(find(&sticky, r#"{"user": "no", "parameters": {"user": "ann"}}"#).as_deref(), Some("ann"));
        assert_eq!(find(&sticky, r#"{"user": "no"}"#), None);
    }

    #[test]
    fn what_is_too_long_is_no_id() {
        assert_eq!(Unit::new(vec![b'x'; LONGEST + 1]), None);
        assert!(Unit::new(vec![b'x'; LONGEST]).is_some());
    }
}
