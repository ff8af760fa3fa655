//! Runs: changes that were spilled into files, sorted by order, and their merge into one sequence.
//! Does not know when changes are spilled. A run is gone with its process, or at the next opening.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::buffered::{Input, Output};
use super::node::{Prefix, RECORD_LEN, Record, add_later, key_of};
use super::stored::{DirectoryDefect, DirectoryError};
use crate::log::{Disk, DiskFile, Hash};
use crate::num::u64_from;

/// A sorted file of records. Its file is removed with it.
#[derive(Debug)]
pub(super) struct Run {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    pub(super) order_count: u64,
    crc: u32,
    /// How many times what is in it was merged.
    pub(super) level: u8,
}

/// A run that is being written.
#[derive(Debug)]
pub(super) struct RunWriter {
    run: Run,
    output: Output,
}

/// Several runs as one sequence: each order once, its entries added up, the head from the latest.
#[derive(Debug)]
pub(super) struct Merged<'a> {
    inputs: Vec<RunInput<'a>>,
    /// The next order of each run that has one, and which run it is.
    heap: BinaryHeap<Reverse<(Hash, usize)>>,
    next: Option<Record>,
}

#[derive(Debug)]
struct RunInput<'a> {
    run: &'a Run,
    input: Input,
    rest: u64,
    record: Record,
}

impl Drop for Run {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next opening.
        let _ = self.disk.remove(&self.path);
    }
}

impl RunWriter {
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        level: u8,
    ) -> Result<Self, DirectoryError> {
        let file = disk.create(&path).map_err(|source| DirectoryError::io(&path, source))?;
        let output = Output::to(Arc::clone(&file), 0);
        let disk = Arc::clone(disk);
        Ok(Self { run: Run { disk, path, file, order_count: 0, crc: 0, level }, output })
    }

    pub(super) fn push(&mut self, record: &Record) -> Result<(), DirectoryError> {
        self.run.order_count += 1;
        let path = &self.run.path;
        self.output.write(record).map_err(|source| DirectoryError::io(path, source))
    }

    pub(super) fn finish(self) -> Result<Run, DirectoryError> {
        let Self { mut run, output } = self;
        run.crc = output.finish().map_err(|source| DirectoryError::io(&run.path, source))?;
        Ok(run)
    }
}

impl<'a> Merged<'a> {
    /// Begins with the first record. Of two runs the latter is the later one.
    pub(super) fn of(runs: &'a [Run]) -> Result<Self, DirectoryError> {
        let inputs = runs.iter().map(|run| {
            let end = run.order_count * u64_from(RECORD_LEN);
            let input = Input::of(Arc::clone(&run.file), 0, end);
            RunInput { run, input, rest: run.order_count, record: [0; RECORD_LEN] }
        });
        let mut merged = Self { inputs: inputs.collect(), heap: BinaryHeap::new(), next: None };
        for (place, input) in merged.inputs.iter_mut().enumerate() {
            if input.advance()? {
                merged.heap.push(Reverse((*key_of(&input.record), place)));
            }
        }
        merged.advance()?;
        Ok(merged)
    }

    /// The next record, if it belongs to the bucket.
    pub(super) fn peek_in(&self, prefix: Prefix) -> Option<&Record> {
        self.next.as_ref().filter(|record| prefix.is_of(key_of(record)))
    }

    pub(super) fn peek(&self) -> Option<&Record> {
        self.next.as_ref()
    }

    /// Goes to the next record.
    pub(super) fn advance(&mut self) -> Result<(), DirectoryError> {
        self.next = None;
        // Runs with the same order come in the order of their age.
        while let Some(mut top) = self.heap.peek_mut() {
            let Reverse((key, place)) = *top;
            if self.next.as_ref().is_some_and(|next| *key_of(next) != key) {
                break;
            }
            let Some(input) = self.inputs.get_mut(place) else { break };
            match &mut self.next {
                Some(next) => add_later(next, &input.record),
                None => self.next = Some(input.record),
            }
            if input.advance()? {
                top.0.0 = *key_of(&input.record);
            } else {
                PeekMut::pop(top);
            }
        }
        Ok(())
    }
}

impl RunInput<'_> {
    /// Goes to the next record; whether there is one. At the end the bytes must be those that were
    /// written.
    fn advance(&mut self) -> Result<bool, DirectoryError> {
        if self.rest == 0 {
            return if self.input.crc() == self.run.crc {
                Ok(false)
            } else {
                Err(DirectoryError::damaged(&self.run.path, DirectoryDefect::Crc("changes")))
            };
        }
        self.rest -= 1;
        let path: &Path = &self.run.path;
        let bytes =
            self.input.take(RECORD_LEN).map_err(|source| DirectoryError::io(path, source))?;
        self.record.copy_from_slice(bytes);
        Ok(true)
    }
}
