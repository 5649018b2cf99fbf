//! What is counted of every numeric column beside its cells: exact, and added up when merged.

/// Rows by what their value was. `finite`, `null`, `nan`, `pos_inf`, `neg_inf` and `type_error`
/// exclude each other and together are all rows; the others are among the finite.
///
/// `T` is `u32` in a pane and `f64`, weighted by one over the chance of being sampled, in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters<T = u32> {
    pub finite: T,
    pub null: T,
    pub nan: T,
    pub pos_inf: T,
    pub neg_inf: T,
    pub type_error: T,
    pub zero: T,
    /// Below the reference's range.
    pub below: T,
    /// Above the reference's range.
    pub above: T,
}

/// Fields of [`Counters`], in the order in which they are written.
pub const COUNTERS: usize = 9;

impl<T: Copy> Counters<T> {
    pub fn to_array(&self) -> [T; COUNTERS] {
        let Self { finite, null, nan, pos_inf, neg_inf, type_error, zero, below, above } = *self;
        [finite, null, nan, pos_inf, neg_inf, type_error, zero, below, above]
    }

    pub fn from_array(array: [T; COUNTERS]) -> Self {
        let [finite, null, nan, pos_inf, neg_inf, type_error, zero, below, above] = array;
        Self { finite, null, nan, pos_inf, neg_inf, type_error, zero, below, above }
    }
}

impl Counters<f64> {
    /// Adds the rows of a pane, each standing for `weight` rows.
    pub fn add(&mut self, pane: &Counters<u32>, weight: f64) {
        let pane = pane.to_array().map(|count| f64::from(count) * weight);
        self.merge(&Counters::from_array(pane));
    }

    pub fn merge(&mut self, other: &Self) {
        let mut sums = self.to_array();
        sums.iter_mut().zip(other.to_array()).for_each(|(sum, count)| *sum += count);
        *self = Self::from_array(sums);
    }

    /// All rows.
    pub fn rows(&self) -> f64 {
        self.finite + self.missing()
    }

    /// Rows without a usable number.
    pub fn missing(&self) -> f64 {
        self.null + self.nan + self.pos_inf + self.neg_inf + self.type_error
    }
}
