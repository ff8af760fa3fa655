//! Somebody who works for a consumer: credit, and what is delivered and not answered.
//! Does not know orders.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Deliveries that one member may have granted and not got.
pub(super) const CREDIT_MAX: u32 = 10_000;

pub(super) type MemberId = u64;

/// The number of one delivery, which no other has.
pub(super) type Serial = u64;

/// Somebody who works.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) credit: u32,
    /// The delivery of each offset that is not answered.
    in_flight: BTreeMap<u64, Serial>,
    /// Deliveries whose time was over since it has said anything.
    pub(super) unanswered: u32,
    pub(super) acknowledged: u64,
    live: Live,
}

/// The deliveries of a member that it may still work on. What has gone another way while it was
/// waiting to be sent is not sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Live(Arc<Mutex<HashSet<Serial>>>);

impl Live {
    pub(super) fn has(&self, serial: Serial) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&serial)
    }
}

impl Worker {
    pub(super) fn new(live: Live) -> Self {
        Self { live, ..Self::default() }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn has(&self, offset: u64) -> bool {
        self.in_flight.contains_key(&offset)
    }

    pub(super) fn given(&mut self, offset: u64, serial: Serial) {
        self.credit = self.credit.saturating_sub(1);
        self.in_flight.insert(offset, serial);
        self.live.0.lock().unwrap_or_else(PoisonError::into_inner).insert(serial);
    }

    /// Takes a delivery back, or its answer; whether it had it.
    pub(super) fn taken(&mut self, offset: u64) -> bool {
        let serial = self.in_flight.remove(&offset);
        let mut live = self.live.0.lock().unwrap_or_else(PoisonError::into_inner);
        serial.is_some_and(|serial| live.remove(&serial))
    }

    /// Takes everything back.
    pub(super) fn take_all(&mut self) -> Vec<u64> {
        self.live.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        std::mem::take(&mut self.in_flight).into_keys().collect()
    }
}
