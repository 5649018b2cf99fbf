//! Answered requests on their way to the shadows.

use super::glance;
use super::routed::Routed;
use crate::batcher::Answer;
use crate::json::{NonFinite, write_nested};
use crate::registry::Version;
use crate::tensor::Tensor;
use crate::traffic::Mirror;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows of one request that are compared.
const MOST_ROWS: usize = 256;
/// Elements of an example's input that are shown.
const SHOWN: usize = 64;

/// Inputs for the shadows that want this request.
pub struct Copy {
    inputs: Arc<Vec<Tensor>>,
    bytes: usize,
    wanted: Vec<(Arc<Mirror>, Arc<Version>)>,
}

/// Copies the inputs, if a shadow is to see them and has room.
pub fn copy(routed: &Routed, inputs: &[Tensor]) -> Option<Copy> {
    let mut shadows = routed.shadows().peekable();
    shadows.peek()?;
    let bytes = inputs.iter().map(Tensor::bytes).sum();
    let wanted: Vec<_> = shadows
        .filter(|(mirror, _)| mirror.samples() && mirror.has_room(bytes))
        .map(|(mirror, version)| (mirror.clone(), version.clone()))
        .collect();
    (!wanted.is_empty()).then(|| Copy { inputs: Arc::new(inputs.to_vec()), bytes, wanted })
}

/// Puts the answered request into the shadows' queues.
pub fn offer(routed: &Routed, copy: Copy, answer: &Answer, rows: usize) {
    let Copy { inputs, bytes, wanted } = copy;
    let outputs = Arc::new(answer.outputs.clone());
    let bytes = bytes + outputs.iter().map(Tensor::bytes).sum::<usize>();
    for (mirror, version) in wanted {
        let job = Job {
            // Weak: a plan that is replaced ends its shadows, whatever still waits for them.
            mirror: Arc::downgrade(&mirror),
            champion: routed.version().clone(),
            shadow: version,
            inputs: inputs.clone(),
            outputs: outputs.clone(),
            rows: rows.min(MOST_ROWS),
            time: answer.timing.compute,
        };
        mirror.offer(bytes, Box::new(move || job.run()));
    }
}

/// One request for one shadow.
struct Job {
    mirror: std::sync::Weak<Mirror>,
    champion: Arc<Version>,
    shadow: Arc<Version>,
    inputs: Arc<Vec<Tensor>>,
    outputs: Arc<Vec<Tensor>>,
    rows: usize,
    time: Duration,
}

impl Job {
    fn run(self) {
        let Some(mirror) = self.mirror.upgrade() else { return };
        // Callers wait for a core: what nobody waits for gives way.
        if self.shadow.lane.process_is_busy() {
            return mirror.dropped.add(1);
        }
        let Some(inputs) = self.reordered() else { return mirror.failed.add(1) };
        let started = Instant::now();
        let outputs = match self.shadow.lane.run_aside(&inputs) {
            Ok(outputs) => outputs,
            Err(error) => {
                tracing::debug!(model = %self.shadow.model, version = %self.shadow.number, %error, "a shadow failed");
                return mirror.failed.add(1);
            }
        };
        let took = started.elapsed();
        let first = glance::rows(&self.champion, &self.outputs, self.rows);
        let second = glance::rows(&self.shadow, &outputs, self.rows);
        let example = |row| self.example(row);
        let threshold = mirror.shadow.threshold;
        mirror.compared().add([&first, &second], [self.time, took], threshold, example);
    }

    /// The inputs as the shadow's signature has them; `None` where it wants others.
    fn reordered(&self) -> Option<Vec<Tensor>> {
        let (ours, theirs) = (self.champion.signature(), self.shadow.signature());
        let input = |spec: &crate::engine::TensorSpec| self.inputs.get(ours.input(&spec.name)?).cloned();
        let inputs: Vec<Tensor> = theirs.inputs.iter().map(input).collect::<Option<_>>()?;
        theirs.check(&inputs).is_ok().then_some(inputs)
    }

    /// A row's inputs by name, cut where it is long.
    fn example(&self, row: usize) -> Value {
        let specs = self.champion.signature().inputs.iter().zip(self.inputs.iter());
        let shown = specs.map(|(spec, tensor)| {
            let width = tensor.shape().row_elements();
            let fits = tensor.rows() > row && width <= SHOWN;
            let mut out = Vec::new();
            if fits {
                write_nested(&mut out, tensor.data(), tensor.shape().row_dims(), row * width, NonFinite::Null);
            }
            let value = serde_json::from_slice(&out).unwrap_or_else(|_| format!("{width} values").into());
            (spec.name.clone(), value)
        });
        Value::Object(shown.collect())
    }
}
