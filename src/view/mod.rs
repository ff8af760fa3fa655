//! Views: what is derived from the log, in redb, with the tail in front of it.
//! Does not know who appends or asks; it can always be deleted and rebuilt.

mod ask;
mod cache;
mod changes;
mod compare;
mod contrast;
#[cfg(test)]
mod dump;
mod failure;
mod find;
mod indexer;
mod key;
mod linked;
mod list;
mod pass;
mod row;
mod snapshot;
mod storage;
mod tables;
mod tail;
mod walk;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};

use tokio::sync::watch;

use crate::event::Event;
use crate::log::{Disk, Hash, LogError, LogReader, Placed, Point};
use crate::order::{OrderStatus, Policy, link_targets};

pub use ask::SourceWatermark;
pub(crate) use ask::{
    FindPosition, FindQuery, FoundOrder, FoundOrders, ListPosition, ListQuery, ListSort,
    OrderFilter, OrderList,
};
use cache::Cache;
pub(crate) use compare::Tally;
use failure::guarded;
pub(crate) use indexer::{Indexer, Passes};
pub(crate) use linked::{histories_of, names_others, targets_of};
use pass::Pass;
use snapshot::Snapshot;
pub(crate) use tables::Checkpoint;
use tables::Tables;
pub(crate) use tail::{GenerationSize, Indexed, Mark, OrderMap, Tail, TailEntry};
use tail::{TailOrder, mark_of};

/// A generation that is due to go into the views.
const PASS_SIZE: GenerationSize = GenerationSize { entries: 131_072, bytes: 40 * 1024 * 1024 };

/// Which event of its order an event is: the first half of SHA-256(length of source, source,
/// `event_id`). Two events of one order with equal keys have equal source and id.
pub(crate) type EventKey = [u8; 16];

/// The key of an event within its order.
pub(crate) fn event_key(source: &str, event_id: &str) -> EventKey {
    let mut hasher = Sha256::new();
    hasher.update(crate::num::u64_from(source.len()).to_le_bytes());
    hasher.update(source);
    hasher.update(event_id);
    let hash: Hash = hasher.finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// Why the views cannot answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// A row or a page is not what was written.
    #[error("the views are damaged ({0}); open the ledger again: it makes them again")]
    Damaged(String),
    /// The program or redb met what it did not expect: damage, or a defect.
    #[error("the views cannot be used ({0}); delete views.redb and open the ledger again")]
    Unusable(String),
    /// The disk did not let the file be opened.
    #[error("views.redb cannot be opened: {0}")]
    Unreadable(String),
    /// The views have entries that the log has not, or has otherwise.
    #[error(
        "the views go to offset {offset}, where the log ends earlier or differs: it has lost \
         entries, or was restored from a backup"
    )]
    LogDiffers {
        /// Up to where the views go.
        offset: u64,
    },
    /// An order's events cannot be folded: a defect of the program.
    #[error("the state of order {correlation_id} cannot be folded: {reason}")]
    Fold {
        /// The order.
        correlation_id: String,
        /// What the fold said.
        reason: String,
    },
    /// The views were made with another policy.
    #[error("the policy has changed since the views were made")]
    Policy,
    /// The file cannot be read or written.
    #[error("views.redb: {0}")]
    Io(String),
    /// The log behind the views cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl ViewError {
    pub(crate) fn wrong_order() -> Self {
        Self::Damaged("an entry of another order stands in an order's place".into())
    }
}

/// The views and their tail.
#[derive(Debug)]
pub(crate) struct Views {
    tables: Tables,
    tail: Tail,
    reader: LogReader,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    policy: Policy,
    cache: Mutex<Cache>,
    /// The pass that runs while the log is recovered.
    recovering: Mutex<Option<JoinHandle<Result<(), ViewError>>>>,
    /// The offset up to which the views have the log.
    reached: watch::Sender<u64>,
    /// What is damaged, once something is.
    damage: OnceLock<String>,
}

/// Where views are kept, and of what they are made.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    pub(crate) reader: LogReader,
    pub(crate) ledger_id: [u8; 16],
}

