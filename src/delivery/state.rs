//! What the log says of a consumer: a fold over the entries of its history.
//! Does not know who works for it now.

use std::collections::BTreeMap;

use crate::event::RecordedEvent;
use crate::proto::{ConsumerPosition, ConsumerSettings, LedgerEntry, ParkedAt};

/// Histories of consumers: what was decided about each.
pub(super) const CONSUMERS: &str = "$consumers/";
/// Histories of positions: where each consumer stood, one for each hour.
const POSITIONS: &str = "$positions/";

/// Where the histories of one consumer's positions begin.
pub(super) fn positions_of(name: &str) -> String {
    format!("{POSITIONS}{name}/")
}

/// Types of the entries.
pub(super) const CREATED: &str = "consumer.created";
pub(super) const UPDATED: &str = "consumer.updated";
pub(super) const DELETED: &str = "consumer.deleted";
pub(super) const ADVANCED: &str = "consumer.advanced";
pub(super) const RESET: &str = "consumer.reset";
pub(super) const PARKED: &str = "consumer.order_parked";
pub(super) const REPLAYED: &str = "consumer.order_replayed";
pub(super) const SKIPPED: &str = "consumer.order_skipped";

/// A consumer, as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) settings: ConsumerSettings,
    /// Nanoseconds of the Unix epoch.
    pub(super) created_at_ns: u64,
    pub(super) position: Position,
    /// By order, each with when it was parked, in nanoseconds of the Unix epoch.
    pub(super) parked: BTreeMap<String, (ParkedAt, u64)>,
}

/// Where a consumer stands (`ConsumerPosition`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) scanned_to: u64,
    /// Offsets, rising.
    pub(super) outstanding: Vec<u64>,
    pub(super) replayed_to: u64,
}

impl Position {
    pub(super) fn of(told: &ConsumerPosition) -> Self {
        let mut at = 0_u64;
        let offset = |step: &u64| {
            at = at.saturating_add(*step);
            at
        };
        let outstanding = told.outstanding_steps.iter().map(offset).collect();
        Self { scanned_to: told.scanned_to, outstanding, replayed_to: told.replayed_to }
    }

    pub(super) fn told(&self) -> ConsumerPosition {
        let mut before = 0;
        let step = |offset: &u64| offset.saturating_sub(std::mem::replace(&mut before, *offset));
        ConsumerPosition {
            scanned_to: self.scanned_to,
            outstanding_steps: self.outstanding.iter().map(step).collect(),
            replayed_to: self.replayed_to,
        }
    }
}

/// The state that entries leave, given in the order of the log. `None` where there is no consumer.
pub(super) fn fold<'e>(entries: impl IntoIterator<Item = &'e RecordedEvent>) -> Option<State> {
    let mut state = None;
    for recorded in entries {
        let entry = recorded.event.ledger_entry().unwrap_or_default();
        apply(&mut state, recorded, entry);
    }
    state
}

fn apply(state: &mut Option<State>, recorded: &RecordedEvent, entry: LedgerEntry) {
    let LedgerEntry { settings, position, parked, skipped, correlation_id, .. } = entry;
    let position = Position::of(&position.unwrap_or_default());
    match (recorded.event.event_type(), state.as_mut()) {
        (CREATED, _) => {
            *state = Some(State {
                settings: settings.unwrap_or_default(),
                created_at_ns: recorded.recorded_at_ns,
                position,
                parked: BTreeMap::new(),
            });
        }
        (DELETED, _) => *state = None,
        (UPDATED, Some(state)) => state.settings = settings.unwrap_or_default(),
        (ADVANCED, Some(state)) => state.position = position,
        (RESET, Some(state)) => {
            state.position = position;
            let to = state.position.scanned_to;
            state.parked.retain(|_, (parked, _)| parked.offset < to);
        }
        (PARKED, Some(state)) => {
            let parked = parked.unwrap_or_default();
            state.position.outstanding.retain(|offset| *offset != parked.offset);
            let order = parked.correlation_id.clone();
            state.parked.insert(order, (parked, recorded.recorded_at_ns));
        }
        (REPLAYED, Some(state)) => {
            if let Some((parked, _)) = state.parked.remove(&correlation_id) {
                state.stand_at(parked.offset);
            }
        }
        (SKIPPED, Some(state)) => {
            let skipped = skipped.unwrap_or_default();
            state.parked.remove(&skipped.correlation_id);
            state.stand_at(skipped.to_offset);
        }
        _ => {}
    }
}

impl State {
    /// An order is on its way again, at the event of this offset; what the scan has not reached it
    /// will come to.
    fn stand_at(&mut self, offset: u64) {
        let outstanding = &mut self.position.outstanding;
        if offset < self.position.scanned_to
            && let Err(at) = outstanding.binary_search(&offset)
        {
            outstanding.insert(at, offset);
        }
    }
}
