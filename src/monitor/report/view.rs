//! The report of what the collector tells of a version under watch.

use super::{Known, Material, ModelFacts, ReferenceFacts, Report};
use crate::monitor::collect::View;
use crate::monitor::column::Role;
use crate::monitor::drift::quality::Floors;
use std::time::SystemTime;

impl View {
    /// All of it as a report.
    pub fn report(&self) -> Report {
        let known = self.known();
        let model = ModelFacts {
            name: self.model.clone(),
            version: self.version.clone(),
            variant: None,
            digest: Some(self.digest.clone()),
        };
        Report::build(&Material {
            model,
            window_name: self.span.name(),
            window: &self.window,
            sampling: self.sampling,
            columns: &self.columns,
            reference: self.reference(),
            known: &known,
            outcomes: &self.outcomes,
            alone: &self.alone,
            closed: self.judged.as_ref().map(|judged| (&judged.verdict, judged.start_ms, judged.end_ms)),
            previous: self.previous.as_deref(),
            last_week: self.last_week.as_deref(),
            floors: &Floors::default(),
            warnings: self.warnings(),
            now: SystemTime::now(),
        })
    }

    /// What each column is compared with: the profile, or the rows that stand in for it.
    fn known(&self) -> Vec<Option<Known>> {
        let baseline = &self.baseline;
        let own = |at: usize| {
            let side = baseline.sides.get(at)?.as_ref()?;
            let some = |x: f64| Some(x).filter(|x| x.is_finite());
            Some(Known {
                rows: side.cells.iter().sum::<f64>() + side.missing,
                n_eff: side.n_eff,
                null: side.missing,
                cells: side.cells.clone(),
                mean: some(side.mean),
                deviation: some(side.std),
                min: some(side.min),
                max: some(side.max),
                ..Known::default()
            })
        };
        let profile = |at: usize| {
            let column = baseline.known.get(at)?.as_ref()?;
            Some(Known::of_profile(baseline.profile.as_ref()?, column))
        };
        (0..self.columns.len()).map(|at| profile(at).or_else(|| own(at))).collect()
    }

    fn reference(&self) -> Option<ReferenceFacts> {
        let baseline = &self.baseline;
        let profile = baseline.profile.as_ref().map(|profile| ReferenceFacts::of_profile(profile));
        profile.or_else(|| baseline.own.map(|own| ReferenceFacts::of_own(own.start_ms, own.end_ms, own.rows)))
    }

    fn warnings(&self) -> Vec<String> {
        let baseline = &self.baseline;
        let of_reference = |note: &String| format!("reference: {note}");
        let mut warnings: Vec<String> = baseline.notes.iter().map(of_reference).collect();
        let sides = self.columns.iter().zip(&baseline.sides);
        let waiting = sides.filter(|(column, side)| side.is_none() && column.role == Role::Input).count();
        if waiting > 0 {
            warnings.push(format!(
                "{waiting} inputs have no reference yet: the first rows after these are counted will stand in for it"
            ));
        }
        if baseline.profile.is_some()
            && let Some(own) = baseline.own
        {
            let ReferenceFacts { name, n, .. } = ReferenceFacts::of_own(own.start_ms, own.end_ms, own.rows);
            warnings
                .push(format!("columns that the reference does not have are compared with the {name} ({n:.0} rows)"));
        }
        warnings
    }
}
