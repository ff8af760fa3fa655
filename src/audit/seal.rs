//! Seals: the directory of all orders, made from what came since the last one and logged as an
//! entry of the ledger's own. Does not know when one is due, nor what is signed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::AuditError;
use super::directory::{Changes, Directory, DirectoryPlace};
use super::order_proof::{SEAL_MADE, SEALS};
use super::period::{Closing, Period};
use crate::event::{Event, RecordedEvent};
use crate::ledger::{AppendError, Batch, FailureClass, Ledger, OrderLeaf};
use crate::proto::{LedgerEntry, Seal};
use crate::time::{now_ns, rfc3339, signed, timestamp};

/// Bytes of a time in RFC 3339 up to the day.
const DAY_LEN: usize = "2026-11-23".len();
/// How often a seal that the ledger has no room for is sent again, and after how long.
const TRIES_MAX: u32 = 100;
const TRY_PAUSE: Duration = Duration::from_millis(50);

/// A seal with its directory, for as long as somebody makes proofs with it.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) directory: Directory,
    /// The entry of the seal.
    pub(super) entry: RecordedEvent,
}

impl Sealed {
    /// The number of entries that it covers.
    pub(super) fn covered(&self) -> u64 {
        self.directory.covered()
    }
}

/// Gathers what came since the last seal, and has the next one made in the background.
#[derive(Debug)]
pub(super) struct Sealer {
    ledger: Arc<Ledger>,
    place: DirectoryPlace,
    /// What the next directory is made from.
    base: Option<Arc<Sealed>>,
    changes: Changes,
    /// The day of the newest seal: it never goes back, whatever the clock does, so that the last
    /// history by name is the last in time.
    day: String,
    work: Option<Work>,
}