impl Views {
    /// Opens the views, or creates empty ones where they are missing, of another version, damaged,
    /// not of this log, or made with another policy; answers the checkpoint that they stand at.
    pub(crate) fn open(origin: Origin, policy: Policy) -> Result<(Self, Checkpoint), ViewError> {
        let found = open_tables(&origin).and_then(|(tables, checkpoint)| {
            let same = policy_of(&tables)? == policy;
            if same { Ok((tables, checkpoint)) } else { Err(ViewError::Policy) }
        });
        let (tables, checkpoint) = match found {
            Ok(found) => found,
            // A disk that fails now is no reason to fold the whole log again.
            Err(error @ (ViewError::Unreadable(_) | ViewError::Log(_))) => return Err(error),
            Err(reason) => {
                if matches!(reason, ViewError::LogDiffers { .. }) {
                    tracing::error!(%reason, "rebuilding the views from the log as it is");
                } else if !origin.reader.segments().is_empty() {
                    tracing::warn!(%reason, "rebuilding the views from the log");
                }
                let text = policy_text(&policy);
                let empty = Checkpoint::empty(origin.ledger_id);
                (Tables::create(&*origin.disk, &origin.path, (&text, &empty))?, empty)
            }
        };
        Ok((Self::of(origin, tables, (policy, checkpoint)), checkpoint))
    }

    /// Opens views that are there, with the policy that they were made with, to look at them.
    pub(crate) fn inspect(origin: Origin) -> Result<(Self, Checkpoint), ViewError> {
        let (tables, checkpoint) = open_tables(&origin)?;
        let policy = policy_of(&tables)?;
        Ok((Self::of(origin, tables, (policy, checkpoint)), checkpoint))
    }

    fn of(origin: Origin, tables: Tables, (policy, checkpoint): (Policy, Checkpoint)) -> Self {
        let Origin { disk, path, reader, .. } = origin;
        let reached = watch::Sender::new(checkpoint.end.offset);
        let (tail, cache, recovering) = (Tail::default(), Mutex::default(), Mutex::default());
        let damage = OnceLock::new();
        Self { tables, tail, reader, disk, path, policy, cache, recovering, reached, damage }
    }

