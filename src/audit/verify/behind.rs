//! Seals on a thread of their own, behind the one that reads the log. Does not know what a seal is.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::seals::{Seals, Standing};
use super::{DEFECTS_MAX, VerifyError};
use crate::event::RecordedEvent;
use crate::ledger::CheckedEntry;

/// Entries that are handed over together.
const BATCH_LEN: usize = 4096;
/// Batches that wait at most.
const BATCHES_MAX: usize = 8;

/// The offset of an entry of the ledger's own, and what is wrong with it.
pub(super) type SealDefect = (u64, String);

/// An entry, and what it says where it is one of the ledger's own.
#[derive(Debug)]
struct Step {
    standing: Standing,
    own: Option<Box<RecordedEvent>>,
}

/// Hands entries over.
#[derive(Debug)]
pub(super) struct Behind {
    batch: Vec<Step>,
    /// `None` when all was handed over.
    steps: Option<SyncSender<Vec<Step>>>,
    thread: JoinHandle<(Seals, Vec<SealDefect>)>,
}

impl Behind {
    pub(super) fn start(seals: Seals) -> Result<Self, VerifyError> {
        let (steps, incoming) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("verify-seals".into())
            .spawn(move || work(seals, &incoming))
            .map_err(|error| VerifyError::io("a thread".as_ref(), error))?;
        Ok(Self { batch: Vec::new(), steps: Some(steps), thread })
    }

    /// Hands over the next entry of the log.
    pub(super) fn take(&mut self, entry: &CheckedEntry<'_>) {
        let standing = Standing {
            offset: entry.offset,
            order_number: entry.order_number,
            order: *entry.order,
            order_entries: entry.order_entries,
            leaf: *entry.leaf,
        };
        self.batch.push(Step { standing, own: entry.own.map(|own| Box::new(own.clone())) });
        if self.batch.len() >= BATCH_LEN {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_LEN));
        // Where the thread has panicked, the end says so.
        let _ = self.steps.as_ref().map(|steps| steps.send(batch));
    }

    /// Waits for all that was handed over; answers the seals and what is wrong with them.
    pub(super) fn finish(mut self) -> (Seals, Vec<SealDefect>) {
        self.hand_over();
        self.steps = None;
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn work(mut seals: Seals, incoming: &Receiver<Vec<Step>>) -> (Seals, Vec<SealDefect>) {
    let mut defects = Vec::new();
    while let Ok(batch) = incoming.recv() {
        for Step { standing, own } in batch {
            seals.take(&standing);
            let defect = own.and_then(|own| seals.check(&own));
            if let Some(what) = defect.filter(|_| defects.len() < DEFECTS_MAX) {
                defects.push((standing.offset, what));
            }
        }
    }
    (seals, defects)
}
