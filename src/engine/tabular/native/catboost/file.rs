//! The members of a CatBoost file that say how to predict; all others are skipped.

use crate::engine::tabular::native::document::{Document, Fault};
use crate::engine::tabular::native::names::Names;
use crate::json::{Kind, Reader};
use std::sync::Arc;

/// What was read, before any of it is held against the rest.
#[derive(Default)]
pub struct File {
    pub columns: Vec<Column>,
    /// Kinds of columns that are there and that are not read.
    pub strange: Vec<String>,
    pub trees: Vec<Symmetric>,
    /// Whether trees that are not symmetric were met.
    pub lopsided: bool,
    pub scale: f64,
    pub bias: Vec<f64>,
    pub loss: String,
    pub classes: Names,
}

/// A numeric column.
#[derive(Default)]
pub struct Column {
    pub place: i64,
    pub name: String,
    /// Whether a missing value counts as larger than any border.
    pub missing_high: bool,
}

/// A tree that asks the same question everywhere on a level.
#[derive(Default)]
pub struct Symmetric {
    pub splits: Vec<(i64, f32)>,
    pub leaves: Vec<f64>,
    /// Whether every split is by a border of a numeric column.
    pub numeric: bool,
}

pub fn read(reader: &mut Reader<'_>) -> Result<File, Fault> {
    let mut file = File { scale: 1.0, ..File::default() };
    reader.object(|reader, key| -> Result<(), Fault> {
        match &*key {
            "features_info" => features(reader, &mut file)?,
            "oblivious_trees" => Document::array(reader, |reader| {
                let place = format!("tree {}", file.trees.len());
                file.trees.push(tree(reader).map_err(|fault| fault.at(place))?);
                Ok(())
            })?,
            "trees" => {
                file.lopsided = true;
                reader.skip()?;
            }
            "scale_and_bias" => scale_and_bias(reader, &mut file)?,
            "model_info" => info(reader, &mut file)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(file)
}

fn features(reader: &mut Reader<'_>, file: &mut File) -> Result<(), Fault> {
    reader.object(|reader, key| match &*key {
        "float_features" => Document::array(reader, |reader| {
            file.columns.push(column(reader)?);
            Ok(())
        }),
        kind if kind.ends_with("_features") => {
            file.strange.push(kind.trim_end_matches("_features").to_owned());
            Ok(reader.skip()?)
        }
        _ => Ok(reader.skip()?),
    })
}

fn column(reader: &mut Reader<'_>) -> Result<Column, Fault> {
    let mut column = Column::default();
    reader.object(|reader, key| -> Result<(), Fault> {
        match &*key {
            "flat_feature_index" => column.place = reader.integer()?,
            "feature_id" => column.name = reader.text()?,
            "nan_value_treatment" => column.missing_high = reader.text()? == "AsTrue",
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(column)
}

fn tree(reader: &mut Reader<'_>) -> Result<Symmetric, Fault> {
    let mut tree = Symmetric { numeric: true, ..Symmetric::default() };
    reader.object(|reader, key| -> Result<(), Fault> {
        match &*key {
            "leaf_values" => tree.leaves = doubles(reader)?,
            // A tree of a single leaf has none.
            "splits" if reader.peek()? == Kind::Null => reader.null()?,
            "splits" => Document::array(reader, |reader| split(reader, &mut tree))?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(tree)
}

fn split(reader: &mut Reader<'_>, tree: &mut Symmetric) -> Result<(), Fault> {
    let (mut column, mut border) = (-1, f32::NAN);
    reader.object(|reader, key| -> Result<(), Fault> {
        match &*key {
            "border" => border = reader.float()?,
            "float_feature_index" => column = reader.integer()?,
            "split_type" => tree.numeric &= reader.text()? == "FloatFeature",
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    tree.splits.push((column, border));
    Ok(())
}

/// `[scale, [bias, ..]]`; the bias stands bare in files from before 0.24.
fn scale_and_bias(reader: &mut Reader<'_>, file: &mut File) -> Result<(), Fault> {
    let mut first = true;
    Document::array(reader, |reader| {
        match (std::mem::take(&mut first), reader.peek()?) {
            (true, _) => file.scale = double(reader)?,
            (false, Kind::Array) => file.bias = doubles(reader)?,
            (false, _) => file.bias.push(double(reader)?),
        }
        Ok(())
    })
}

fn doubles(reader: &mut Reader<'_>) -> Result<Vec<f64>, Fault> {
    let mut values = Vec::new();
    Document::array(reader, |reader| {
        values.push(double(reader)?);
        Ok(())
    })?;
    Ok(values)
}

fn double(reader: &mut Reader<'_>) -> Result<f64, Fault> {
    let before = reader.fork();
    fast_float2::parse(reader.number()?).map_err(|_| before.error("a number").into())
}

fn info(reader: &mut Reader<'_>, file: &mut File) -> Result<(), Fault> {
    reader.object(|reader, key| -> Result<(), Fault> {
        match &*key {
            "params" if reader.peek()? == Kind::Object => member(reader, "loss_function", |reader| {
                member(reader, "type", |reader| {
                    file.loss = reader.text()?;
                    Ok(())
                })
            })?,
            "class_params" if reader.peek()? == Kind::Object => member(reader, "class_names", |reader| {
                file.classes = names(reader)?;
                Ok(())
            })?,
            _ => reader.skip()?,
        }
        Ok(())
    })
}

/// Reads one member of an object and skips the others.
fn member(
    reader: &mut Reader<'_>,
    name: &str,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    Document::object(reader, |reader, key| if key == name { read(reader) } else { Document::skip(reader) })
}

fn names(reader: &mut Reader<'_>) -> Result<Names, Fault> {
    let (mut ints, mut texts) = (Vec::new(), Vec::new());
    Document::array(reader, |reader| {
        match reader.peek()? {
            Kind::String => texts.push(Arc::from(reader.text()?)),
            _ => ints.push(reader.integer()?),
        }
        Ok(())
    })?;
    match (ints.is_empty(), texts.is_empty()) {
        (true, true) => Ok(Names::Counted),
        (false, true) => Ok(Names::Ints(ints)),
        (true, false) => Ok(Names::Texts(texts)),
        (false, false) => Err(Fault("class_names are partly numbers and partly texts".into())),
    }
}
