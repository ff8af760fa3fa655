//! Conversions between integer types that cannot lose anything on the platforms of this crate.
//! Does not know what the numbers mean.

/// A length in memory as a number on disk or on the wire.
#[expect(clippy::as_conversions, reason = "a usize has at most 64 bits on every Rust platform")]
pub(crate) const fn u64_from(length: usize) -> u64 {
    length as u64
}

/// A number from disk or wire as a length in memory; what no memory can hold becomes the largest
/// length, which no slice has.
pub(crate) fn usize_from(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}
