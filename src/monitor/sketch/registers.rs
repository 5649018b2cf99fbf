//! Whether the bytes of an HLL sketch agree with themselves: what is counted twice in them (zeros,
//! exceptions, sums of powers) must come out the same, and no register may hold what no hash gives.
//!
//! The reader of the library checks lengths and takes these on trust; a sketch that does not agree
//! would end the process later, when it is added to.

/// Where things are, and what they are called, in the format of Apache DataSketches.
const LIST: usize = 8;
const SET: usize = 12;
const REGISTERS: usize = 40;
const COMPACT: u8 = 8;
/// A register holds up to 63; a coupon has it in its upper 6 bits.
const LARGEST: u8 = 63;
const SLOT_BITS: u32 = 26;
/// The nibble that says: the value is among the exceptions.
const EXCEPTION: u8 = 15;

/// The error says what does not agree.
pub(super) fn check(bytes: &[u8]) -> Result<(), &'static str> {
    let [.., lg_k, _, flags, state, mode] = bytes.first_chunk::<8>().ok_or("cut short")?;
    if flags & COMPACT == 0 {
        return Err("not in compact form");
    }
    let count = usize::from(*state);
    match (mode & 3, mode >> 2 & 3) {
        (0, _) => coupons(bytes.get(LIST..).unwrap_or_default(), count),
        (1, _) => coupons(bytes.get(SET..).unwrap_or_default(), word(bytes, LIST)? as usize),
        (2, 0) => nibbles(bytes, 1 << (lg_k & 31), *state),
        (2, 2) => sums(bytes, word(bytes, 32)?, registers(bytes, 1 << (lg_k & 31))?.iter().copied()),
        (2, _) => Err("6 bits a register, expected 4 or 8"),
        _ => Err("of no known mode"),
    }
}

/// Single values: none empty, none twice.
fn coupons(bytes: &[u8], count: usize) -> Result<(), &'static str> {
    let words = bytes.as_chunks().0.iter().take(count).map(|word| u32::from_le_bytes(*word));
    let mut words: Vec<u32> = words.collect();
    words.sort_unstable();
    match words.iter().any(|word| word >> SLOT_BITS == 0) || words.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err("coupons that are empty or there twice"),
        false => Ok(()),
    }
}

/// Registers of 4 bits above a common smallest value, with exceptions.
fn nibbles(bytes: &[u8], slots: usize, smallest: u8) -> Result<(), &'static str> {
    let packed = registers(bytes, slots / 2)?;
    let nibbles = || packed.iter().flat_map(|byte| [byte & 15, byte >> 4]);
    let listed = bytes.get(REGISTERS + slots / 2..).unwrap_or_default().as_chunks().0;
    let listed = listed.iter().take(word(bytes, 36)? as usize).map(|word| u32::from_le_bytes(*word));
    let mut exceptions: Vec<(usize, u8)> =
        listed.map(|word| (word as usize % slots, (word >> SLOT_BITS) as u8)).collect();
    exceptions.sort_unstable();
    let marked = nibbles().enumerate().filter(|(_, nibble)| *nibble == EXCEPTION).map(|(slot, _)| slot);
    let above = |(_, value): &(usize, u8)| value.checked_sub(smallest).is_some_and(|more| more >= EXCEPTION);
    if !marked.eq(exceptions.iter().map(|(slot, _)| *slot)) || !exceptions.iter().all(above) {
        return Err("exceptions that do not go with the registers");
    }
    if smallest > LARGEST - EXCEPTION {
        return Err("registers above 63");
    }
    let mut exceptions = exceptions.into_iter();
    let values = nibbles().map(|nibble| match nibble {
        EXCEPTION => exceptions.next().map_or(0, |(_, value)| value),
        nibble => smallest + nibble,
    });
    let values: Vec<u8> = values.collect();
    let at_smallest = values.iter().filter(|value| **value == smallest).count();
    match at_smallest == word(bytes, 32)? as usize {
        true => sums(bytes, values.iter().filter(|value| **value == 0).count() as u32, values.into_iter()),
        false => Err("a wrong count of the smallest registers"),
    }
}

/// The sums of `2^-register` that the estimate is made of, below 32 and from there.
fn sums(bytes: &[u8], zeros: u32, registers: impl Iterator<Item = u8>) -> Result<(), &'static str> {
    let (mut low, mut high, mut found) = (0.0, 0.0, 0);
    for value in registers {
        if value > LARGEST {
            return Err("registers above 63");
        }
        found += u32::from(value == 0);
        *(if value < 32 { &mut low } else { &mut high }) += 0.5f64.powi(i32::from(value));
    }
    let [order, said_low, said_high] = [number(bytes, 8)?, number(bytes, 16)?, number(bytes, 24)?];
    // Both are sums of powers of two, added in another order.
    let near = |said: f64, sum: f64| (said - sum).abs() <= 1e-6 * sum + 1e-9;
    match found == zeros && near(said_low, low) && near(said_high, high) && order.is_finite() && order >= 0.0 {
        true => Ok(()),
        false => Err("sums that are not those of the registers"),
    }
}

fn registers(bytes: &[u8], length: usize) -> Result<&[u8], &'static str> {
    bytes.get(REGISTERS..).and_then(|rest| rest.get(..length)).ok_or("cut short")
}

fn word(bytes: &[u8], at: usize) -> Result<u32, &'static str> {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map(u32::from_le_bytes).ok_or("cut short")
}

fn number(bytes: &[u8], at: usize) -> Result<f64, &'static str> {
    let number = bytes.get(at..at + 8).and_then(|number| number.try_into().ok());
    number.map(f64::from_le_bytes).ok_or("cut short")
}
