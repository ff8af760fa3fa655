//! The bounded way to the writer: counts what waits, and says whether appends are taken at all.
//! Does not know what is in a batch.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::error::AppendError;
use crate::limits::Limits;

/// What waits for the writer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    batches: AtomicUsize,
    bytes: AtomicUsize,
    closed: AtomicBool,
    poisoned: OnceLock<String>,
}

impl Queue {
    /// Takes a place for a batch of so many bytes.
    pub(super) fn enter(&self, body_len: usize, limits: &Limits) -> Result<(), AppendError> {
        if let Some(reason) = self.poisoned() {
            return Err(AppendError::Poisoned(reason));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(AppendError::Closed);
        }
        self.came(body_len);
        let (batches, bytes) =
            (self.batches.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let limit = if batches > limits.queue_batches_max {
            format!("queue_batches_max = {}", limits.queue_batches_max)
        } else if bytes > limits.queue_bytes_max.max(body_len) {
            format!("queue_bytes_max = {}", limits.queue_bytes_max)
        } else {
            return Ok(());
        };
        self.left(body_len);
        Err(AppendError::Overloaded { batches, bytes, limit })
    }

    pub(super) fn takes_batches(&self) -> bool {
        self.poisoned.get().is_none() && !self.closed.load(Ordering::Acquire)
    }

    pub(super) fn came(&self, body_len: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(body_len, Ordering::Relaxed);
    }

    /// Gives the place of a batch back.
    pub(super) fn left(&self, body_len: usize) {
        self.batches.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(body_len, Ordering::Relaxed);
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Stops all appends until the ledger is opened again. The first reason stays.
    pub(super) fn poison(&self, reason: String) {
        let _ = self.poisoned.set(reason);
    }

    pub(super) fn poisoned(&self) -> Option<String> {
        self.poisoned.get().cloned()
    }
}
