//! A version's figures for the metrics, made when a pane has closed.

use super::opinion::outcomes;
use super::watched::Watched;
use crate::monitor::drift::{Compared, Status};
use crate::monitor::history::{Detail, Span};
use crate::monitor::tap::scores::{ColumnScores, Scores};
use std::sync::Arc;

impl Watched {
    /// Compares the last hour with the reference and publishes what came of it.
    pub fn publish(&self, now: u64) {
        let window = self.history.window(Span::Hour, now, Detail::Counts);
        let restless = self.opinions.overdispersion(Span::Hour);
        let standing = self.opinions.last(Span::Hour).map(|judged| &judged.verdict);
        let columns = self.columns.iter().zip(outcomes(&self.baseline, &window, restless)).enumerate();
        let scores = columns.filter_map(|(at, (column, outcome))| {
            let compared = outcome.ok()?;
            let finding = standing.and_then(|verdict| verdict.columns.get(at));
            Some(ColumnScores {
                name: column.name.clone(),
                role: column.role,
                status: finding.map_or(Status::Insufficient, |finding| finding.status),
                statistics: statistics(&compared),
                missing_ratio: compared.missing_cur,
            })
        });
        let standings = Span::ALL.iter().filter_map(|span| {
            let verdict = &self.opinions.last(*span)?.verdict;
            Some((*span, verdict.status, verdict.drifted))
        });
        let rule = &self.subject.settings.rule;
        let rows = self.whole.iter().flat_map(|whole| whole.findings(Span::Hour, now, rule));
        let streams = self.streams.facts().into_iter().map(|one| (one.column, one.detector.name(), one.changes));
        let scores = Scores {
            columns: scores.collect(),
            rows: rows.filter_map(|finding| Some((finding.method, finding.effect?))).collect(),
            streams: streams.collect(),
            standings: standings.collect(),
        };
        self.tap().scores.store(Arc::new(scores));
    }
}

fn statistics(compared: &Compared) -> Vec<(&'static str, f64)> {
    let known =
        [("psi", Some(compared.psi_corrected)), ("js", Some(compared.js)), ("ks", compared.ks), ("w1", compared.w1)];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
