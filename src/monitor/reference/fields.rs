//! The fields of an object of a JSON document, each taken as what it has to be, with errors that name it.

use super::error::Fault;
use crate::json::{JsonError, Kind, Reader};
use serde_json::{Map, Number, Value};

/// Values inside values.
const MOST_DEPTH: usize = 16;

/// Reads a document with every number exact: an edge that moves by one digit in the last place would
/// no longer be the edge that another replica counts on.
pub fn document(bytes: &[u8]) -> Result<Value, Fault> {
    let mut reader = Reader::new(bytes, MOST_DEPTH);
    let read = value(&mut reader).and_then(|value| reader.finish().map(|()| value));
    read.map_err(|error| Fault::malformed(format!("byte {}", error.offset), error.expected, error.got))
}

fn value(reader: &mut Reader<'_>) -> Result<Value, JsonError> {
    Ok(match reader.peek()? {
        Kind::Null => reader.null().map(|()| Value::Null)?,
        Kind::Bool => Value::Bool(reader.bool()?),
        Kind::String => Value::String(reader.string()?.into_owned()),
        Kind::Number => number(reader)?,
        Kind::Array => {
            let mut list = Vec::new();
            reader.array(|reader| {
                list.push(value(reader)?);
                Ok::<_, JsonError>(())
            })?;
            Value::Array(list)
        }
        Kind::Object => {
            let mut object = Map::new();
            reader.object(|reader, name| {
                object.insert(name.into_owned(), value(reader)?);
                Ok::<_, JsonError>(())
            })?;
            Value::Object(object)
        }
    })
}

fn number(reader: &mut Reader<'_>) -> Result<Value, JsonError> {
    let expected = reader.error("a number that a double holds");
    let text = std::str::from_utf8(reader.number()?).unwrap_or_default();
    let whole = text.parse::<u64>().ok().map(Number::from);
    whole.or_else(|| Number::from_f64(fast_float2::parse(text).ok()?)).map(Value::Number).ok_or(expected)
}

/// An object, and where in the file it stands.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    place: String,
}

impl<'a> Fields<'a> {
    /// `place` opens the place of every error: `"column 'age': "`.
    pub fn of(value: &'a Value, place: &str) -> Result<Self, Fault> {
        match value.as_object() {
            Some(object) => Ok(Self { object, place: place.to_owned() }),
            None => Err(Fault::malformed(format!("{place}the whole"), "an object", words(value))),
        }
    }

    /// Words for a field, for errors.
    pub fn place(&self, name: &str) -> String {
        format!("{}field '{name}'", self.place)
    }

    pub fn get(&self, name: &str) -> Result<&'a Value, Fault> {
        self.object.get(name).ok_or_else(|| Fault::malformed(self.place(name), "a value", "nothing: it is not there"))
    }

    pub fn inner(&self, name: &str) -> Result<Self, Fault> {
        Self::of(self.get(name)?, &format!("{}{name}: ", self.place))
    }

    /// A field that may be absent or null.
    pub fn optional<T>(&self, name: &str, take: impl Fn(&Self, &str) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => take(self, name).map(Some),
        }
    }

    /// A text of at most `most` bytes.
    pub fn text(&self, name: &str, most: usize) -> Result<&'a str, Fault> {
        let value = self.get(name)?;
        let text = value.as_str().ok_or_else(|| self.wrong(name, "a text", value))?;
        if text.len() > most { Err(Fault::TooLong { place: self.place(name), most }) } else { Ok(text) }
    }

    pub fn one_of<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, Fault> {
        let value = self.get(name)?;
        let found = value.as_str().and_then(|text| choices.iter().find(|(choice, _)| *choice == text));
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let all: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            self.wrong(name, &format!("one of {}", all.join(", ")), value)
        })
    }

    /// A number of rows.
    pub fn count(&self, name: &str) -> Result<u64, Fault> {
        let value = self.get(name)?;
        value.as_u64().ok_or_else(|| self.wrong(name, "a whole number of at least 0", value))
    }

    pub fn number(&self, name: &str) -> Result<f64, Fault> {
        let value = self.get(name)?;
        value.as_f64().filter(|number| number.is_finite()).ok_or_else(|| self.wrong(name, "a number", value))
    }

    /// A list of at most `most` values.
    pub fn list(&self, name: &str, most: usize) -> Result<&'a [Value], Fault> {
        let value = self.get(name)?;
        let list = value.as_array().ok_or_else(|| self.wrong(name, "a list", value))?;
        match list.len() {
            len if len > most => {
                Err(Fault::malformed(self.place(name), format!("at most {most} values"), len.to_string()))
            }
            _ => Ok(list),
        }
    }

    pub fn numbers(&self, name: &str, most: usize) -> Result<Vec<f64>, Fault> {
        let numbers = self.list(name, most)?.iter().map(|value| value.as_f64().ok_or(value));
        numbers.collect::<Result<_, _>>().map_err(|value| self.wrong(name, "numbers", value))
    }

    pub fn counts(&self, name: &str, most: usize) -> Result<Vec<u64>, Fault> {
        let counts = self.list(name, most)?.iter().map(|value| value.as_u64().ok_or(value));
        counts.collect::<Result<_, _>>().map_err(|value| self.wrong(name, "whole numbers of at least 0", value))
    }

    /// Checks that these counts add up to `expected`.
    pub fn sum(&self, names: &[&str], counts: &[u64], expected: u64) -> Result<(), Fault> {
        let sum = counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        match sum {
            Some(sum) if sum == expected => Ok(()),
            sum => {
                let got = sum.map_or("more than can be counted".to_owned(), |sum| sum.to_string());
                let place = format!("{}fields {}", self.place, names.join(" + "));
                Err(Fault::malformed(place, format!("a sum of {expected}"), got))
            }
        }
    }

    fn wrong(&self, name: &str, expected: &str, value: &Value) -> Fault {
        Fault::malformed(self.place(name), expected, words(value))
    }
}

/// A value in a few words.
pub fn words(value: &Value) -> String {
    crate::text::shorten(&value.to_string(), 40)
}
