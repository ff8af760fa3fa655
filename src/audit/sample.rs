//! Samples: random entries of the log that have to stand on the sealed chain of their order.
//! Decides on what was fetched; does not know servers, nor how anything is fetched.

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
    /// Checks that the entry is the one that its order's sealed history has at its revision, and
    /// the one that the log of the checkpoint has at its offset.
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

/// The next number of `SplitMix64` (Steele, Lea and Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The smallest part of all entries such that, where so many are forged, a sample of `count` has
/// one of them with 95 % certainty: (1 - part)^count = 0.05.
pub(crate) fn part_found(count: u32) -> f64 {
    1.0 - DOUBT.powf(1.0 / f64::from(count))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::audit::{Audit, AuditOptions};
    use crate::event::Event;
    use crate::ledger::{Batch, Ledger, Options};
    use crate::proto::OrderEvent;

    fn event(order: &str, id: u64) -> Event {
        let event = OrderEvent {
            correlation_id: order.into(),
            source: "wms".into(),
            event_id: id.to_string(),
            r#type: "pick.confirmed".into(),
            ..OrderEvent::default()
        };
        Event::new(&event).unwrap()
    }

    /// An operator who hides an entry would show another one of the same order in its place.
    #[test]
    fn only_the_entry_that_was_sealed_at_its_offset_passes() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::open(&folder, Options::default()).unwrap());
        let audit = Audit::open(Arc::clone(&ledger), AuditOptions::default()).unwrap();
        let events = (0..12).map(|id| event(["erp/1", "erp/2"][usize_from(id % 2)], id));
        ledger.append(Batch::of(events)).unwrap();
        let (seal, orders) = audit.order_proofs(&["erp/1".to_owned()], Some(12)).unwrap();
        let seal = seal.verify(audit.verifier_keys()).unwrap();
        let leaves = orders[0].verify(&seal).unwrap();
        let recorded = ledger.recorded_below("erp/1", 12).unwrap();
        let size = seal.checkpoint.size;
        let of = |offset| audit.inclusion_proof(offset, Some(size)).unwrap().hashes;
        let check = |offset, entry: &RecordedEvent, leaves: &[Hash], inclusion: &[Hash]| {
            let (chain, checkpoint) = (&*orders[0].chain, &seal.checkpoint);
            Sampled { offset, entry, chain, leaves, checkpoint, inclusion }.check()
        };
        for entry in &recorded {
            let offset = entry.offset;
            check(offset, entry, &leaves, &of(offset)).unwrap();
            let other_place = check(offset + 1, entry, &leaves, &of(offset + 1)).unwrap_err();
            assert!(matches!(other_place, SampleDefect::OtherOffset { .. }), "{other_place}");
            let moved = RecordedEvent { offset: offset + 1, ..entry.clone() };
            let moved = check(offset + 1, &moved, &leaves, &of(offset + 1)).unwrap_err();
            assert!(matches!(moved, SampleDefect::NotOnChain { .. }), "{moved}");
            let changed = RecordedEvent { event: event("erp/1", 99), ..entry.clone() };
            assert!(check(offset, &changed, &leaves, &of(offset)).is_err());
            let late = RecordedEvent { recorded_at_ns: 1, ..entry.clone() };
            assert!(check(offset, &late, &leaves, &of(offset)).is_err());
            let far = RecordedEvent { revision: u64::MAX, ..entry.clone() };
            assert!(check(offset, &far, &leaves, &of(offset)).is_err());
            let unproven = check(offset, entry, &leaves, &of(offset + 1)).unwrap_err();
            assert!(matches!(unproven, SampleDefect::NotInLog(..)), "{unproven}");
        }
    }

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
