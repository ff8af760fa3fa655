//! An event with its place in the ledger. Does not know how the ledger stores it.

use super::Event;

/// An event as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Place in the whole log, from 0, dense.
    pub offset: u64,
    /// Place in its order, from 0, dense.
    pub revision: u64,
    /// When the ledger took it, in nanoseconds of the Unix epoch; never decreases with the offset.
    pub recorded_at_ns: u64,
    /// The event.
    pub event: Event,
    /// The leaf hash of the order's previous entry; zero at revision 0.
    pub previous: [u8; 32],
}

impl RecordedEvent {
    /// The time by which timelines are sorted: when it occurred, or else when it was recorded.
    #[must_use]
    pub fn timeline_ns(&self) -> i64 {
        let recorded_at = || crate::time::signed(self.recorded_at_ns);
        self.event.occurred_at_ns().unwrap_or_else(recorded_at)
    }
}
