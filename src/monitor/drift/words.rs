//! A judgement in words: the numbers that made it, and what has changed in which direction.

use super::compare::Compared;
use super::judge::{Finding, Shortage};
use super::rule::{Rule, Status};

/// A statement about a part of the change is made at this chance of being wrong.
const SURE: f64 = 0.001;
/// The same for a standard normal score, either way.
const SURE_SCORE: f64 = 3.29;

/// A comparison with what is needed to say how it was judged.
pub(super) struct Judged<'a> {
    pub compared: &'a Compared,
    pub rule: &'a Rule,
    pub method: &'static str,
    /// Columns over which p values were adjusted.
    pub columns: usize,
}

impl Judged<'_> {
    pub fn reasons(&self, finding: &Finding, name: &dyn Fn(usize) -> String) -> Vec<String> {
        let mut reasons = vec![self.size(finding), self.chance(finding), self.persistence(finding)];
        if finding.window.is_alarm() || finding.status.is_alarm() {
            reasons.extend(changes(self.compared, name));
        }
        reasons
    }

    fn size(&self, finding: &Finding) -> String {
        let Compared { psi, psi_corrected, n_ref, n_cur, .. } = self.compared;
        let place = if *psi_corrected > finding.floor { "above" } else { "not above" };
        format!(
            "PSI {psi:.4}, {psi_corrected:.4} when corrected for chance: {place} the floor of {} for {} ({n_cur:.0} rows against {n_ref:.0})",
            finding.floor,
            finding.status.max(Status::Notice).name()
        )
    }

    fn chance(&self, finding: &Finding) -> String {
        let p = finding.p_adjusted.unwrap_or(1.0);
        let judgement = if p <= self.rule.q { "more than chance" } else { "may be chance" };
        format!("{judgement}: p {p:.2e} after {} over {} columns, q {}", self.method, self.columns, self.rule.q)
    }

    fn persistence(&self, finding: &Finding) -> String {
        let Finding { hits, of, status, .. } = finding;
        let level = status.max(&Status::Notice).name();
        if status.is_alarm() && *hits < self.rule.persist {
            let clean = self.rule.resolve;
            return format!(
                "{level} is kept until {clean} windows in a row are below {} of its floor",
                self.rule.hysteresis
            );
        }
        format!("{level} or above in {hits} of the last {of} windows judged; {} are needed", self.rule.persist)
    }
}

/// What has changed, and where to: one sentence for each part of the change that is surely there.
pub fn changes(compared: &Compared, name: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut told = Vec::new();
    let sure = |p: Option<f64>| p.is_some_and(|p| p <= SURE);
    if sure(compared.p_missing) {
        told.push(format!(
            "the share of missing values went from {} to {}",
            percent(compared.missing_ref),
            percent(compared.missing_cur)
        ));
    }
    if let Some(location) = compared.location.filter(|score| score.abs() > SURE_SCORE) {
        let mean = compared.mean_shift.map(|shift| format!(" (mean {shift:+.2} standard deviations)"));
        told.push(format!(
            "values lie {}{}",
            if location > 0.0 { "higher" } else { "lower" },
            mean.unwrap_or_default()
        ));
    }
    if let Some(spread) = compared.spread.filter(|score| score.abs() > SURE_SCORE) {
        told.push(format!("values lie {}", if spread > 0.0 { "wider apart" } else { "closer together" }));
    }
    if sure(compared.p_rare) {
        told.push("the share of values that are rare or absent in the reference has changed".into());
    }
    let of_category = compared.moved.cell.filter(|_| compared.ks.is_none() && compared.p_chi2 <= SURE);
    if let Some(cell) = of_category {
        let (from, to) = (percent(compared.moved.from), percent(compared.moved.to));
        told.push(format!("the share of {} went from {from} to {to}", name(cell)));
    }
    told
}

/// Why nothing could be said, and what was said before.
pub(super) fn shortage(shortage: Shortage, standing: Status) -> Vec<String> {
    let why = match shortage {
        Shortage::Rows { rows, least } => format!("{rows:.0} rows in this window; {least:.0} are needed"),
        Shortage::Reference { rows, least } => format!("{rows:.0} rows in the reference; {least:.0} are needed"),
        Shortage::Lost { share } => {
            format!("{} of the sample was lost; what is left may not stand for it", percent(share))
        }
        Shortage::Incomparable => "there is no reference that this window can be compared with".into(),
    };
    let before = standing.is_alarm().then(|| format!("{} when last judged", standing.name()));
    [Some(why), before].into_iter().flatten().collect()
}

pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent != 0.0 && percent < 0.1 { format!("{percent:.3} %") } else { format!("{percent:.1} %") }
}
