//! Every limit of the ledger, in one place, with its default.
//! Does not know who enforces which.

use serde::{Deserialize, Serialize};

/// The limits of a ledger. A limit that is met is named in the error, with its value.
///
/// ```
/// let limits = order_ledger::Limits { batch_events_max: 100, ..Default::default() };
/// assert_eq!(limits.event_bytes_max, 64 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Events in a batch.
    pub batch_events_max: usize,
    /// Bytes of all events of a batch together, as received.
    pub batch_bytes_max: usize,
    /// Bytes of one event, as received.
    pub event_bytes_max: usize,
    /// Lines of one event.
    pub event_lines_max: usize,
    /// Bytes of an id in UTF-8: source, type, and every field whose name ends in `_id`.
    pub id_bytes_max: usize,
    /// Open dead letters of one source; beyond, what is refused is not kept.
    pub dead_letters_max: usize,
    /// Bytes of the open dead letters of one source, as received.
    pub dead_letter_bytes_max: usize,
    /// Batches that wait for the writer; more are refused with `OVERLOADED`.
    pub queue_batches_max: usize,
    /// Bytes of events that wait for the writer; more are refused with `OVERLOADED`.
    pub queue_bytes_max: usize,
    /// Entries in memory that the views do not have yet; beyond it appends wait for the views.
    pub tail_entries_max: usize,
    /// Rows of a page of a timeline.
    pub page_rows_max: usize,
    /// Values in all filters of a replay together.
    pub filter_values_max: usize,
    /// Consumers of the ledger.
    pub consumers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_events_max: 1_000,
            batch_bytes_max: 4 * 1024 * 1024,
            event_bytes_max: 64 * 1024,
            event_lines_max: 1_000,
            id_bytes_max: 128,
            dead_letters_max: 10_000,
            dead_letter_bytes_max: 64 * 1024 * 1024,
            queue_batches_max: 8_192,
            queue_bytes_max: 64 * 1024 * 1024,
            tail_entries_max: 262_144,
            page_rows_max: 10_000,
            filter_values_max: 1_000,
            consumers_max: 1_000,
        }
    }
}
