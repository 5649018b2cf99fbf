//! A batch's place: memory of the host that the device reads and writes, filled by whoever has it.

use super::driver::Pinned;
use super::wait::Outcome;
use crate::engine::lowered::{Raw, Rows};
use crossbeam::channel::Receiver;

/// Bytes before the rows: the number of rows, and room that keeps the rows aligned.
pub const HEADER: usize = 16;

/// The host's half of a slot. It belongs to one session at a time; from handing its batch over until
/// the answer it is the device's.
pub struct Slot {
    /// Which of the model's slots it is.
    pub number: usize,
    pub(super) input: Pinned,
    pub(super) output: Pinned,
    /// Says when the batch is done.
    pub(super) done: Receiver<Outcome>,
    pub(super) raw: Raw,
}

impl Slot {
    /// Says how many rows the batch has.
    pub fn set_count(&mut self, rows: u32) {
        self.input.slice_mut::<u32>()[0] = rows;
    }

    /// Room for rows `from..from + count`.
    pub fn rows(&mut self, from: usize, count: usize) -> Rows<'_> {
        let width = self.raw.width();
        match self.raw {
            Raw::F32(_) => Rows::F32(&mut self.input.slice_mut::<f32>()[HEADER / 4..][from * width..][..count * width]),
            Raw::F64(_) => Rows::F64(&mut self.input.slice_mut::<f64>()[HEADER / 8..][from * width..][..count * width]),
        }
    }

    /// The answers and the classes of a batch of `rows` whose launches were made for `capacity`.
    pub fn answers(&self, rows: usize, capacity: usize, width: usize, labels: bool) -> (&[f32], &[u32]) {
        let answers = &self.output.slice::<f32>()[..rows * width];
        let classes = &self.output.slice::<u32>()[capacity * width..];
        (answers, if labels { &classes[..rows] } else { &[] })
    }
}
