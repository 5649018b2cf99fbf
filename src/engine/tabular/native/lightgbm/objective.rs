//! LightGBM's objectives and their parameters, as the line `objective=` names them.

use crate::engine::tabular::native::link::{Answer, Link};

/// How margins become answers; `trees` is how many trees an iteration has.
///
/// Formulas are those of `ConvertOutput` in LightGBM's `src/objective`.
pub fn objective(line: &str, trees: usize) -> Result<(Link, Answer), String> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next().unwrap_or("");
    let parameters: Vec<&str> = words.collect();
    let (link, answer) = match name {
        // Objectives of the user's own leave no name, or this one.
        "" | "custom" | "none" => return Ok((Link::Identity, Answer::Values)),
        "regression" | "regression_l1" | "quantile" | "mape" | "fair" if parameters.contains(&"sqrt") => {
            (Link::SignedSquare, Answer::Values)
        }
        "regression" | "regression_l1" | "quantile" | "mape" | "fair" | "huber" | "lambdarank" | "rank_xendcg" => {
            (Link::Identity, Answer::Values)
        }
        "poisson" | "gamma" | "tweedie" => (Link::Exp, Answer::Values),
        "binary" => (sigmoid(&parameters)?, Answer::Classes),
        "cross_entropy" => (sigmoid(&[])?, Answer::Values),
        "cross_entropy_lambda" => (Link::Log1pExp, Answer::Values),
        "multiclass" => (Link::Softmax, Answer::Classes),
        "multiclassova" => (sigmoid(&parameters)?, Answer::Classes),
        other => {
            let name = crate::text::shorten(other, 60);
            return Err(format!("objective '{name}' is not known, so its answers cannot be told from margins"));
        }
    };
    let expected = if name.starts_with("multiclass") { classes(&parameters)? } else { 1 };
    match trees == expected {
        true => Ok((link, answer)),
        false => Err(format!("objective '{name}' wants {expected} trees in an iteration, but there are {trees}")),
    }
}

fn parameter<'a>(parameters: &[&'a str], name: &str) -> Option<&'a str> {
    parameters.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'))
}

fn sigmoid(parameters: &[&str]) -> Result<Link, String> {
    let scale = parameter(parameters, "sigmoid").map_or(Some(1.0), super::float);
    match scale {
        Some(scale) if scale > 0.0 && scale.is_finite() => Ok(Link::Sigmoid { scale, limit: f64::INFINITY }),
        _ => Err("the objective's sigmoid is no number above 0".into()),
    }
}

fn classes(parameters: &[&str]) -> Result<usize, String> {
    let classes = parameter(parameters, "num_class").and_then(|word| word.parse().ok());
    classes.ok_or_else(|| "the objective does not say num_class".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_objective_are_read() {
        let sigmoid = |scale| Link::Sigmoid { scale, limit: f64::INFINITY };
        assert_eq!(objective("binary sigmoid:0.5", 1), Ok((sigmoid(0.5), Answer::Classes)));
        assert_eq!(objective("binary", 1), Ok((sigmoid(1.0), Answer::Classes)));
        assert_eq!(objective("multiclassova num_class:3 sigmoid:2", 3), Ok((sigmoid(2.0), Answer::Classes)));
        assert_eq!(objective("regression sqrt", 1), Ok((Link::SignedSquare, Answer::Values)));
        // huber leaves the parameter out of account.
        assert_eq!(objective("huber sqrt", 1), Ok((Link::Identity, Answer::Values)));
        assert_eq!(objective("", 5), Ok((Link::Identity, Answer::Values)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (line, trees, words) in [
            ("binary sigmoid:-1", 1, "above 0"),
            ("binary", 2, "wants 1 trees"),
            ("multiclass num_class:3", 1, "wants 3 trees"),
            ("multiclass", 3, "num_class"),
            ("mine", 1, "'mine' is not known"),
        ] {
            assert!(objective(line, trees).expect_err(line).contains(words), "{line}");
        }
    }
}