    pub(crate) fn log(&self) -> &LogReader {
        &self.reader
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Takes an entry while the log is recovered; has a full generation written behind it.
    pub(crate) fn recovered(self: &Arc<Self>, placed: &Placed<'_>) -> Result<(), ViewError> {
        let entry = &placed.entry;
        let event = Event::stored(entry.body.to_vec().into());
        let order = crate::log::order_hash(entry.correlation_id);
        let key = event_key(event.source(), event.event_id());
        let targets = link_targets(&event);
        let indexed = Indexed {
            revision: entry.revision,
            place: Point { offset: entry.offset, position: placed.position },
            key,
        };
        if let Some(mark) = mark_of(placed) {
            // Only between blocks: a checkpoint is a place where a reader can start.
            let size = self.tail.publish(mark, mark.point, std::iter::empty());
            if size.exceeds(PASS_SIZE) {
                self.settle()?;
                self.tail.seal();
                let views = Arc::clone(self);
                let pass = std::thread::spawn(move || views.pass_sealed());
                *self.recovering() = Some(pass);
            }
        }
        let (order, correlation_id) = (&order, entry.correlation_id);
        self.tail.extend(TailEntry { order, correlation_id, indexed, targets: &targets });
        Ok(())
    }

    /// Says where the recovered log ends, when what was found is written as far as it will be.
    pub(crate) fn recovered_to(&self, end: Point) -> Result<(), ViewError> {
        self.tail.set_end(end);
        self.settle()
    }

    fn recovering(&self) -> MutexGuard<'_, Option<JoinHandle<Result<(), ViewError>>>> {
        self.recovering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the pass of the generation before.
    fn settle(&self) -> Result<(), ViewError> {
        let pass = self.recovering().take();
        let panicked = |_| Err(ViewError::Unusable("a pass panicked".to_owned()));
        pass.map_or(Ok(()), |pass| pass.join().unwrap_or_else(panicked))
    }

    /// The entries of an order below `head`, by revision.
    pub(crate) fn order(
        &self,
        order: &Hash,
        id: &[u8],
        head: u64,
    ) -> Result<Vec<Indexed>, ViewError> {
        let found = self.orders(&[(order, id)], head)?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// The entries of orders below `head`, each by revision.
    pub(crate) fn orders(
        &self,
        orders: &[(&Hash, &[u8])],
        head: u64,
    ) -> Result<Vec<Vec<Indexed>>, ViewError> {
        // The tail first: what the indexer moves meanwhile is then in both, never in neither.
        let tails: Vec<_> = orders.iter().map(|(hash, _)| self.tail.entries(hash, head)).collect();
        let whole = |tail: &Vec<Indexed>| tail.first().is_some_and(|first| first.revision == 0);
        if tails.iter().all(whole) {
            return Ok(tails);
        }
        let stored: Vec<_> = self.tables.read(|snapshot| {
            orders.iter().map(|(_, id)| snapshot.entries_of(id)).collect::<Result<_, _>>()
        })?;
        stored.into_iter().zip(tails).map(|(stored, tail)| joined(stored, tail, head)).collect()
    }

    /// The names of histories that begin so, sorted.
    pub(crate) fn names(&self, prefix: &[u8]) -> Result<BTreeSet<String>, ViewError> {
        // The tail first, as everywhere.
        let tail = self.tail.names(prefix);
        let mut found = self.tables.read(|snapshot| snapshot.names(prefix))?;
        found.extend(tail);
        Ok(found)
    }

    /// The last of the names of histories that begin so.
    pub(crate) fn last_name(&self, prefix: &[u8]) -> Result<Option<String>, ViewError> {
        let tail = self.tail.names(prefix).into_iter().max();
        let stored = self.tables.read(|snapshot| snapshot.last_name(prefix))?;
        Ok(stored.max(tail))
    }

    /// The last mark at or before an offset.
    pub(crate) fn mark(&self, offset: u64) -> Result<Option<Mark>, ViewError> {
        let stored = || self.tables.read(|snapshot| snapshot.mark(offset));
        self.tail.mark(offset).map_or_else(stored, |mark| Ok(Some(mark)))
    }

    /// A point at or before an offset, from which a reader can go on block by block.
    pub(crate) fn seek(&self, offset: u64) -> Result<Point, ViewError> {
        Ok(self.mark(offset)?.map(|mark| mark.point).unwrap_or_default())
    }

    /// Asks whether anybody still holds the tables as they are now.
    #[cfg(test)]
    pub(crate) fn newest_is_held(&self) -> impl Fn() -> bool + use<> {
        self.tables.newest_is_held()
    }

    /// The number of orders.
    pub(crate) fn order_count(&self) -> Result<u64, ViewError> {
        let tail = self.tail.new_order_count();
        Ok(self.tables.read(Snapshot::order_count)? + tail)
    }

    /// Bytes of the file.
    pub(crate) fn file_size(&self) -> Result<u64, ViewError> {
        if self.damage.get().is_some() {
            return Ok(0);
        }
        let size = self.disk.open(&self.path).and_then(|file| file.size());
        size.map_err(|error| ViewError::Io(error.to_string()))
    }

    /// The offset up to which the views have the log.
    pub(crate) fn checkpoint(&self) -> Result<u64, ViewError> {
        self.tables.read(|snapshot| Ok(snapshot.basis()))
    }

    /// All marks, by offset.
    pub(crate) fn marks(&self) -> Result<BTreeMap<u64, Mark>, ViewError> {
        self.tables.read(Snapshot::marks)
    }

    /// Checks every page of the file.
    pub(crate) fn check_pages(&mut self) -> Result<(), ViewError> {
        self.tables.check_pages()
    }

    /// Writes all of the current generation into the views, durably.
    pub(crate) fn pass(&self) -> Result<(), ViewError> {
        self.tail.seal();
        self.pass_sealed()
    }

    fn pass_sealed(&self) -> Result<(), ViewError> {
        let sealed = self.tail.seal();
        if sealed.size.entries > 0 {
            let pass = Pass { tables: &self.tables, log: &self.reader, policy: &self.policy };
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            // Whatever goes wrong, the views stand still and say so.
            let passed = guarded(|| Ok(pass.run(&sealed, &mut cache)?));
            if let Err(error) = &passed {
                *cache = Cache::default();
                self.note_damage(error);
            }
            passed?;
        }
        self.tail.drop_sealed(&sealed);
        self.reached.send_if_modified(|reached| {
            let before = std::mem::replace(reached, sealed.end.offset.max(*reached));
            before < *reached
        });
        Ok(())
    }

    /// The offset up to which the views have the log, to be watched.
    pub(crate) fn reached(&self) -> watch::Receiver<u64> {
        self.reached.subscribe()
    }

    /// Answers a list; `updated_from` is the offset that its `updated_since_ns` stands for.
    pub(crate) fn list(
        &self,
        query: &ListQuery,
        updated_from: Option<u64>,
    ) -> Result<OrderList, ViewError> {
        self.tables.read(|snapshot| list::list(snapshot, query, updated_from))
    }

    /// Where an order stands, as far as the views go.
    pub(crate) fn status(&self, correlation_id: &str) -> Result<Option<OrderStatus>, ViewError> {
        self.tables.read(|snapshot| find::status_of_name(snapshot, correlation_id))
    }

    /// Answers a look-up.
    pub(crate) fn find(&self, query: &FindQuery) -> Result<FoundOrders, ViewError> {
        self.tables.read(|snapshot| find::find(snapshot, query))
    }

    /// Every source, and the offset up to which that is known.
    pub(crate) fn sources(&self) -> Result<(Vec<SourceWatermark>, u64), ViewError> {
        self.tables.read(find::sources)
    }

    /// The orders that may say something about an order, by events below `head`; not all do.
    pub(crate) fn candidates(
        &self,
        (order, id): (&Hash, &str),
        head: u64,
    ) -> Result<BTreeSet<String>, ViewError> {
        // The tail first, as everywhere.
        let tail = self.tail.candidates(order, head);
        let mut found = self.tables.read(|snapshot| snapshot.candidates(id))?;
        found.extend(tail);
        Ok(found)
    }

    /// Takes the file away where it is damaged, so that the next opening makes it again.
    fn note_damage(&self, error: &ViewError) {
        if let ViewError::Damaged(what) = error
            && self.damage.set(what.clone()).is_ok()
        {
            let folder = self.path.parent().unwrap_or(&self.path);
            let removed = self.disk.remove(&self.path).and_then(|()| self.disk.sync_dir(folder));
            tracing::error!(%error, ?removed, "open the ledger again: it makes the views again");
        }
    }

    /// Opens the file again after a failed write, which redb does not recover from by itself.
    pub(crate) fn reopen(&self) -> Result<(), ViewError> {
        if let Some(what) = self.damage.get() {
            return Err(ViewError::Damaged(what.clone()));
        }
        self.tables.reopen(&*self.disk, &self.path)
    }
}

/// The entries of one order from the tables and from the tail, which may overlap.
fn joined(
    mut stored: Vec<Indexed>,
    tail: Vec<Indexed>,
    head: u64,
) -> Result<Vec<Indexed>, ViewError> {
    stored.retain(|indexed| indexed.place.offset < head);
    let known = crate::num::u64_from(stored.len());
    stored.extend(tail.into_iter().filter(|indexed| indexed.revision >= known));
    let dense = (0_u64..).zip(&stored).all(|(at, indexed)| at == indexed.revision);
    if dense {
        Ok(stored)
    } else {
        Err(ViewError::Damaged("the revisions of an order have gaps".into()))
    }
}

/// Opens the tables, and answers a checkpoint that the log agrees with.
fn open_tables(origin: &Origin) -> Result<(Tables, Checkpoint), ViewError> {
    let tables = Tables::open(&*origin.disk, &origin.path)?;
    match tables.read(|snapshot| Ok(snapshot.checkpoint))? {
        Some(checkpoint) if checkpoint.ledger_id == origin.ledger_id => {
            checkpoint.check(&origin.reader)?;
            Ok((tables, checkpoint))
        }
        _ => Err(ViewError::Damaged("no checkpoint of this ledger".into())),
    }
}

/// The policy that tables were made with.
fn policy_of(tables: &Tables) -> Result<Policy, ViewError> {
    serde_json::from_slice(&tables.read(|snapshot| Ok(snapshot.policy.clone()))?)
        .map_err(|error| ViewError::Damaged(format!("the policy: {error}")))
}

/// A policy as the views keep it.
fn policy_text(policy: &Policy) -> Vec<u8> {
    // A policy is made of texts and numbers; a failure would read as another policy.
    serde_json::to_vec(policy).unwrap_or_default()
}

fn first_offset(order: &TailOrder) -> u64 {
    order.entries.first().map_or(0, |first| first.place.offset)
}
