//! The events of orders that were touched lately, in memory, so that a pass seldom reads the log
//! for them. Does not know how orders are folded; whoever is in doubt drops it.
//!
//! As the writer's memory of orders, it has two generations: touching an order moves it into the
//! young one, and the old one is forgotten whole.

use bytes::Bytes;

use super::OrderMap;
use crate::event::{Event, RecordedEvent};
use crate::log::Hash;

/// Bytes of a generation.
pub(super) const GENERATION_BYTES: usize = 4 * 1024 * 1024;

/// Whole histories of orders, up to the checkpoint.
#[derive(Debug, Default)]
pub(super) struct Cache {
    young: OrderMap<Vec<RecordedEvent>>,
    old: OrderMap<Vec<RecordedEvent>>,
    young_bytes: usize,
}

impl Cache {
    /// Takes an order out.
    pub(super) fn take(&mut self, order: &Hash) -> Option<Vec<RecordedEvent>> {
        let young = self.young.remove(order);
        if let Some(events) = &young {
            self.young_bytes = self.young_bytes.saturating_sub(bytes_of(events));
        }
        young.or_else(|| self.old.remove(order))
    }

    /// Puts an order in, with all its events. Those from `fresh` on get memory of their own: a few
    /// events would otherwise hold on to the whole piece of the log that they were read in.
    pub(super) fn put(&mut self, order: Hash, mut events: Vec<RecordedEvent>, fresh: usize) {
        let bytes = bytes_of(&events);
        if bytes > GENERATION_BYTES / 2 {
            return;
        }
        let fresh = events.get_mut(fresh..).unwrap_or_default();
        let mut bodies = Vec::with_capacity(fresh.iter().map(|one| one.event.body().len()).sum());
        for recorded in &*fresh {
            bodies.extend_from_slice(recorded.event.body());
        }
        let mut bodies = Bytes::from(bodies);
        for recorded in fresh {
            let body = bodies.split_to(recorded.event.body().len());
            recorded.event = Event::stored(body);
        }
        if self.young_bytes + bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(order, events);
    }
}

pub(super) fn bytes_of(events: &[RecordedEvent]) -> usize {
    events.iter().map(|one| size_of::<RecordedEvent>() + one.event.body().len()).sum()
}