/// The thread that makes a seal; waited for when this is dropped, since it holds the ledger.
#[derive(Debug)]
struct Work {
    made: Receiver<Result<Made, AuditError>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Work {
    fn drop(&mut self) {
        // Whether it panicked is seen by what it does not answer.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A seal that was made, and the period that it closed.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) sealed: Arc<Sealed>,
    pub(super) period: Option<Period>,
    /// The offset behind the seal and what was appended with it.
    pub(super) end: u64,
}

impl Sealer {
    /// Takes up the directory that belongs to the last seal in the log; begins anew where there is
    /// no such directory.
    pub(super) fn open(ledger: Arc<Ledger>, place: DirectoryPlace) -> Result<Self, AuditError> {
        let last = ledger.last_own_history(SEALS)?;
        let day = last.as_deref().and_then(|name| name.strip_prefix(SEALS)).unwrap_or_default();
        let day = day.to_owned();
        let entry = last.map_or(Ok(None), |history| ledger.last_of_history(&history))?;
        let base = match place.open() {
            Ok(found) => found.zip(entry).and_then(|(directory, entry)| {
                let said = seal_of(&entry)?;
                let same = said.covered == directory.covered()
                    && said.directory_root == directory.root().hash;
                same.then(|| Arc::new(Sealed { directory, entry }))
            }),
            Err(error) => {
                tracing::warn!(%error, "the directory of seals is made again from the log");
                None
            }
        };
        let changes = place.changes_from(base.as_ref().map_or(0, |base| base.covered()));
        Ok(Self { ledger, place, base, changes, day, work: None })
    }

    /// The seal that is in force.
    pub(super) fn newest(&self) -> Option<&Arc<Sealed>> {
        self.base.as_ref()
    }

    /// Takes the leaf at an offset, where it is the next one.
    pub(super) fn take(&mut self, offset: u64, leaf: &OrderLeaf) -> Result<(), AuditError> {
        if self.changes.end() == offset {
            self.changes.add(&leaf.order, &leaf.leaf)?;
        }
        Ok(())
    }

    /// Reads a part of what it has not been given, up to `to`; answers whether that is all.
    pub(super) fn catch_up(&mut self, to: u64) -> Result<bool, AuditError> {
        let from = self.changes.end();
        if from >= to {
            return Ok(true);
        }
        let mut failed = Ok(());
        let changes = &mut self.changes;
        self.ledger.read_leaves((from, to), |leaf| {
            if failed.is_ok() {
                failed = changes.add(&leaf.order, &leaf.leaf);
            }
        })?;
        failed?;
        Ok(self.changes.end() >= to)
    }

    /// Begins a seal over all that was taken; `closing` is the period that ends with it. Who waits
    /// for leaves is poked when [`Sealer::finish`] has something to answer.
    pub(super) fn begin(&mut self, closing: Option<Closing>) -> Result<(), AuditError> {
        let today = rfc3339(&timestamp(signed(now_ns())), None);
        let today = today.get(..DAY_LEN).unwrap_or_default();
        if today > self.day.as_str() {
            today.clone_into(&mut self.day);
        }
        let next = self.place.changes_from(self.changes.end());
        let mut changes = std::mem::replace(&mut self.changes, next);
        let (ledger, place) = (Arc::clone(&self.ledger), self.place.clone());
        let (base, day) = (self.base.clone(), self.day.clone());
        let (sender, receiver) = sync_channel(1);
        let done = Poke(Arc::clone(&self.ledger));
        let work = move || {
            // Also where this panics, and behind the end of the sender.
            let _done = done;
            let sender = sender;
            let base = base.as_ref().map(|base| &base.directory);
            let directory = place.merge(base, &mut changes);
            let made = directory
                .map_err(AuditError::from)
                .and_then(|directory| log(&ledger, directory, (&day, closing)));
            // Nobody waits for it where the audit was dropped.
            let _ = sender.send(made);
        };
        let thread = std::thread::Builder::new().name("seal".into()).spawn(work);
        let thread = thread.map_err(|error| AuditError::io("a thread for the seal", error))?;
        self.work = Some(Work { made: receiver, thread: Some(thread) });
        Ok(())
    }

    /// The day of the newest seal, as in `2026-11-23`.
    pub(super) fn day(&self) -> &str {
        &self.day
    }

    /// Whether it has not been given all of the first `size` leaves.
    pub(super) fn lags(&self, size: u64) -> bool {
        self.changes.end() < size
    }

    /// Whether a seal is being made.
    pub(super) fn is_busy(&self) -> bool {
        self.work.is_some()
    }

    /// What became of the seal that was begun, once it is made; with `wait`, then.
    pub(super) fn finish(&mut self, wait: bool) -> Option<Result<Made, AuditError>> {
        let made = &self.work.as_ref()?.made;
        let panicked = || Err(AuditError::Directory("the thread that made it panicked".to_owned()));
        let made = match (wait, made.try_recv()) {
            (_, Ok(made)) => made,
            (true, Err(TryRecvError::Empty)) => made.recv().unwrap_or_else(|_| panicked()),
            (false, Err(TryRecvError::Empty)) => return None,
            (_, Err(TryRecvError::Disconnected)) => panicked(),
        };
        self.work = None;
        if let Ok(made) = &made {
            self.base = Some(Arc::clone(&made.sealed));
        } else {
            // Whatever was wrong with what it was made from, the next one is made anew.
            if matches!(made, Err(AuditError::Directory(_))) {
                self.base = None;
            }
            let base = self.base.as_ref();
            self.changes = self.place.changes_from(base.map_or(0, |base| base.covered()));
        }
        Some(made)
    }
}

/// Pokes when it is dropped.
struct Poke(Arc<Ledger>);

impl Drop for Poke {
    fn drop(&mut self) {
        self.0.poke();
    }
}

fn seal_of(entry: &RecordedEvent) -> Option<Seal> {
    entry.event.ledger_entry()?.seal
}

/// Appends the entry of a seal, and that of the period that it closes.
fn log(
    ledger: &Ledger,
    directory: Directory,
    (day, closing): (&str, Option<Closing>),
) -> Result<Made, AuditError> {
    let seal = Seal {
        covered: directory.covered(),
        directory_root: directory.root().hash.to_vec(),
        order_count: directory.order_count(),
    };
    let entry = LedgerEntry { seal: Some(seal.clone()), ..LedgerEntry::default() };
    let id = (format!("{SEALS}{day}"), seal.covered.to_string());
    let event = Event::of_ledger(id, (SEAL_MADE, entry));
    let period = closing.as_ref().map(|closing| closing.event(seal.clone()));
    let events: Vec<_> = [event.clone()].into_iter().chain(period).collect();
    let appended = append(ledger, &events)?;
    let mut receipts = appended.iter();
    let receipt = receipts.next().ok_or(AuditError::Closed)?;
    let found = ledger.own_at(receipt.offset)?;
    let entry = found.ok_or_else(|| AuditError::Directory("the seal is not there".to_owned()))?;
    let period = closing.zip(receipts.next());
    let period = period.map(|(closing, receipt)| closing.closed(seal.covered, receipt));
    let end = appended.iter().map(|receipt| receipt.offset + 1).max().unwrap_or_default();
    Ok(Made { sealed: Arc::new(Sealed { directory, entry }), period, end })
}

fn append(ledger: &Ledger, events: &[Event]) -> Result<Vec<crate::ledger::Receipt>, AuditError> {
    for _ in 1..TRIES_MAX {
        match ledger.append(Batch::of(events.to_vec())) {
            Err(AppendError::DiskFull) => break,
            Err(error) if error.class() == FailureClass::NotWritten => {
                std::thread::sleep(TRY_PAUSE);
            }
            answer => {
                let outcomes = answer?.outcomes;
                return Ok(outcomes.iter().map(|outcome| *outcome.receipt()).collect());
            }
        }
    }
    let outcomes = ledger.append(Batch::of(events.to_vec()))?.outcomes;
    Ok(outcomes.iter().map(|outcome| *outcome.receipt()).collect())
}
