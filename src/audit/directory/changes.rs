//! What was appended since a directory was made, by order, until the next directory takes it in.
//! Does not know the log, nor the directory that it will be merged into.

use super::node::{OrderNode, Prefix};
use super::run::{Merged, Run, RunWriter};
use super::stored::{DirectoryError, DirectoryPlace};
use crate::log::Hash;
use crate::view::OrderMap;

/// Orders that are kept in memory: what a table of 131,072 places takes without growing.
const ORDERS_MAX: usize = 114_688;
/// Runs of one level that are merged into one of the next, so that few files are open at a time.
const RUNS_MAX: usize = 32;

/// Entries from one offset on, by order: in memory, and in sorted files beyond a fixed number.
#[derive(Debug)]
pub(crate) struct Changes {
    place: DirectoryPlace,
    begin: u64,
    end: u64,
    orders: OrderMap<Change>,
    /// From old to new, and from high levels to low ones.
    runs: Vec<Run>,
    next_run: u64,
    limits: ChangeLimits,
}

/// When changes are spilled, and runs merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChangeLimits {
    pub(super) orders_max: usize,
    pub(super) runs_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    entry_count: u64,
    head: Hash,
}

impl Changes {
    pub(super) fn from(place: DirectoryPlace, begin: u64) -> Self {
        let limits = ChangeLimits { orders_max: ORDERS_MAX, runs_max: RUNS_MAX };
        let (orders, runs) = (OrderMap::default(), Vec::new());
        Self { place, begin, end: begin, orders, runs, next_run: 0, limits }
    }

    #[cfg(test)]
    pub(super) fn with_limits(self, limits: ChangeLimits) -> Self {
        Self { limits, ..self }
    }

    /// Takes the next entry of the log.
    ///
    /// # Errors
    /// What the disk says when orders are spilled. The entry is taken, and spilling is tried again
    /// with the next one; whoever does not want that drops the changes and begins anew.
    pub(crate) fn add(&mut self, order: &Hash, leaf: &Hash) -> Result<(), DirectoryError> {
        self.end += 1;
        let change = self.orders.entry(*order).or_insert(Change { entry_count: 0, head: *leaf });
        change.entry_count += 1;
        change.head = *leaf;
        if self.orders.len() >= self.limits.orders_max { self.spill() } else { Ok(()) }
    }

    /// The offset of the first entry.
    pub(crate) fn begin(&self) -> u64 {
        self.begin
    }

    /// The offset behind the last entry that was taken.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// All changes, in runs.
    pub(super) fn runs(&mut self) -> Result<&[Run], DirectoryError> {
        if !self.orders.is_empty() {
            self.spill()?;
        }
        Ok(&self.runs)
    }

    fn spill(&mut self) -> Result<(), DirectoryError> {
        // Sorted by eight bytes that lie side by side: the keys themselves are all over the table.
        let mut sorted: Vec<_> =
            self.orders.iter().map(|entry| (first_bytes(entry.0), entry)).collect();
        sorted.sort_unstable_by(|(left, (left_key, _)), (right, (right_key, _))| {
            left.cmp(right).then_with(|| left_key.cmp(right_key))
        });
        let mut writer =
            RunWriter::create(&self.place.disk, self.place.run_path(self.begin, self.next_run), 0)?;
        self.next_run += 1;
        for (_, (order, change)) in sorted {
            let Change { entry_count, head } = *change;
            writer.push(&OrderNode { order: *order, entry_count, head }.to_record())?;
        }
        self.runs.push(writer.finish()?);
        self.orders.clear();
        self.compact()
    }

    /// Merges as many runs as there may be of one level. Each record is written once a level.
    fn compact(&mut self) -> Result<(), DirectoryError> {
        while let Some(first) = self.runs.len().checked_sub(self.limits.runs_max)
            && let Some(many @ [oldest, .., newest]) = self.runs.get(first..)
            && oldest.level == newest.level
        {
            let path = self.place.run_path(self.begin, self.next_run);
            self.next_run += 1;
            let mut writer = RunWriter::create(&self.place.disk, path, oldest.level + 1)?;
            let mut merged = Merged::of(many)?;
            while let Some(record) = merged.peek() {
                writer.push(record)?;
                merged.advance()?;
            }
            let run = writer.finish()?;
            self.runs.truncate(first);
            self.runs.push(run);
        }
        Ok(())
    }
}

/// About how many orders the runs hold together: counted in one 256th of all keys, which are hashes
/// and so fall everywhere alike. Only the size of buckets depends on it.
pub(super) fn estimated_order_count(runs: &[Run]) -> Result<u64, DirectoryError> {
    let most = runs.iter().map(|run| run.order_count).sum();
    if runs.len() < 2 {
        return Ok(most);
    }
    let mut merged = Merged::of(runs)?;
    let mut counted = 0_u64;
    while merged.peek_in(Prefix { bits: 8, bucket: 0 }).is_some() {
        merged.advance()?;
        counted += 1;
    }
    Ok(most.min(counted * 256))
}

fn first_bytes(order: &Hash) -> u64 {
    order.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}
