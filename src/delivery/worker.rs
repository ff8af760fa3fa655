//! Somebody who works for a consumer: credit, and what is delivered and not answered.
//! Does not know orders.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// The deliveries of a member that it may still work on, each with whether it was told. What has
/// gone another way while it was waiting to be told is not told.
#[derive(Clone, Debug, Default)]
pub(super) struct Live(Arc<Mutex<HashMap<Serial, bool>>>);

/// A delivery that was taken back, or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) offset: u64,
    /// Whether the member was told of it: else it was no try, and used no credit.
    pub(super) was_told: bool,
}

impl Live {
    /// Whether a delivery is still the member's, which is told of it now.
    pub(super) fn tell(&self, serial: Serial) -> bool {
        let mut live = self.lock();
        live.get_mut(&serial).map(|told| *told = true).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Serial, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.live.lock().insert(serial, false);
    }

    /// Takes a delivery back, or its answer; `None` where it has none of that offset.
    pub(super) fn take(&mut self, offset: u64) -> Option<Taken> {
        let serial = self.in_flight.remove(&offset)?;
        let was_told = self.live.lock().remove(&serial).unwrap_or(true);
        if !was_told {
            self.credit = self.credit.saturating_add(1);
        }
        Some(Taken { offset, was_told })
    }

    /// Takes everything back.
    pub(super) fn take_all(&mut self) -> Vec<Taken> {
        let offsets: Vec<u64> = self.in_flight.keys().copied().collect();
        offsets.into_iter().filter_map(|offset| self.take(offset)).collect()
    }
}
