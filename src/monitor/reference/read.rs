//! A profile read back from its file. Nothing in it is taken on trust: what goes on from here has
//! increasing edges, as many counts as cells, and sums that agree.

use super::error::Fault;
use super::fields::{Fields, document, words};
use super::profile::{
    CategoricalProfile, ColumnProfile, NumericProfile, Profile, ProfileSummary, SCHEMA, Source, SourceKind,
};
use super::table::{MOST_COLUMNS, MOST_NAME_BYTES};
use crate::monitor::column::{Kind, Role};
use crate::monitor::sketch::{MOST_EDGES, MOST_VALUES, Quantiles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a profile: 2048 columns take about a third of it.
pub const MOST_BYTES: u64 = 32 << 20;
/// Letters of a sketch in base64, and of any other text of the file.
const MOST_SKETCH: usize = 1 << 16;
const MOST_TEXT: usize = 4096;

/// Reads a profile that [`Profile::to_json`] has written.
pub fn read(path: &Path) -> Result<Profile, Fault> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Fault::TooLong {
            place: "the profile".into(),
            most: usize::try_from(MOST_BYTES).unwrap_or(usize::MAX),
        });
    }
    parse(&bytes)
}

/// The same from bytes.
pub fn parse(bytes: &[u8]) -> Result<Profile, Fault> {
    let value = document(bytes)?;
    let fields = Fields::of(&value, "")?;
    let schema = fields.text("schema", MOST_TEXT)?;
    if schema != SCHEMA {
        return Err(Fault::malformed("field 'schema'", format!("'{SCHEMA}'"), format!("'{schema}'")));
    }
    let rows = fields.count("rows")?;
    let effective_rows = fields.number("effective_rows")?;
    if !(effective_rows > 0.0 && effective_rows <= rows as f64) {
        let expected = format!("a number above 0, at most {rows}");
        return Err(Fault::malformed("field 'effective_rows'", expected, effective_rows.to_string()));
    }
    let columns = columns(fields.list("columns", MOST_COLUMNS)?, rows)?;
    let source = source(&fields)?;
    let (id, created) = (fields.text("id", MOST_TEXT)?, fields.text("created", MOST_TEXT)?);
    Ok(Profile { schema: schema.into(), id: id.into(), rows, effective_rows, source, created: created.into(), columns })
}

fn source(fields: &Fields<'_>) -> Result<Source, Fault> {
    let source = fields.inner("source")?;
    let kind = source.one_of("kind", &[("file", SourceKind::File), ("window", SourceKind::Window)])?;
    let sha256 = source.optional("sha256", |fields, name| fields.text(name, MOST_TEXT))?.map(str::to_owned);
    Ok(Source { kind, name: source.text("name", MOST_TEXT)?.to_owned(), sha256 })
}

