//! KLL bytes whose items are of single precision, in half the space: for what stays with us. Other
//! programs get the format as it is.

/// A byte of the head that the format leaves unused: we mark short bytes there, which stay here.
pub(super) const UNUSED: usize = 7;
pub(super) const SHORT: u8 = 1;

/// Where the items begin: after the head, which for two values or more has a place for each level.
fn items(bytes: &[u8]) -> Option<usize> {
    let (words, levels) = (*bytes.first()?, bytes.get(18));
    let begin = if words > 2 { 20 + 4 * usize::from(*levels?) } else { 8 };
    (begin <= bytes.len()).then_some(begin)
}

/// `None` if a value is not of single precision.
pub(super) fn short(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, items) = bytes.split_at_checked(items(bytes)?)?;
    let mut short = head.to_vec();
    *short.get_mut(UNUSED)? = SHORT;
    for item in items.as_chunks().0 {
        let value = f64::from_le_bytes(*item);
        let single = value as f32;
        if f64::from(single).to_bits() != value.to_bits() {
            return None;
        }
        short.extend(single.to_le_bytes());
    }
    Some(short)
}

/// The bytes that were made short; `None` if they are cut off.
pub(super) fn long(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, items) = bytes.split_at_checked(items(bytes)?)?;
    let mut long = head.to_vec();
    *long.get_mut(UNUSED)? = 0;
    let (items, rest) = items.as_chunks();
    long.extend(items.iter().flat_map(|item| f64::from(f32::from_le_bytes(*item)).to_le_bytes()));
    rest.is_empty().then_some(long)
}
