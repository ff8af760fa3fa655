//! The leaf: what one entry contributes to the proof that nothing was changed or left out.
//! Does not know trees or signatures; it is part of format 1 (`docs/format.md`, "The leaf").

use super::format::flags_of;
use crate::event::RecordedEvent;
use std::io::Write as _;

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash before an order's first entry.
pub(crate) const NO_PREVIOUS: Hash = [0; 32];

const VERSION: u8 = 1;
const ORDER_PREFIX: &[u8] = b"orderledger/order/1\0";
const BODY_PREFIX: [u8; 1] = [0x20];
const LEAF_PREFIX: u8 = 0x00;
/// Bytes of a leaf.
const LEAF_LEN: usize = 154;

/// What a leaf covers. The private section is reserved: absent, its hash is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf<'a> {
    /// Bit 0: an entry of the ledger's own.
    pub(crate) flags: u8,
    /// Nanoseconds of the Unix epoch.
    pub(crate) recorded_at: u64,
    /// Nanoseconds of the Unix epoch; 0 where the event does not say.
    pub(crate) occurred_at: i64,
    pub(crate) revision: u64,
    pub(crate) order: &'a Hash,
    pub(crate) previous: &'a Hash,
    pub(crate) body: &'a Hash,
}

impl Leaf<'_> {
    /// RFC 6962 leaf hash: SHA-256(0x00 + the 154 bytes of the leaf).
    pub(crate) fn hash(&self) -> Hash {
        let mut leaf = [0; 1 + LEAF_LEN];
        let parts: [&[u8]; 8] = [
            &[LEAF_PREFIX, VERSION, self.flags],
            &self.recorded_at.to_le_bytes(),
            &self.occurred_at.to_le_bytes(),
            &self.revision.to_le_bytes(),
            self.order,
            self.previous,
            self.body,
            &NO_PREVIOUS,
        ];
        // In one piece, because the hash of many small ones costs twice as much.
        let mut rest = leaf.as_mut_slice();
        for part in parts {
            let written = rest.write_all(part);
            debug_assert!(written.is_ok(), "the parts are as long as the leaf");
        }
        Sha256::digest(leaf).into()
    }
}

/// The hash that stands for an order in a leaf:
/// SHA-256("orderledger/order/1\0" + `correlation_id`).
pub(crate) fn order_hash(correlation_id: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(ORDER_PREFIX);
    hasher.update(correlation_id);
    hasher.finalize().into()
}

/// The hash of an event's stored bytes: SHA-256(0x20 + body).
pub(crate) fn body_hash(body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(BODY_PREFIX);
    hasher.update(body);
    hasher.finalize().into()
}

impl RecordedEvent {
    /// The leaf hash of the event's entry.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        Leaf {
            flags: flags_of(self.event.correlation_id().as_bytes()),
            recorded_at: self.recorded_at_ns,
            occurred_at: self.event.occurred_at_ns().unwrap_or(0),
            revision: self.revision,
            order: &order_hash(self.event.correlation_id().as_bytes()),
            previous: &self.previous,
            body: &body_hash(self.event.body()),
        }
        .hash()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_leaf_changes_its_hash() {
        let (zero, one) = ([0; 32], [1; 32]);
        let leaf = Leaf {
            flags: 0,
            recorded_at: 1,
            occurred_at: 2,
            revision: 3,
            order: &zero,
            previous: &zero,
            body: &zero,
        };
        let hash = leaf.hash();
        for changed in [
            Leaf { flags: 1, ..leaf },
            Leaf { recorded_at: 9, ..leaf },
            Leaf { occurred_at: 9, ..leaf },
            Leaf { revision: 9, ..leaf },
            Leaf { order: &one, ..leaf },
            Leaf { previous: &one, ..leaf },
            Leaf { body: &one, ..leaf },
        ] {
            assert_ne!(changed.hash(), hash, "{changed:?}");
        }
    }
}
