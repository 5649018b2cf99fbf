//! A report from what was counted and judged. Nothing is decided here: statuses come from the judge.

use super::fold;
use super::known::Known;
use super::model::{
    Against, ColumnReport, ColumnViolation, Common, Effect, Facts, Judged, ModelFacts, Prediction, Primary, Quality,
    Quantile, Rate, Rates, ReferenceFacts, Report, SCHEMA, Sides, Stats, Summary, WindowFacts,
};
use crate::monitor::column::{Column, Role};
use crate::monitor::drift::quality::{Floors, violations};
use crate::monitor::drift::{Compared, Finding, Outcome, Status, Verdict};
use crate::monitor::history::{Window, WindowColumn};
use crate::monitor::reference::{Profile, SourceKind};
use crate::monitor::rows;
use std::time::{Duration, SystemTime};

/// Quantiles that are told.
const SHARES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
/// Columns whose reasons stand in the summary.
const TOLD: usize = 5;

/// All that a report is made from. Slices go by column, in the order of `columns`.
#[derive(Clone, Debug)]
pub struct Material<'a> {
    pub model: ModelFacts,
    /// `5m`, `1h`, `24h`.
    pub window_name: &'a str,
    pub window: &'a Window,
    /// The share of rows that is taken now.
    pub sampling: f64,
    pub columns: &'a [Column],
    pub reference: Option<ReferenceFacts>,
    /// The side that each column is compared with; `None` where there is none.
    pub known: &'a [Option<Known>],
    pub outcomes: &'a [Outcome],
    /// What this window alone says.
    pub alone: &'a Verdict,
    /// What was said of the last windows that closed, and of which last.
    pub closed: Option<(&'a Verdict, u64, u64)>,
    /// Compared with the window before, and with the same hour a week ago.
    pub previous: Option<&'a [Option<Compared>]>,
    pub last_week: Option<&'a [Option<Compared>]>,
    pub rows: &'a [rows::Finding],
    pub streams: &'a [rows::StreamFacts],
    pub floors: &'a Floors,
    /// What else is to be told: columns without a reference, files set aside.
    pub warnings: Vec<String>,
    pub now: SystemTime,
}

impl ReferenceFacts {
    pub fn of_profile(profile: &Profile) -> Self {
        Self {
            kind: match profile.source.kind {
                SourceKind::File => "file",
                SourceKind::Window => "window",
            },
            name: profile.source.name.clone(),
            id: Some(profile.id.clone()),
            sha256: profile.source.sha256.clone(),
            n: profile.rows as f64,
            created: Some(profile.created.clone()),
        }
    }
}

impl Report {
    pub fn build(material: &Material<'_>) -> Self {
        let (verdict, judged) = match material.closed {
            Some((verdict, start, end)) => (verdict, Judged { by: "closed", start: time(start), end: time(end) }),
            None => (material.alone, material.judged_alone()),
        };
        let mut found = Quality::default();
        let mut columns: Vec<ColumnReport> = Vec::new();
        for (at, (column, counted)) in material.columns.iter().zip(&material.window.columns).enumerate() {
            let part = Part { material, at, column, counted, finding: verdict.columns.get(at) };
            found.violations.extend(part.violations());
            columns.push(part.report());
        }
        columns.sort_by(|a, b| b.status.cmp(&a.status).then_with(|| b.score().total_cmp(&a.score())));
        let summary = Summary {
            status: verdict.status,
            reasons: reasons(verdict, &columns),
            drifted: verdict.drifted,
            monitored: verdict.monitored,
            share: verdict.share,
            method: verdict.method,
            q: verdict.q,
            judged,
        };
        let (features, others): (Vec<_>, Vec<_>) = columns.into_iter().partition(|column| column.role == Role::Input);
        let status = others.iter().map(|column| column.status).max().unwrap_or(Status::Insufficient);
        Self {
            schema: SCHEMA,
            generated: humantime::format_rfc3339_seconds(material.now).to_string(),
            model: material.model.clone(),
            window: material.window_facts(),
            reference: material.reference.clone(),
            summary,
            features,
            prediction: Prediction { status, columns: others },
            quality: found,
            rows: material.rows.to_vec(),
            streams: material.streams.iter().map(told).collect(),
            warnings: material.warnings.clone(),
        }
    }
}

impl Material<'_> {
    fn judged_alone(&self) -> Judged {
        Judged { by: "alone", start: time(self.window.start_ms), end: time(self.window.end_ms) }
    }

    fn window_facts(&self) -> WindowFacts {
        let window = self.window;
        WindowFacts {
            name: self.window_name.to_owned(),
            start: time(window.start_ms),
            end: time(window.end_ms),
            n: window.rows,
            n_eff: window.n_eff(),
            sampled: window.sampled,
            offered: window.offered,
            dropped: window.dropped,
            sampling: self.sampling,
            degraded: window.degraded(),
        }
    }
}

fn time(ms: u64) -> String {
    // Times beyond the year 9999 cannot be written; nobody has any.
    let ms = ms.min(253_402_300_799_000);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

fn told(facts: &rows::StreamFacts) -> rows::StreamFacts {
    rows::StreamFacts { last_change: facts.last_ms.map(time), ..facts.clone() }
}

/// The verdict in words, then what matters most in the columns that made it.
fn reasons(verdict: &Verdict, columns: &[ColumnReport]) -> Vec<String> {
    let Verdict { drifted, monitored, share, method, q, .. } = verdict;
    let mut reasons = vec![match (*monitored, *drifted) {
        (0, _) => "no column could be judged".to_owned(),
        (_, 0) => format!("none of {monitored} columns has drifted ({method}, q {q})"),
        _ => format!("{drifted} of {monitored} columns have drifted: {:.0} % ({method}, q {q})", 100.0 * share),
    }];
    for column in columns.iter().filter(|column| column.status.is_alarm()).take(TOLD) {
        // What has changed stands behind the numbers that made the decision.
        let change = column.reasons.get(3).or(column.reasons.first()).map_or("", String::as_str);
        reasons.push(format!("{} is {}: {change}", column.name, column.status.name()));
    }
    reasons
}

/// One column, with what belongs to it.
struct Part<'a> {
    material: &'a Material<'a>,
    at: usize,
    column: &'a Column,
    counted: &'a WindowColumn,
    finding: Option<&'a Finding>,
}

