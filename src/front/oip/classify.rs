//! The classification extension: an output as its highest values, each beside its index and label.

use crate::front::reply::ApiError;
use crate::json::{NonFinite, Number};
use crate::tensor::{Data, Shape, Tensor, TensorError, each};
use std::cmp::Ordering;
use std::sync::Arc;

/// Cuts each row to its `classes` highest values, the highest first: `[rows, k]` texts of the form
/// `value:index` or `value:index:label`. Without a batch axis all values are one row, and the answer is `[k]`.
pub fn classify(
    name: &str,
    output: &Tensor,
    classes: usize,
    labels: Option<&[Arc<str>]>,
    batched: bool,
) -> Result<Tensor, ApiError> {
    let (rows, width) = match batched && !output.shape().is_empty() {
        true => (output.rows(), output.shape().row_elements()),
        false => (1, output.data().len()),
    };
    let kept = classes.min(width);
    let mut texts = Vec::with_capacity(rows * kept);
    if matches!(output.data(), Data::Bool(_) | Data::Str(_)) {
        let words = format!("output '{name}' is {}: only numbers can be ranked as classes", output.dtype());
        return Err(ApiError::field(name, words));
    }
    each!(output.data(), values => values.chunks(width.max(1)).for_each(|row| top(row, kept, labels, &mut texts)));
    let shape = if batched { Shape::from([rows, kept]) } else { Shape::from([kept]) };
    let unfit = |error: TensorError| ApiError::field(name, format!("output '{name}': {error}"));
    Tensor::new(shape, Data::Str(texts)).map_err(unfit)
}

fn top<T: PartialOrd + Number>(row: &[T], kept: usize, labels: Option<&[Arc<str>]>, texts: &mut Vec<Arc<str>>) {
    let mut order: Vec<usize> = (0..row.len()).collect();
    // Stable: equal values stay in the order of their index.
    order.sort_by(|a, b| falling(&row[*a], &row[*b]));
    for at in order.into_iter().take(kept) {
        let mut text = Vec::new();
        row[at].write(&mut text, NonFinite::Token);
        text.push(b':');
        at.write(&mut text, NonFinite::Token);
        if let Some(label) = labels.and_then(|labels| labels.get(at)) {
            text.push(b':');
            text.extend_from_slice(label.as_bytes());
        }
        texts.push(String::from_utf8_lossy(&text).into());
    }
}

/// The higher first; what cannot be compared (NaN) last.
fn falling<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    let is_nan = |value: &T| value.partial_cmp(value).is_none();
    b.partial_cmp(a).unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(tensor: &Tensor) -> Vec<&str> {
        tensor.as_slice::<Arc<str>>().expect("texts").iter().map(AsRef::as_ref).collect()
    }

    #[test]
    fn the_highest_come_first_and_keep_their_place() {
        let scores = Tensor::of([2, 3], vec![0.25f32, 0.5, 0.25, f32::NAN, -1.0, 2.0]).expect("fits");
        let labels: Vec<Arc<str>> = vec!["a".into(), "b".into()];
        let ranked = classify("y", &scores, 2, Some(&labels), true).expect("numbers");
        assert_eq!(ranked.shape(), &Shape::from([2, 2]));
        assert_eq!(texts(&ranked), ["0.5:1:b", "0.25:0:a", "2.0:2", "-1.0:1:b"]);
        let all = classify("y", &scores, 9, None, false).expect("numbers");
        assert_eq!(all.shape(), &Shape::from([6]));
        assert_eq!(texts(&all), ["2.0:5", "0.5:1", "0.25:0", "0.25:2", "-1.0:4", "NaN:3"]);
    }

    #[test]
    fn words_are_not_ranked() {
        let words = Tensor::of([1], vec![Arc::<str>::from("a")]).expect("fits");
        assert!(classify("y", &words, 1, None, true).is_err());
    }
}
