//! The one suite that judges every engine and every loaded version.
//!
//! A case is inputs and the outputs expected of them. [`judge`] holds a prepared model against
//! cases and against the contract: the same answer from the same session twice, from another
//! session, from another thread; rows answered alike alone and in any batch; and a session that
//! stays fit after a refused run. Engines add no tests of their own for these: they are run here.

use super::{Prepared, RunError, Session};
use crate::tensor::{Data, Tensor};

/// How far a float may lie from the expected one: `|got - want| <= atol + rtol * |want|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closeness {
    pub rtol: f64,
    pub atol: f64,
}

impl Default for Closeness {
    fn default() -> Self {
        Self { rtol: 1e-5, atol: 1e-6 }
    }
}

impl Closeness {
    /// Equal to the last bit.
    pub const EXACT: Self = Self { rtol: 0.0, atol: 0.0 };

    fn holds(self, want: f64, got: f64) -> bool {
        want == got || (want.is_nan() && got.is_nan()) || (want - got).abs() <= self.atol + self.rtol * want.abs()
    }
}

/// Inputs in the signature's order and the outputs expected, `None` where a case says nothing.
#[derive(Clone, Debug)]
pub struct Case {
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Option<Tensor>>,
    pub closeness: Closeness,
}

/// Checks every case against a fresh session.
pub fn golden(model: &dyn Prepared, cases: &[Case]) -> Result<(), String> {
    let mut session = model.session().map_err(|error| error.to_string())?;
    for (number, case) in cases.iter().enumerate() {
        let outputs = session.run(&case.inputs).map_err(|error| format!("case {number} failed: {error}"))?;
        compare_case(model, case, &outputs).map_err(|words| format!("case {number}: {words}"))?;
    }
    Ok(())
}

/// The whole suite. `batching` is how alike a row's answers must be alone and in a batch.
pub fn judge(model: &dyn Prepared, cases: &[Case], batching: Closeness) -> Result<(), String> {
    golden(model, cases)?;
    repeatable(model, cases)?;
    shared_by_threads(model, cases)?;
    survives_refusals(model, cases)?;
    if model.signature().batchable() {
        for case in cases {
            batch_invariant(model, &case.inputs, batching)?;
        }
    }
    Ok(())
}

/// Whether each row's answer is the same alone as in its batch; says where it is not.
pub fn batch_invariant(model: &dyn Prepared, inputs: &[Tensor], closeness: Closeness) -> Result<(), String> {
    let mut session = model.session().map_err(|error| error.to_string())?;
    let rows = inputs.first().map_or(1, Tensor::rows);
    let whole = run(session.as_mut(), inputs)?;
    for (spec, tensor) in model.signature().outputs.iter().zip(&whole) {
        if tensor.rows() != rows || tensor.shape().is_empty() {
            return Err(format!("output '{}' has shape {} for {rows} rows", spec.name, tensor.shape()));
        }
    }
    for row in 0..rows {
        let one: Vec<Tensor> = inputs.iter().map(|tensor| tensor.rows_at(row, 1)).collect();
        let alone = run(session.as_mut(), &one)?;
        for (spec, (together, alone)) in model.signature().outputs.iter().zip(whole.iter().zip(&alone)) {
            compare(&together.rows_at(row, 1), alone, closeness)
                .map_err(|words| format!("output '{}' of row {row} changes with its batch: {words}", spec.name))?;
        }
    }
    Ok(())
}

fn repeatable(model: &dyn Prepared, cases: &[Case]) -> Result<(), String> {
    let mut one = model.session().map_err(|error| error.to_string())?;
    let mut other = model.session().map_err(|error| error.to_string())?;
    for case in cases.iter().chain(cases) {
        let (a, b) = (run(one.as_mut(), &case.inputs)?, run(other.as_mut(), &case.inputs)?);
        for (a, b) in a.iter().zip(&b) {
            compare(a, b, Closeness::EXACT).map_err(|words| format!("two sessions differ: {words}"))?;
        }
    }
    Ok(())
}

fn shared_by_threads(model: &dyn Prepared, cases: &[Case]) -> Result<(), String> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(|| golden(model, cases))).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".into()))
                .map_err(|words| format!("on several threads: {words}"))
        })
    })
}

/// Wrong tensors are the front's to refuse, but an engine that meets them must not fall over.
fn survives_refusals(model: &dyn Prepared, cases: &[Case]) -> Result<(), String> {
    let mut session = model.session().map_err(|error| error.to_string())?;
    let _: Result<Vec<Tensor>, RunError> = session.run(&[]);
    let Some(case) = cases.first() else { return Ok(()) };
    let outputs = run(session.as_mut(), &case.inputs).map_err(|words| format!("after a refused run: {words}"))?;
    compare_case(model, case, &outputs).map_err(|words| format!("after a refused run: {words}"))
}

fn run(session: &mut dyn Session, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    session.run(inputs).map_err(|error| error.to_string())
}

fn compare_case(model: &dyn Prepared, case: &Case, outputs: &[Tensor]) -> Result<(), String> {
    let specs = &model.signature().outputs;
    if outputs.len() != specs.len() {
        return Err(format!("{} outputs, expected {}", outputs.len(), specs.len()));
    }
    for ((spec, want), got) in specs.iter().zip(&case.outputs).zip(outputs) {
        if let Some(want) = want {
            compare(want, got, case.closeness).map_err(|words| format!("output '{}': {words}", spec.name))?;
        }
    }
    Ok(())
}

/// Compares two tensors: integers, truth values and text exactly, floats within `closeness`.
pub fn compare(want: &Tensor, got: &Tensor, closeness: Closeness) -> Result<(), String> {
    if want.dtype() != got.dtype() || want.shape() != got.shape() {
        return Err(format!("expected {} {}, got {} {}", want.dtype(), want.shape(), got.dtype(), got.shape()));
    }
    let unlike = match (want.data(), got.data()) {
        (Data::F32(a), Data::F32(b)) => first_unlike(a, b, |a, b| closeness.holds(f64::from(*a), f64::from(*b))),
        (Data::F64(a), Data::F64(b)) => first_unlike(a, b, |a, b| closeness.holds(*a, *b)),
        (Data::F16(a), Data::F16(b)) => first_unlike(a, b, |a, b| closeness.holds(a.to_f64(), b.to_f64())),
        (Data::BF16(a), Data::BF16(b)) => first_unlike(a, b, |a, b| closeness.holds(a.to_f64(), b.to_f64())),
        (Data::Bool(a), Data::Bool(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::U8(a), Data::U8(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::U16(a), Data::U16(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::U32(a), Data::U32(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::U64(a), Data::U64(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::I8(a), Data::I8(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::I16(a), Data::I16(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::I32(a), Data::I32(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::I64(a), Data::I64(b)) => first_unlike(a, b, PartialEq::eq),
        (Data::Str(a), Data::Str(b)) => first_unlike(a, b, PartialEq::eq),
        _ => None,
    };
    unlike.map_or(Ok(()), Err)
}

fn first_unlike<T: std::fmt::Debug>(want: &[T], got: &[T], alike: impl Fn(&T, &T) -> bool) -> Option<String> {
    let at = want.iter().zip(got).position(|(a, b)| !alike(a, b))?;
    Some(format!("element {at}: expected {:?}, got {:?}", want[at], got[at]))
}

#[cfg(test)]
mod tests;
