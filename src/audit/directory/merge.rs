//! The merge of a directory with what came behind it into the next one, in one pass.
//! Does not know who swaps the two, nor what else is done meanwhile.

use std::path::PathBuf;
use std::sync::Arc;

use super::buffered::{Input, Output};
use super::changes::{Changes, estimated_order_count};
use super::fold::fold;
use super::format::{HEADER_LEN, Header, index_to_bytes};
use super::index::{Bucket, Index, bits_for};
use super::node::{Prefix, RECORD_LEN, Record, add_later, key_of};
use super::run::Merged;
use super::stored::{Directory, DirectoryDefect, DirectoryError, DirectoryPlace};
use crate::log::{DiskFile, write_all_at};
use crate::num::{u64_from, usize_from};

/// A directory that is being written.
struct Writer<'a> {
    place: &'a DirectoryPlace,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    output: Output,
    order_count: u64,
    buckets: Vec<Bucket>,
}

/// The orders of the directory before, taken bucket by bucket of the next one.
struct Kept<'a> {
    base: &'a Directory,
    input: Input,
    /// The place of the next bucket that was not read.
    next: usize,
    /// Orders of the bucket that was read last, and how many bytes of them were taken.
    read: Vec<u8>,
    taken: usize,
}

pub(super) fn merge(
    place: &DirectoryPlace,
    base: Option<&Directory>,
    changes: &mut Changes,
) -> Result<Directory, DirectoryError> {
    let covered = changes.end();
    let runs = changes.runs()?;
    let known = base.map_or(0, Directory::order_count);
    let last_bits = base.map(|base| base.index.bits);
    let bits = bits_for(known + estimated_order_count(runs)?, last_bits);
    let mut incoming = Merged::of(runs)?;
    let mut kept = base.map(Kept::of);
    let mut writer = Writer::create(place)?;
    let (mut orders, mut merged) = (Vec::new(), Vec::new());
    for bucket in 0..1 << bits {
        let prefix = Prefix { bits, bucket };
        orders.clear();
        if let Some(kept) = &mut kept {
            kept.take(prefix, &mut orders)?;
        }
        if let Some(base) = base.filter(|base| base.index.bits == bits)
            && let Some(unchanged) = base.index.buckets.get(bucket)
            && incoming.peek_in(prefix).is_none()
        {
            writer.push(&orders, *unchanged)?;
            continue;
        }
        merged.clear();
        merge_bucket(orders.as_chunks().0, &mut incoming, prefix, &mut merged)?;
        writer.push_changed(&merged)?;
    }
    writer.finish(bits, covered)
}

/// Appends the orders of one bucket to `merged`: those that were kept with what came in for them.
fn merge_bucket(
    kept: &[Record],
    incoming: &mut Merged<'_>,
    prefix: Prefix,
    merged: &mut Vec<u8>,
) -> Result<(), DirectoryError> {
    for record in kept {
        let mut record = *record;
        while let Some(next) = incoming.peek_in(prefix)
            && key_of(next) <= key_of(&record)
        {
            if key_of(next) == key_of(&record) {
                add_later(&mut record, next);
            } else {
                merged.extend_from_slice(next);
            }
            incoming.advance()?;
        }
        merged.extend_from_slice(&record);
    }
    while let Some(next) = incoming.peek_in(prefix) {
        merged.extend_from_slice(next);
        incoming.advance()?;
    }
    Ok(())
}

impl<'a> Kept<'a> {
    fn of(base: &'a Directory) -> Self {
        Self { base, input: base.orders(), next: 0, read: Vec::new(), taken: 0 }
    }

    /// Appends the orders of a bucket of the next directory. Buckets are taken in their order, and
    /// may be smaller or larger than those of the base.
    fn take(&mut self, prefix: Prefix, orders: &mut Vec<u8>) -> Result<(), DirectoryError> {
        loop {
            let rest = self.read.get(self.taken..).unwrap_or_default();
            let records = rest.as_chunks::<RECORD_LEN>().0;
            let count = records.partition_point(|record| prefix.is_of(key_of(record)));
            let (own, others) = rest.split_at(count * RECORD_LEN);
            orders.extend_from_slice(own);
            self.taken += own.len();
            if !others.is_empty() || !self.read_next()? {
                return Ok(());
            }
        }
    }

    /// Reads the next bucket of the base; whether there was one. Damage must not become truth.
    fn read_next(&mut self) -> Result<bool, DirectoryError> {
        let Some(bucket) = self.base.index.buckets.get(self.next) else { return Ok(false) };
        let length = usize_from(bucket.order_count) * RECORD_LEN;
        let path = &self.base.path;
        let bytes = self.input.take(length).map_err(|source| DirectoryError::io(path, source))?;
        if crc32fast::hash(bytes) != bucket.crc {
            return Err(self.base.damaged(DirectoryDefect::BucketCrc(self.next)));
        }
        self.read.clear();
        self.read.extend_from_slice(bytes);
        self.taken = 0;
        self.next += 1;
        Ok(true)
    }
}

impl<'a> Writer<'a> {
    fn create(place: &'a DirectoryPlace) -> Result<Self, DirectoryError> {
        let path = place.unfinished_path();
        let created = place.disk.create(&path);
        let file = created.map_err(|source| DirectoryError::io(&path, source))?;
        let output = Output::to(Arc::clone(&file), u64_from(HEADER_LEN));
        Ok(Self { place, path, file, output, order_count: 0, buckets: Vec::new() })
    }

    /// Writes a bucket of which everything changed, or may have.
    fn push_changed(&mut self, bytes: &[u8]) -> Result<(), DirectoryError> {
        let records = bytes.as_chunks().0;
        let node = fold(records).unwrap_or(Bucket::NO_NODE);
        let order_count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        self.push(bytes, Bucket { begin: 0, order_count, crc: crc32fast::hash(bytes), node })
    }

    /// Writes a bucket behind the one before.
    fn push(&mut self, bytes: &[u8], bucket: Bucket) -> Result<(), DirectoryError> {
        self.buckets.push(Bucket { begin: self.order_count, ..bucket });
        self.order_count += u64::from(bucket.order_count);
        self.output.write(bytes).map_err(|source| DirectoryError::io(&self.path, source))
    }

    fn finish(mut self, bits: u8, covered: u64) -> Result<Directory, DirectoryError> {
        let index_bytes = index_to_bytes(&self.buckets);
        let index = Index::of(bits, self.buckets);
        let root = index.root().ok_or(DirectoryError::Empty)?;
        if root.entry_count != covered {
            let defect = DirectoryDefect::Sum { sum: root.entry_count, covered };
            return Err(DirectoryError::damaged(&self.path, defect));
        }
        let header = Header {
            bits,
            index_crc: crc32fast::hash(&index_bytes),
            ledger_id: self.place.ledger_id,
            covered,
            order_count: self.order_count,
            root: root.hash,
        };
        let path = self.place.file_path();
        self.output
            .write(&index_bytes)
            .and_then(|()| self.output.finish())
            .and_then(|_| write_all_at(&*self.file, &header.to_bytes(), 0))
            .and_then(|()| self.place.disk.rename(&self.path, &path))
            .map_err(|source| DirectoryError::io(&self.path, source))?;
        Ok(Directory { path, file: self.file, index, root })
    }
}
