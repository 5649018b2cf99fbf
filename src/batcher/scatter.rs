//! A batch's answers dealt back to the callers they belong to.

use super::run::Failure;
use crate::tensor::Tensor;

/// Cuts each output into one piece per request, checking first that no row is missing or too many.
pub(super) fn deal(outputs: &[Tensor], rows: &[usize]) -> Result<Vec<Vec<Tensor>>, Failure> {
    check_rows(outputs, rows.iter().sum())?;
    let mut from = 0;
    let mut pieces = Vec::with_capacity(rows.len());
    for count in rows {
        pieces.push(outputs.iter().map(|output| output.rows_at(from, *count)).collect());
        from += count;
    }
    Ok(pieces)
}

/// An engine that answers another number of rows than it was asked would hand rows to the wrong caller.
pub(super) fn check_rows(outputs: &[Tensor], rows: usize) -> Result<(), Failure> {
    match outputs.iter().find(|output| output.shape().is_empty() || output.rows() != rows) {
        Some(output) => {
            Err(Failure::Engine(format!("an output of shape {} came back for {rows} rows", output.shape())))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_number_of_rows_is_never_dealt() {
        let output = Tensor::of([3, 1], vec![1.0f32, 2.0, 3.0]).expect("fits");
        assert_eq!(deal(std::slice::from_ref(&output), &[1, 2]).map(|p| p.len()), Ok(2));
        assert!(deal(std::slice::from_ref(&output), &[1, 1]).is_err());
        let scalar = Tensor::of([0; 0], vec![1.0f32]).expect("fits");
        assert!(deal(&[scalar], &[1]).is_err());
    }
}
