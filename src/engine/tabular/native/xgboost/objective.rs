//! XGBoost's objectives: how margins become answers, and how the base score becomes a margin.

use crate::engine::tabular::native::link::{Answer, Link};

/// What an objective means for prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    pub link: Link,
    pub answer: Answer,
    base: Base,
}

/// What a file's base score is. Since 1.0 it is written as the user gave it, in the units of the
/// answer, so it has to pass the inverse of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Margin,
    Log,
    Logit,
}

/// XGBoost's sigmoid stops here, before `exp` overflows an `f32`.
const SIGMOID: Link = Link::Sigmoid { scale: 1.0, limit: 88.7f32 as f64 };
/// XGBoost's `kRtEps`, which keeps a base score away from 0 and 1.
const EPSILON: f32 = 1e-6;

impl Objective {
    /// By the name in the file, and the version that wrote it; the error says the name alone, for the
    /// list of those known is long.
    pub fn new(name: &str, version: &[i64]) -> Result<Self, String> {
        let (link, answer, base) = match name {
            "reg:squarederror"
            | "reg:linear"
            | "reg:squaredlogerror"
            | "reg:pseudohubererror"
            | "reg:absoluteerror"
            | "reg:quantileerror"
            | "rank:pairwise"
            | "rank:ndcg"
            | "rank:map" => (Link::Identity, Answer::Values, Base::Margin),
            "reg:logistic" => (SIGMOID, Answer::Values, Base::Logit),
            "binary:logistic" => (SIGMOID, Answer::Classes, Base::Logit),
            // Up to 1.2 this objective took its base score for a probability.
            "binary:logitraw" if version < [1, 3].as_slice() => (Link::Identity, Answer::Values, Base::Logit),
            "binary:logitraw" => (Link::Identity, Answer::Values, Base::Margin),
            "binary:hinge" => (Link::Step, Answer::Classes, Base::Margin),
            "multi:softprob" | "multi:softmax" => (Link::Softmax, Answer::Classes, Base::Margin),
            "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
                (Link::Exp, Answer::Values, Base::Log)
            }
            "" => return Err("the file names no objective".into()),
            other => {
                let name = crate::text::shorten(other, 60);
                return Err(format!("objective '{name}' is not known, so its answers cannot be told from margins"));
            }
        };
        Ok(Self { link, answer, base })
    }

    /// The margins that each target starts from, computed in `f32` as XGBoost does.
    ///
    /// `text` is one number, or several in brackets; one serves for all targets.
    pub fn base_margins(&self, text: &str, targets: usize) -> Result<Vec<f64>, String> {
        let wrong =
            || format!("base_score: expected one number or {targets}, got \"{}\"", crate::text::shorten(text, 60));
        let inside = text.trim().trim_start_matches('[').trim_end_matches(']');
        let scores: Result<Vec<f32>, _> = inside.split(',').map(|score| score.trim().parse()).collect();
        let mut scores = scores.map_err(|_| wrong())?;
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(wrong());
        }
        if scores.len() == 1 {
            scores.resize(targets, scores[0]);
        }
        if scores.len() != targets {
            return Err(wrong());
        }
        scores.into_iter().map(|score| self.margin(score)).collect()
    }

    fn margin(&self, score: f32) -> Result<f64, String> {
        let margin = match self.base {
            Base::Margin => score,
            Base::Log => score.ln(),
            Base::Logit => -(1.0 / score.clamp(EPSILON, 1.0 - EPSILON) - 1.0).ln(),
        };
        match margin.is_finite() {
            true => Ok(f64::from(margin)),
            false => Err(format!("base_score: {score} has no logarithm; expected a number above 0")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn margins(objective: &str, text: &str, targets: usize) -> Result<Vec<f64>, String> {
        Objective::new(objective, &[3, 2, 0]).expect("known").base_margins(text, targets)
    }

    #[test]
    fn base_scores_pass_the_inverse_of_the_link() {
        assert_eq!(margins("reg:squarederror", "5E-1", 1), Ok(vec![0.5]));
        assert_eq!(margins("binary:logistic", "5E-1", 1), Ok(vec![0.0]));
        assert_eq!(margins("binary:logitraw", "[5E-1]", 1), Ok(vec![0.5]));
        let early = Objective::new("binary:logitraw", &[1, 2, 1]).expect("known");
        assert_eq!(early.base_margins("5E-1", 1), Ok(vec![0.0]));
        assert_eq!(margins("count:poisson", "1", 2), Ok(vec![0.0, 0.0]));
        assert_eq!(margins("multi:softprob", "[-1E0,0E0,2.5E0]", 3), Ok(vec![-1.0, 0.0, 2.5]));
        // As XGBoost does, 0 and 1 are kept a little away from the ends.
        assert!(margins("reg:logistic", "0", 1).expect("clamped")[0] < -13.0);
    }

    #[test]
    fn what_is_no_base_score_is_refused() {
        for text in ["", "x", "[1,2]", "NaN", "1e99", "[1,]"] {
            assert!(margins("reg:squarederror", text, 3).expect_err(text).contains("base_score"));
        }
        assert!(margins("reg:gamma", "0", 1).expect_err("no logarithm").contains("above 0"));
        assert!(Objective::new("reg:mine", &[]).expect_err("unknown").contains("'reg:mine'"));
    }
}
