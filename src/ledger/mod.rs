//! The ledger: append, query, replay and follow, over the log and its views.
//! Does not know gRPC or the command line.

mod admission;
mod as_of;
mod batch;
mod error;
mod find;
mod known;
mod leaves;
mod links;
mod list;
mod lookout;
mod open;
mod own;
mod page;
mod pick;
mod progress;
mod query;
mod queue;
mod replay;
#[cfg(test)]
mod shuffle_tests;
mod verify;
#[cfg(test)]
mod views_tests;
mod wait;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

pub use as_of::AsOf;
pub use batch::{Appended, Batch, Outcome, Receipt};
pub use error::{AppendError, FailureClass, OpenError, QueryError, ReusedId, WrongRevision};
pub(crate) use leaves::OrderLeaf;
pub use links::FullHistory;
pub(crate) use lookout::{Lookout, Wait};
pub(crate) use page::{page_rows, token, token_of};
pub(crate) use pick::EntryPlace;
pub use progress::Progress;
pub(crate) use query::with_lateness;
pub use query::{Order, Sizes, Timeline, TimelineQuery, TimelineRow};
pub(crate) use replay::Place;
pub use replay::{Chunk, Follow, Replay};
pub(crate) use verify::{CheckedEntry, ClosedLedger, OwnEntries};
pub use verify::{VerifyReport, verify};
pub use wait::Pending;
pub(crate) use wait::{block_on, block_on_until};

pub use crate::view::SourceWatermark;

use admission::LookedUp;
use batch::Prepared;
pub(crate) use batch::{KeepReused, check_expectation};
use known::KnownOrder;
use leaves::LeafFeed;
pub(crate) use own::OwnPlaces;
use queue::Queue;
use writer::{Command, Head, Submission};

use crate::event::Violation;
use crate::limits::Limits;
use crate::log::{Disk, FileSystem, LogReader};
use crate::order::Policy;
use crate::view::{Passes, ViewError, Views};

/// How a ledger is opened.
///
/// ```
/// use order_ledger::{Limits, Options};
///
/// let options = Options {
///     limits: Limits { batch_events_max: 100, ..Default::default() },
///     ..Default::default()
/// };
/// assert_eq!(options.segment_bytes, 64 * 1024 * 1024);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The limits.
    pub limits: Limits,
    /// Bytes of a log segment made from now on: 64 KiB to 4 GiB - 1.
    pub segment_bytes: u64,
    /// What the rules for anomalies know about the house. The views keep it, and are rebuilt when
    /// another one is given. `None`: the one that they have; the default in a new ledger.
    pub policy: Option<Policy>,
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        let segment_bytes = 64 * 1024 * 1024;
        let limits = Limits::default();
        Self { limits, segment_bytes, policy: None, disk: Arc::new(FileSystem) }
    }
}

/// An open ledger. Share it by reference or in an `Arc`; all methods may be called from any thread.
///
/// Dropping it closes it.
pub struct Ledger {
    commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    queue: Arc<Queue>,
    head: watch::Receiver<Head>,
    views: Arc<Views>,
    passes: Passes,
    reader: LogReader,
    limits: Limits,
    policy: Policy,
    block_len_max: usize,
    id: String,
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    /// Whether somebody has its consumers open.
    delivers: AtomicBool,
    lookout: Lookout,
    leaves: Arc<LeafFeed>,
    _lock: Box<dyn fmt::Debug + Send + Sync>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger in a folder, or makes one there.
    ///
    /// # Errors
    /// Where another process has it open, where it is damaged (by file, position and defect), and
    /// what the disk says.
    pub fn open(folder: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_with_progress(folder, options, |_| {})
    }