impl Part<'_> {
    fn reference(&self) -> Option<&Known> {
        self.material.known.get(self.at)?.as_ref()
    }

    fn current(&self) -> Known {
        Known::of_window(self.material.window, self.counted)
    }

    fn violations(&self) -> Vec<ColumnViolation> {
        let Some(reference) = self.reference() else { return Vec::new() };
        let found = violations(&reference.tally(), &self.current().tally(), self.material.floors);
        let column = |violation| ColumnViolation { column: self.column.name.clone(), violation };
        found.into_iter().map(column).collect()
    }

    fn report(&self) -> ColumnReport {
        let (reference, current) = (self.reference(), self.current());
        let compared = self.material.outcomes.get(self.at).and_then(|outcome| outcome.as_ref().ok());
        let alone = self.material.alone.columns.get(self.at);
        let effect = |others: Option<&[Option<Compared>]>| others?.get(self.at)?.as_ref().map(Effect::of);
        let (hist, edges) = self.histogram(reference, &current);
        ColumnReport {
            name: self.column.name.clone(),
            role: self.column.role,
            r#type: self.column.kind,
            status: self.finding.map_or(Status::Insufficient, |finding| finding.status),
            window_status: alone.map_or(Status::Insufficient, |finding| finding.status),
            primary: compared.map(|compared| Primary::of(compared, alone)),
            stats: compared.map(Stats::of),
            against: Against { previous: effect(self.material.previous), last_week: effect(self.material.last_week) },
            reasons: self.finding.map(|finding| finding.reasons.clone()).unwrap_or_default(),
            quality: Rates::of(reference, &current),
            hist,
            quantiles: edges.map(|edges| quantiles(edges, reference, &current)).unwrap_or_default(),
            summary: Sides { reference: reference.map(Facts::of), current: Facts::of(&current) },
        }
    }

    /// The histogram, and the edges of a numeric column.
    fn histogram(&self, reference: Option<&Known>, current: &Known) -> (Option<super::Histogram>, Option<&[f64]>) {
        match self.counted {
            WindowColumn::Numeric(column) => {
                let edges = column.edges.as_ref().map(|edges| edges.as_slice());
                (edges.and_then(|edges| fold::numeric(edges, reference, current)), Some(edges.unwrap_or_default()))
            }
            WindowColumn::Categorical(column) => {
                (fold::categorical(column.dictionary.values(), reference, current), None)
            }
        }
    }
}

fn quantiles(edges: &[f64], reference: Option<&Known>, current: &Known) -> Vec<Quantile> {
    let both = |share| Quantile {
        share,
        reference: reference.and_then(|reference| fold::quantile(edges, reference, share)),
        current: fold::quantile(edges, current, share),
    };
    SHARES.into_iter().map(both).filter(|one| one.reference.is_some() || one.current.is_some()).collect()
}

impl ColumnReport {
    /// By which columns of one status are put in order.
    fn score(&self) -> f64 {
        self.primary.as_ref().map_or(-1.0, |primary| primary.effect_corrected)
    }
}

impl Primary {
    fn of(compared: &Compared, finding: Option<&Finding>) -> Self {
        Self {
            stat: "psi",
            value: compared.psi,
            effect_corrected: compared.psi_corrected,
            p: compared.p,
            p_adj: finding.and_then(|finding| finding.p_adjusted),
            threshold: finding.map_or(0.0, |finding| finding.floor),
        }
    }
}

impl Effect {
    fn of(compared: &Compared) -> Self {
        Self { psi: compared.psi, effect_corrected: compared.psi_corrected, p: compared.p }
    }
}

impl Stats {
    fn of(compared: &Compared) -> Self {
        let Compared { psi, js, hellinger, tvd, linf, chi2, df, p_chi2, .. } = *compared;
        let Compared { ks, ks_upper, p_ks, w1, mean_shift, n_ref, n_cur, .. } = *compared;
        Self { psi, js, hellinger, tvd, linf, chi2, df, p_chi2, ks, ks_upper, p_ks, w1, mean_shift, n_ref, n_cur }
    }
}

impl Rates {
    fn of(reference: Option<&Known>, current: &Known) -> Self {
        let rate = |count: fn(&Known) -> f64| Rate {
            reference: reference.map(|reference| reference.share(count(reference))),
            current: current.share(count(current)),
        };
        Self {
            missing: rate(Known::missing),
            nan: rate(|known| known.nan),
            infinite: rate(|known| known.infinite),
            type_error: rate(|known| known.type_error),
            zero: rate(|known| known.zero),
            out_of_range: rate(|known| known.out_of_range),
            unseen: rate(|known| known.unseen),
        }
    }
}

impl Facts {
    fn of(known: &Known) -> Self {
        let common = |(value, count): &(String, f64)| Common { value: value.clone(), share: known.share(*count) };
        Self {
            n: known.rows,
            missing: known.missing(),
            unique: known.distinct,
            min: known.min,
            max: known.max,
            mean: known.mean,
            std: known.deviation,
            most_common: known.common.iter().take(5).map(common).collect(),
        }
    }
}
