//! A profile put beside the columns of a model: by name and role, whatever their order.

use super::build::few;
use super::profile::{CategoricalProfile, ColumnProfile, NumericProfile, Profile, ProfileSummary};
use crate::monitor::column::{Column, Kind, Role};

/// What a profile has to say of each of a model's columns.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// In the order of the model's columns; `None` where the profile has nothing on that column.
    pub columns: Vec<Option<ColumnProfile>>,
    /// What does not go together, in words.
    pub notes: Vec<String>,
}

impl Profile {
    /// Finds each column's profile. Inputs that are missing, columns that the model does not have and
    /// columns of another kind are noted; the rest is of use all the same.
    pub fn fit(&self, columns: &[Column]) -> Fitted {
        let mut fitted = Fitted { columns: Vec::new(), notes: Vec::new() };
        let mut missing = Vec::new();
        for column in columns {
            let found = self.columns.iter().find(|other| other.name == column.name && other.role == column.role);
            // Answers and latencies are seldom part of training data: nothing to tell of.
            if found.is_none() && column.role == Role::Input {
                missing.push(&column.name);
            }
            let adapted = found.and_then(|found| match adapt(found, column.kind) {
                Ok(profile) => Some(profile),
                Err(words) => {
                    fitted.notes.push(words);
                    None
                }
            });
            fitted.columns.push(adapted);
        }
        if !missing.is_empty() {
            fitted.notes.push(format!("columns of the model that it does not have: {}", few(&missing)));
        }
        let known = |one: &&ColumnProfile| columns.iter().any(|c| c.name == one.name && c.role == one.role);
        let extra: Vec<&String> = self.columns.iter().filter(|one| !known(one)).map(|one| &one.name).collect();
        if !extra.is_empty() {
            fitted.notes.push(format!("columns that the model does not have: {}", few(&extra)));
        }
        fitted
    }
}

/// The column as the kind that the model takes.
fn adapt(profile: &ColumnProfile, kind: Kind) -> Result<ColumnProfile, String> {
    let summary = match (&profile.summary, kind) {
        (ProfileSummary::Numeric(_), Kind::Numeric) | (ProfileSummary::Categorical(_), Kind::Categorical) => {
            return Ok(profile.clone());
        }
        (ProfileSummary::Categorical(texts), Kind::Numeric) => truths(texts).map(ProfileSummary::Numeric),
        (ProfileSummary::Numeric(_), Kind::Categorical) => None,
    };
    match summary {
        Some(summary) => Ok(ColumnProfile { summary, ..profile.clone() }),
        None => Err(format!(
            "column '{}' is {} in it, but {} in the model: build it from the data, or give the model's kinds",
            profile.name,
            profile.kind().name(),
            kind.name()
        )),
    }
}

/// A column of truths as the numbers 0 and 1.
fn truths(texts: &CategoricalProfile) -> Option<NumericProfile> {
    let (mut zeros, mut ones) = (0, 0);
    for (value, count) in texts.values.iter().zip(&texts.counts) {
        match super::build::spelled_bool(value)? {
            true => ones += count,
            false => zeros += count,
        }
    }
    let finite = Some(zeros + ones).filter(|n| *n > 0 && texts.other == 0)?;
    let mean = ones as f64 / finite as f64;
    let (min, max) = (f64::from(u8::from(zeros == 0)), f64::from(u8::from(ones > 0)));
    Some(NumericProfile {
        finite,
        null: texts.null,
        type_error: texts.type_error,
        zero: zeros,
        mean: Some(mean),
        m2: Some(finite as f64 * mean * (1.0 - mean)),
        min: Some(min),
        max: Some(max),
        q001: Some(min),
        q999: Some(max),
        distinct: if zeros > 0 && ones > 0 { 2.0 } else { 1.0 },
        edges: vec![-0.5, 0.5, 1.5],
        counts: vec![0, zeros, ones, 0],
        ..NumericProfile::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::reference::profile::{Source, SourceKind};

    fn categorical(name: &str, role: Role, values: &[(&str, u64)]) -> ColumnProfile {
        let present = values.iter().map(|(_, count)| count).sum();
        let (values, counts) = values.iter().map(|(value, count)| ((*value).to_owned(), *count)).unzip();
        let summary = CategoricalProfile { present, values, counts, ..CategoricalProfile::default() };
        ColumnProfile { name: name.into(), role, summary: ProfileSummary::Categorical(summary) }
    }

    fn profile(columns: Vec<ColumnProfile>) -> Profile {
        let source = Source { kind: SourceKind::File, name: "x.csv".into(), sha256: None };
        Profile::new(4, 4.0, source, String::new(), columns)
    }

    fn column(name: &str, role: Role, kind: Kind) -> Column {
        Column { name: name.into(), role, kind }
    }

    #[test]
    fn columns_are_found_by_name_and_role_and_the_rest_is_noted() {
        let input = |name| categorical(name, Role::Input, &[("a", 4)]);
        let profile = profile(vec![input("b"), input("old"), input("a")]);
        let wanted = [
            column("a", Role::Input, Kind::Categorical),
            column("new", Role::Input, Kind::Numeric),
            column("b", Role::Output, Kind::Categorical),
        ];
        let fitted = profile.fit(&wanted);
        let names: Vec<_> = fitted.columns.iter().map(|one| one.as_ref().map(|one| one.name.as_str())).collect();
        assert_eq!(names, [Some("a"), None, None]);
        let notes = ["columns of the model that it does not have: new", "columns that the model does not have: b, old"];
        assert_eq!(fitted.notes, notes);
    }

    #[test]
    fn truths_serve_as_numbers_and_other_texts_do_not() {
        let truths = categorical("t", Role::Input, &[("True", 3), ("False", 1)]);
        let texts = categorical("x", Role::Input, &[("red", 4)]);
        let wanted = [column("t", Role::Input, Kind::Numeric), column("x", Role::Input, Kind::Numeric)];
        let fitted = profile(vec![truths, texts]).fit(&wanted);
        let Some(Some(ColumnProfile { summary: ProfileSummary::Numeric(numeric), .. })) = fitted.columns.first() else {
            panic!("{fitted:?}");
        };
        assert_eq!((numeric.mean, numeric.m2, numeric.zero), (Some(0.75), Some(0.75), 1));
        assert_eq!(numeric.counts, [0, 1, 3, 0]);
        assert!(fitted.columns.get(1).is_some_and(Option::is_none));
        assert!(fitted.notes.iter().any(|note| note.contains("'x' is categorical in it, but numeric in the model")));
    }
}
