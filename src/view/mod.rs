//! Views: what is derived from the log, in redb, with the tail in front of it.
//! Does not know who appends or asks; it can always be deleted and rebuilt.

mod indexer;
mod row;
mod storage;
mod tables;
mod tail;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::log::{Disk, EntryRef, Hash, LogError, LogReader, Placed, Point};

pub(crate) use indexer::Indexer;
pub(crate) use tables::Checkpoint;
use tables::Tables;
use tail::mark_of;
pub(crate) use tail::{Indexed, Mark, OrderMap, Tail, TailEntry};

/// Entries of a generation that is due to go into the views.
const PASS_ENTRIES: usize = 65_536;

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
    #[error("the views are damaged ({0}); delete views.redb and open the ledger to rebuild them")]
    Damaged(String),
    /// The views have entries that the log has not, or has otherwise.
    #[error(
        "the views go to offset {offset}, where the log ends earlier or differs: it has lost \
         entries, or was restored from a backup"
    )]
    LogDiffers {
        /// Up to where the views go.
        offset: u64,
    },
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
}

impl Views {
    /// Opens the views, or creates empty ones where they are missing, of another version, damaged,
    /// or not of this log; answers the checkpoint that they stand at.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        reader: LogReader,
        ledger_id: [u8; 16],
    ) -> Result<(Self, Checkpoint), ViewError> {
        let (tables, checkpoint) = match open_tables(&*disk, &path, (&reader, ledger_id)) {
            Ok(found) => found,
            Err(reason) => {
                if matches!(reason, ViewError::LogDiffers { .. }) {
                    tracing::error!(%reason, "rebuilding the views from the log as it is");
                } else if !reader.segments().is_empty() {
                    tracing::warn!(%reason, "rebuilding the views from the log");
                }
                let tables = Tables::create(&*disk, &path)?;
                (tables, Checkpoint::empty(ledger_id))
            }
        };
        let tail = Tail::default();
        Ok((Self { tables, tail, reader, disk, path }, checkpoint))
    }

    /// Opens views that are there, to look at them.
    pub(crate) fn inspect(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        reader: LogReader,
        ledger_id: [u8; 16],
    ) -> Result<(Self, Checkpoint), ViewError> {
        let (tables, checkpoint) = open_tables(&*disk, &path, (&reader, ledger_id))?;
        Ok((Self { tables, tail: Tail::default(), reader, disk, path }, checkpoint))
    }

    pub(crate) fn log(&self) -> &LogReader {
        &self.reader
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Takes an entry while the log is recovered; writes a full generation out.
    pub(crate) fn recovered(&self, placed: &Placed<'_>) -> Result<(), ViewError> {
        let entry = &placed.entry;
        let (order, key) = identity(entry);
        let indexed = Indexed {
            revision: entry.revision,
            place: Point { offset: entry.offset, position: placed.position },
            key,
        };
        if let Some(mark) = mark_of(placed) {
            // Only between blocks: a checkpoint is a place where a reader can start.
            if self.tail.publish(mark, mark.point, std::iter::empty()) >= PASS_ENTRIES {
                self.pass()?;
            }
        }
        let entry = TailEntry { order: &order, correlation_id: entry.correlation_id, indexed };
        self.tail.extend(entry);
        Ok(())
    }

    /// Says where the recovered log ends.
    pub(crate) fn recovered_to(&self, end: Point) {
        self.tail.set_end(end);
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
        let stored = self.tables.orders(orders.iter().map(|(_, id)| *id))?;
        stored.into_iter().zip(tails).map(|(stored, tail)| joined(stored, tail, head)).collect()
    }

    /// The last mark at or before an offset.
    pub(crate) fn mark(&self, offset: u64) -> Result<Option<Mark>, ViewError> {
        self.tail.mark(offset).map_or_else(|| self.tables.mark(offset), |mark| Ok(Some(mark)))
    }

    /// A point at or before an offset, from which a reader can go on block by block.
    pub(crate) fn seek(&self, offset: u64) -> Result<Point, ViewError> {
        Ok(self.mark(offset)?.map(|mark| mark.point).unwrap_or_default())
    }

    /// The number of orders.
    pub(crate) fn order_count(&self) -> Result<u64, ViewError> {
        let tail = self.tail.new_order_count();
        Ok(self.tables.checkpoint()?.map_or(0, |checkpoint| checkpoint.order_count) + tail)
    }

    /// Bytes of the file.
    pub(crate) fn file_size(&self) -> Result<u64, ViewError> {
        let size = self.disk.open(&self.path).and_then(|file| file.size());
        size.map_err(|error| ViewError::Io(error.to_string()))
    }

    /// The offset up to which the views have the log.
    pub(crate) fn checkpoint(&self) -> Result<u64, ViewError> {
        Ok(self.tables.checkpoint()?.map_or(0, |checkpoint| checkpoint.end.offset))
    }

    /// Checks every page of the file.
    pub(crate) fn check_pages(&mut self) -> Result<(), ViewError> {
        self.tables.check_pages()
    }

    /// Writes all of the current generation into the views, durably.
    pub(crate) fn pass(&self) -> Result<(), ViewError> {
        let sealed = self.tail.seal();
        if sealed.entry_count > 0 {
            self.tables.write(&sealed, &self.reader)?;
        }
        self.tail.drop_sealed();
        Ok(())
    }

    /// Opens the file again after a failed write, which redb does not recover from by itself.
    pub(crate) fn reopen(&self) -> Result<(), ViewError> {
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
fn open_tables(
    disk: &dyn Disk,
    path: &Path,
    (reader, ledger_id): (&LogReader, [u8; 16]),
) -> Result<(Tables, Checkpoint), ViewError> {
    let tables = Tables::open(disk, path)?;
    match tables.checkpoint()? {
        Some(checkpoint) if checkpoint.ledger_id == ledger_id => {
            checkpoint.check(reader)?;
            Ok((tables, checkpoint))
        }
        _ => Err(ViewError::Damaged("no checkpoint of this ledger".into())),
    }
}

/// The hash of an entry's order, and the key of its event.
fn identity(entry: &EntryRef<'_>) -> (Hash, EventKey) {
    let event = crate::event::Event::stored(entry.body.to_vec().into());
    (crate::log::order_hash(entry.correlation_id), event_key(event.source(), event.event_id()))
}
