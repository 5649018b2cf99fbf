//! When a change is worth telling: the settings of the decision, and what they decide about one window.

use super::compare::Compared;
use serde::{Deserialize, Serialize};

/// How a column stands, from the least to be said to the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Too little was seen to say anything. This is not `Ok`.
    Insufficient,
    #[default]
    Ok,
    Notice,
    Warning,
    Critical,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Insufficient => "insufficient",
            Self::Ok => "ok",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Whether somebody ought to know.
    pub fn is_alarm(self) -> bool {
        self >= Self::Notice
    }
}

/// A change counts in a window where it is both more than chance and large enough, and is told where it
/// counts in several windows.
///
/// More than chance: the p value, adjusted over all columns of the window, is at most `q`. Large enough:
/// PSI, less what chance gives, is above a floor. A test alone finds differences that matter to nobody as
/// rows grow; a distance alone finds noise as rows shrink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Share of false alarms among the columns found in a window.
    pub q: f64,
    /// Adjust for any dependence between columns (Benjamini-Yekutieli) instead of positive dependence.
    pub any_dependence: bool,
    /// Floors of the corrected PSI.
    pub notice: f64,
    pub warning: f64,
    pub critical: f64,
    /// A status is raised where `persist` of the last `of` judged windows are at it or above.
    pub persist: usize,
    pub of: usize,
    /// It is lowered after this many judged windows in a row below `hysteresis` times its floor.
    pub resolve: usize,
    pub hysteresis: f64,
    /// Effective rows that either side must have.
    pub min_rows: f64,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            q: 0.01,
            any_dependence: false,
            notice: 0.02,
            warning: 0.1,
            critical: 0.25,
            persist: 2,
            of: 3,
            resolve: 3,
            hysteresis: 0.8,
            min_rows: 100.0,
        }
    }
}

impl Rule {
    /// The corrected PSI above which a change is of this status; 0 where there is none.
    pub fn floor(&self, status: Status) -> f64 {
        match status {
            Status::Insufficient | Status::Ok => 0.0,
            Status::Notice => self.notice,
            Status::Warning => self.warning,
            Status::Critical => self.critical,
        }
    }

    /// What one window says of a column, with all floors multiplied by `lowered`.
    pub fn level(&self, compared: &Compared, p_adjusted: f64, lowered: f64) -> Status {
        let above = |status: &Status| compared.psi_corrected > lowered * self.floor(*status);
        let levels = [Status::Critical, Status::Warning, Status::Notice];
        levels.into_iter().find(above).filter(|_| p_adjusted <= self.q).unwrap_or(Status::Ok)
    }
}