    /// The same; says how far it is. That takes long where the views have to be made again.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// use order_ledger::{Ledger, Options};
    ///
    /// let ledger = Ledger::open_with_progress(&folder, Options::default(), |step| {
    ///     println!("{}: {} of {}", step.what, step.done, step.total);
    /// })?;
    /// assert_eq!(ledger.head(), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_with_progress(
        folder: impl AsRef<Path>,
        options: Options,
        progress: impl FnMut(Progress),
    ) -> Result<Self, OpenError> {
        open::open(folder.as_ref(), options, progress)
    }

    /// Which ledger this is: 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same as bytes.
    pub(crate) fn id_bytes(&self) -> [u8; 16] {
        self.reader.ledger_id()
    }

    /// The folder of the ledger.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where its files are.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// What orders are folded with.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The limits that the ledger was opened with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The number of entries in the log, all of them durable.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head_now().point.offset
    }

    /// Asks whether anybody still holds the views as they are now.
    #[cfg(test)]
    pub(crate) fn newest_is_held(&self) -> impl Fn() -> bool + use<> {
        self.views.newest_is_held()
    }

    /// Whether the ledger takes appends: it is open, and no write has failed.
    #[must_use]
    pub fn takes_appends(&self) -> bool {
        self.queue.takes_batches()
    }

    /// Appends a batch, durably, and waits for it.
    ///
    /// # Errors
    /// See [`AppendError`] and its [`AppendError::class`].
    pub fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        self.submit(batch)?.wait()
    }

    /// Sends a batch to the writer; await what it answers, or wait for it. Batches that one thread
    /// submits are decided in the order in which it submitted them.
    ///
    /// This looks up orders that were not touched lately, which may wait for the disk.
    ///
    /// # Errors
    /// What can be said before the writer sees the batch; see [`AppendError`].
    pub fn submit(&self, batch: Batch) -> Result<Pending, AppendError> {
        let prepared = Prepared::of(batch, &self.limits)?;
        let largest = prepared.log_len + crate::log::BLOCK_OVERHEAD;
        if largest > self.block_len_max {
            let max = self.block_len_max;
            let what = format!("{largest} bytes in the log; a segment has room for {max}");
            return Err(AppendError::Invalid(vec![Violation::new("events", what)]));
        }
        self.queue.enter(prepared.body_len, &self.limits)?;
        let body_len = prepared.body_len;
        let looked_up = self.look_up(&prepared).inspect_err(|_| self.queue.left(body_len))?;
        let (reply, answer) = oneshot::channel();
        let submission = Submission { batch: prepared, looked_up, reply };
        self.commands.send(Command::Append(Box::new(submission))).map_err(|_| {
            self.queue.left(body_len);
            self.queue.poisoned().map_or(AppendError::Closed, AppendError::Poisoned)
        })?;
        Ok(Pending::new(answer))
    }

    /// Looks up the orders that the writer does not know, on the caller's time.
    fn look_up(&self, batch: &Prepared) -> Result<LookedUp, AppendError> {
        let basis = self.head();
        let tail = self.views.tail();
        let cold: Vec<bool> = batch.orders.iter().map(|order| !tail.has(&order.hash)).collect();
        let names = batch.orders.iter().zip(&cold).filter(|(_, cold)| **cold);
        let names: Vec<_> = names.map(|(order, _)| (&order.hash, &*order.correlation_id)).collect();
        if names.is_empty() {
            return Ok(LookedUp { orders: Vec::new(), basis });
        }
        let unreadable = |error: ViewError| AppendError::Unreadable(error.to_string());
        let mut found = self.views.orders(&names, basis).map_err(unreadable)?.into_iter();
        let orders = cold.into_iter().map(|cold| {
            let found = cold.then(|| found.next().unwrap_or_default());
            found.map(|entries| KnownOrder::of(entries, &self.reader)).transpose()
        });
        let orders = orders.collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(LookedUp { orders, basis })
    }

    /// Stops appends, waits for those under way, and writes the views. Reads still work afterwards;
    /// the folder is free again when the ledger is dropped.
    pub fn close(&self) {
        self.queue.close();
        let _ = self.commands.send(Command::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer had panicked; the ledger was poisoned");
        }
    }

    /// Takes the ledger's consumers for the caller alone; `false` where somebody has them.
    pub(crate) fn claim_delivery(&self) -> bool {
        !self.delivers.swap(true, Ordering::AcqRel)
    }

    /// Gives them back.
    pub(crate) fn release_delivery(&self) {
        self.delivers.store(false, Ordering::Release);
    }

    /// Where all wait that follow.
    pub(crate) fn lookout(&self) -> &Lookout {
        &self.lookout
    }

    fn head_now(&self) -> Head {
        *self.head.borrow()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close();
    }
}
