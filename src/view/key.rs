//! Keys of the index tables: bytes whose order is the order of what is listed.
//! Does not know what stands in the rows.

use crate::order::{Dimension, Word};

/// Rank of an order's last change, newest first, then its number.
pub(super) type UpdateKey = [u8; 16];
/// Dimension, word, rank of the time since when it stands there, number.
pub(super) type WordKey = [u8; 18];

/// What else orders are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Facet {
    /// Something is open; its value is empty.
    Open,
    OpenReason,
    Warehouse,
    Source,
    AnomalyRule,
}

impl Facet {
    fn byte(self) -> u8 {
        match self {
            Self::Open => 0x40,
            Self::OpenReason => 0x41,
            Self::Warehouse => 0x42,
            Self::Source => 0x43,
            Self::AnomalyRule => 0x44,
        }
    }
}

/// The place of a dimension in [`Dimension::ALL`].
pub(super) fn dimension_byte(dimension: Dimension) -> u8 {
    match dimension {
        Dimension::Commercial => 0,
        Dimension::Fulfillment => 1,
        Dimension::Shipment => 2,
        Dimension::Exception => 3,
        Dimension::Return => 4,
    }
}

/// The newest change has the lowest rank.
pub(super) fn update_rank(updated_offset: u64) -> u64 {
    !updated_offset
}

/// The longest ago has the lowest rank; what never came there has the highest.
pub(super) fn since_rank(since_ns: Option<i64>) -> u64 {
    let ordered = |ns: i64| (ns.cast_unsigned() ^ (1 << 63)).min(u64::MAX - 1);
    since_ns.map_or(u64::MAX, ordered)
}

pub(super) fn update_key(rank: u64, number: u64) -> UpdateKey {
    let mut key = [0; 16];
    let (high, low) = key.split_at_mut(8);
    high.copy_from_slice(&rank.to_be_bytes());
    low.copy_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn word_key((dimension, word): (Dimension, Word), rank: u64, number: u64) -> WordKey {
    let mut key = [0; 18];
    let (head, tail) = key.split_at_mut(2);
    head.copy_from_slice(&[dimension_byte(dimension), word.0]);
    tail.copy_from_slice(&update_key(rank, number));
    key
}

/// Rank and number at the end of a key.
pub(super) fn rank_and_number(key: &[u8]) -> (u64, u64) {
    let (rest, number) = key.split_last_chunk::<8>().unwrap_or((&[], &[0; 8]));
    let rank = rest.last_chunk::<8>().unwrap_or(&[0; 8]);
    (u64::from_be_bytes(*rank), u64::from_be_bytes(*number))
}

/// The number at the end of a key.
pub(super) fn number_of(key: &[u8]) -> u64 {
    u64::from_be_bytes(*key.last_chunk::<8>().unwrap_or(&[0; 8]))
}

/// What keys of the orders at a word begin with, in `counts`.
pub(super) fn word_prefix(dimension: Dimension, word: Word) -> Vec<u8> {
    vec![dimension_byte(dimension), word.0]
}

/// What keys of the orders with a facet begin with, in `facets` and in `counts`.
pub(super) fn facet_prefix(facet: Facet, value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let mut key = Vec::with_capacity(value.len() + 13);
    key.push(facet.byte());
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(value.as_bytes());
    key
}

/// A prefix and the number of an order.
pub(super) fn numbered(mut prefix: Vec<u8>, number: u64) -> Vec<u8> {
    prefix.extend_from_slice(&number.to_be_bytes());
    prefix
}

/// Texts so that keys sort by the first, then by the second, and none begins another.
pub(super) fn texts(values: &[&str]) -> Vec<u8> {
    let mut key = Vec::with_capacity(values.iter().map(|value| value.len() + 2).sum());
    for value in values {
        for &byte in value.as_bytes() {
            key.push(byte);
            if byte == 0 {
                key.push(0xff);
            }
        }
        key.extend_from_slice(&[0, 0]);
    }
    key
}

/// What stands in a key of [`texts`] behind so many of them.
pub(super) fn behind_texts(mut key: &[u8], count: usize) -> &[u8] {
    for _ in 0..count {
        let end = end_of_text(key);
        key = key.get(end..).unwrap_or_default();
    }
    key
}

/// Where the first text of a key ends. A zero in a text has 0xff behind it.
fn end_of_text(key: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = key.get(at) {
        match (byte, key.get(at + 1)) {
            (0, Some(0)) => return at + 2,
            (0, Some(_)) => at += 2,
            _ => at += 1,
        }
    }
    key.len()
}

/// The least key behind all that begin with `prefix`.
pub(super) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    vec![0xff; prefix.len() + 9]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_what_they_stand_for() {
        let mut since = [Some(i64::MIN), Some(-5), Some(0), Some(7), Some(i64::MAX), None];
        since.reverse();
        since.sort_by_key(|since| since_rank(*since));
        assert_eq!(since, [Some(i64::MIN), Some(-5), Some(0), Some(7), Some(i64::MAX), None]);
        assert!(texts(&["a", "z"]) < texts(&["a\0", "a"]), "a value is not its continuation");
        assert!(texts(&["a", "b", "z"]) < texts(&["a", "b\0", ""]));
        let prefix = texts(&["7"]);
        assert!(numbered(texts(&["7", "po", "erp"]), u64::MAX) < behind(&prefix));
        assert!(texts(&["7 "]) > behind(&prefix));
        let key = numbered(texts(&["a\0\0b", "", "c"]), 7);
        assert_eq!(behind_texts(&key, 2), numbered(texts(&["c"]), 7));
        assert_eq!(behind_texts(&key, 3), 7_u64.to_be_bytes());
        assert_eq!(behind_texts(b"ab", 1), b"");
        let at = (Dimension::Return, Word(3));
        assert_eq!(rank_and_number(&word_key(at, 5, 9)), (5, 9));
        assert_eq!(number_of(&numbered(facet_prefix(Facet::Source, "wms"), 12)), 12);
    }
}