fn columns(values: &[Value], rows: u64) -> Result<Vec<ColumnProfile>, Fault> {
    let mut names = HashSet::new();
    let mut columns = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let column = column(value, at, rows)?;
        if !names.insert((column.name.clone(), column.role)) {
            let place = format!("columns[{at}]: field 'name'");
            return Err(Fault::malformed(place, "each name once", format!("'{}' again", column.name)));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn column(value: &Value, at: usize, rows: u64) -> Result<ColumnProfile, Fault> {
    let name = Fields::of(value, &format!("columns[{at}]: "))?.text("name", MOST_NAME_BYTES)?;
    let fields = Fields::of(value, &format!("column '{name}': "))?;
    let roles = [Role::Input, Role::Output, Role::Latency].map(|role| (role.name(), role));
    let kinds = [Kind::Numeric, Kind::Categorical].map(|kind| (kind.name(), kind));
    let role = fields.one_of("role", &roles)?;
    let summary = match fields.one_of("kind", &kinds)? {
        Kind::Numeric => ProfileSummary::Numeric(numeric(&fields, rows)?),
        Kind::Categorical => ProfileSummary::Categorical(categorical(&fields, rows)?),
    };
    Ok(ColumnProfile { name: name.to_owned(), role, summary })
}

fn numeric(fields: &Fields<'_>, rows: u64) -> Result<NumericProfile, Fault> {
    let maybe = |name| fields.optional(name, Fields::number);
    let profile = NumericProfile {
        finite: fields.count("finite")?,
        null: fields.count("null")?,
        nan: fields.count("nan")?,
        pos_inf: fields.count("pos_inf")?,
        neg_inf: fields.count("neg_inf")?,
        type_error: fields.count("type_error")?,
        zero: fields.count("zero")?,
        mean: maybe("mean")?,
        m2: maybe("m2")?,
        min: maybe("min")?,
        max: maybe("max")?,
        q001: maybe("q001")?,
        q999: maybe("q999")?,
        distinct: fields.number("distinct")?,
        edges: fields.numbers("edges", MOST_EDGES)?,
        counts: fields.counts("counts", MOST_EDGES + 1)?,
        quantiles: fields.optional("quantiles", sketch)?.map(str::to_owned),
    };
    let NumericProfile { finite, null, nan, pos_inf, neg_inf, type_error, .. } = profile;
    fields.sum(
        &["finite", "null", "nan", "pos_inf", "neg_inf", "type_error"],
        &[finite, null, nan, pos_inf, neg_inf, type_error],
        rows,
    )?;
    fields.sum(&["counts"], &profile.counts, finite)?;
    if profile.counts.len() != profile.edges.len() + 1 {
        let expected = format!("{} counts, one more than edges", profile.edges.len() + 1);
        return Err(Fault::malformed(fields.place("counts"), expected, profile.counts.len().to_string()));
    }
    for (name, value) in [("min", profile.min), ("max", profile.max)] {
        if value.is_none() && finite > 0 {
            return Err(Fault::malformed(fields.place(name), "a number, as there are finite values", "none"));
        }
    }
    match profile.shared_edges() {
        Ok(_) => Ok(profile),
        Err(error) => Err(Fault::malformed(fields.place("edges"), "finite numbers that increase", error.to_string())),
    }
}

/// A KLL sketch that can be read.
fn sketch<'a>(fields: &Fields<'a>, name: &str) -> Result<&'a str, Fault> {
    let text = fields.text(name, MOST_SKETCH)?;
    let bytes =
        STANDARD.decode(text).map_err(|error| Fault::malformed(fields.place(name), "base64", error.to_string()))?;
    match Quantiles::from_bytes(&bytes) {
        Ok(_) => Ok(text),
        Err(error) => Err(Fault::malformed(fields.place(name), "a sketch of quantiles", error.to_string())),
    }
}

fn categorical(fields: &Fields<'_>, rows: u64) -> Result<CategoricalProfile, Fault> {
    let values = fields.list("values", MOST_VALUES)?;
    let values: Option<Vec<String>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    let Some(values) = values else {
        return Err(Fault::malformed(fields.place("values"), "a list of texts", words(fields.get("values")?)));
    };
    if let Some(twice) =
        values.iter().enumerate().find(|(at, value)| values.iter().take(*at).any(|other| other == *value))
    {
        return Err(Fault::malformed(fields.place("values"), "each value once", format!("'{}' twice", twice.1)));
    }
    let maybe = |name| fields.optional(name, Fields::count);
    let profile = CategoricalProfile {
        present: fields.count("present")?,
        null: fields.count("null")?,
        type_error: fields.count("type_error")?,
        distinct: fields.number("distinct")?,
        values,
        counts: fields.counts("counts", MOST_VALUES)?,
        other: fields.count("other")?,
        shortest: maybe("shortest")?,
        longest: maybe("longest")?,
    };
    if profile.counts.len() != profile.values.len() {
        let expected = format!("{} counts, one per value", profile.values.len());
        return Err(Fault::malformed(fields.place("counts"), expected, profile.counts.len().to_string()));
    }
    let CategoricalProfile { present, null, type_error, other, .. } = profile;
    fields.sum(&["present", "null", "type_error"], &[present, null, type_error], rows)?;
    let counts: Vec<u64> = profile.counts.iter().copied().chain([other]).collect();
    fields.sum(&["counts", "other"], &counts, present)?;
    Ok(profile)
}
