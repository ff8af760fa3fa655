//! Samples: random entries of the log that have to stand on the sealed chain of their order. Decides
//! on what was fetched; does not know servers, nor how anything is fetched.

use std::collections::BTreeSet;

use super::checkpoint::Checkpoint;
use super::order_proof::ChainEntry;
use super::tree::{ProofDefect, verify_inclusion};
use crate::event::RecordedEvent;
use crate::log::{Hash, NO_PREVIOUS};
use crate::num::{u64_from, usize_from};

/// One minus the certainty with which a sample is said to find something.
const DOUBT: f64 = 0.05;

/// An entry that was read, and what is proven of its order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampled<'a> {
    /// The offset that was asked for.
    pub(crate) offset: u64,
    /// What was answered; its `previous` is not looked at.
    pub(crate) entry: &'a RecordedEvent,
    /// The entries of its order, and their leaf hashes, as they were proven under a seal.
    pub(crate) chain: &'a [ChainEntry],
    pub(crate) leaves: &'a [Hash],
    /// The checkpoint that shows the seal, and the siblings of the entry in its tree.
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) inclusion: &'a [Hash],
}

/// Why an entry does not stand where it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SampleDefect {
    #[error("asked for offset {asked}, the answer is about offset {answered}")]
    OtherOffset { asked: u64, answered: u64 },
    #[error(
        "offset {offset}: not the entry that the sealed history of order {order} has at revision \
         {revision}"
    )]
    NotOnChain { offset: u64, order: String, revision: u64 },
    #[error("offset {0}: the entry is not there in the log of the checkpoint: {1}")]
    NotInLog(u64, ProofDefect),
}

impl Sampled<'_> {
    /// Checks that the entry is the one that its order's sealed history has at its revision, and the
    /// one that the log of the checkpoint has at its offset.
    pub(crate) fn check(&self) -> Result<(), SampleDefect> {
        let (asked, answered) = (self.offset, self.entry.offset);
        if asked != answered {
            return Err(SampleDefect::OtherOffset { asked, answered });
        }
        let revision = usize_from(self.entry.revision);
        let before = revision.checked_sub(1).map(|before| self.leaves.get(before).copied());
        let previous = before.unwrap_or(Some(NO_PREVIOUS)).unwrap_or(NO_PREVIOUS);
        let leaf = RecordedEvent { previous, ..self.entry.clone() }.leaf_hash();
        let stands = self.leaves.get(revision) == Some(&leaf)
            && self.chain.get(revision).is_some_and(|entry| entry.offset == asked);
        if !stands {
            let order = self.entry.event.correlation_id().to_owned();
            let revision = self.entry.revision;
            return Err(SampleDefect::NotOnChain { offset: asked, order, revision });
        }
        let tree = (self.checkpoint.size, &self.checkpoint.root);
        verify_inclusion((asked, &leaf), tree, self.inclusion)
            .map_err(|defect| SampleDefect::NotInLog(asked, defect))
    }
}

/// Offsets below `below`, each once: `count` of them, or all. The same seed gives the same ones.
pub(crate) fn sample_offsets(seed: u64, count: u32, below: u64) -> BTreeSet<u64> {
    if u64::from(count) >= below {
        return (0..below).collect();
    }
    let (mut state, mut offsets) = (seed, BTreeSet::new());
    while u64_from(offsets.len()) < u64::from(count) {
        offsets.insert(split_mix(&mut state) % below);
    }
    offsets
}

/// The next number of SplitMix64 (Steele, Lea and Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The smallest part of all entries such that, where so many are forged, a sample of `count` has one
/// of them with 95 % certainty: (1 - part)^count = 0.05.
pub(crate) fn part_found(count: u32) -> f64 {
    if count == 0 { 1.0 } else { 1.0 - DOUBT.powf(1.0 / f64::from(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_which_offsets() {
        let some = sample_offsets(7, 299, 1_000_000);
        assert_eq!(some.len(), 299);
        assert_eq!(some, sample_offsets(7, 299, 1_000_000));
        assert_ne!(some, sample_offsets(8, 299, 1_000_000));
        assert!(some.iter().all(|offset| *offset < 1_000_000));
        assert!(some.iter().any(|offset| *offset > 900_000));
        assert_eq!(sample_offsets(7, 299, 5), (0..5).collect());
        assert!(sample_offsets(7, 299, 0).is_empty() && sample_offsets(7, 0, 5).is_empty());
    }

    #[test]
    fn a_sample_of_299_finds_one_in_a_hundred() {
        assert!((part_found(299) - 0.01).abs() < 0.000_1, "{}", part_found(299));
        assert!(part_found(2_995) < 0.001_001 && part_found(1) > 0.949);
    }
}
