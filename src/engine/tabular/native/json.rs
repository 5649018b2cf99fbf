//! `model.json`: whose it is, told by its first members.

use super::document::{Fault, MOST_DEPTH};
use super::model::Parts;
use super::{catboost, xgboost};
use crate::engine::LoadError;
use crate::json::{JsonError, Reader};

/// Reads a JSON model file.
pub fn read(bytes: &[u8]) -> Result<Parts, LoadError> {
    match writer(bytes) {
        Some(Writer::Xgboost) => {
            let mut reader = Reader::new(bytes, MOST_DEPTH);
            let file = xgboost::read(&mut reader).map_err(malformed)?;
            reader.finish().map_err(|error| malformed(error.into()))?;
            xgboost::parts(file)
        }
        Some(Writer::Catboost) => {
            let mut reader = Reader::new(bytes, MOST_DEPTH);
            let broken = |words: String| LoadError::native("CatBoost", words);
            let file = catboost::read(&mut reader).map_err(|fault| broken(fault.0))?;
            reader.finish().map_err(|error| broken(error.to_string()))?;
            catboost::parts(file)
        }
        None => {
            let words = "expected XGBoost's JSON, with the member 'learner', or CatBoost's, with 'features_info'";
            Err(LoadError::native("JSON tree", words.into()))
        }
    }
}

fn malformed(fault: Fault) -> LoadError {
    LoadError::native("XGBoost", fault.0)
}

enum Writer {
    Xgboost,
    Catboost,
}

/// Looks at the keys up to the first that tells; values before it are skipped.
fn writer(bytes: &[u8]) -> Option<Writer> {
    let mut found = None;
    // The look ends by an error of its own as soon as it knows.
    let stop = |reader: &Reader<'_>| Err::<(), JsonError>(reader.error("no more"));
    let _: Result<(), JsonError> = Reader::new(bytes, MOST_DEPTH).object(|reader, key| match &*key {
        "learner" => {
            found = Some(Writer::Xgboost);
            stop(reader)
        }
        "features_info" | "oblivious_trees" => {
            found = Some(Writer::Catboost);
            stop(reader)
        }
        _ => reader.skip(),
    });
    found
}
