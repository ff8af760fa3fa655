//! Checks a closed ledger against itself: every byte of the log, every chain, and the views against
//! the log. Changes nothing. Does not know how to mend.

mod digest;
mod own;
mod views;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Progress;
use super::error::OpenError;
use super::open::{self, Place};
use crate::event::{RecordedEvent, is_ledgers_own, to_hex};
use crate::log::{
    Blocks, Defect, Disk, FIRST_BLOCK_POSITION, FileSystem, Hash, LogError, LogFolder, NO_PREVIOUS,
    Point, Segment,
};
use crate::num::u64_from;
use crate::view::{Checkpoint, Mark, OrderMap, Origin, ViewError, Views};

use digest::{Digest, Digesters, unlimited};
pub(crate) use own::OwnEntries;

/// Defects that are listed.
const DEFECTS_MAX: usize = 100;
/// Bytes of the log that are looked at together.
const PIECE_LEN: usize = 256 * 1024;

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Entries that were checked.
    pub entry_count: u64,
    /// Orders that they are about.
    pub order_count: u64,
    /// Segment files.
    pub segment_count: u64,
    /// Bytes of the log that hold entries.
    pub log_bytes: u64,
    /// The first offset that cannot be read, where the log is damaged. What is made from the log
    /// is not compared behind it, nor are the views.
    pub damaged_from: Option<u64>,
    /// Whether there were views to compare.
    pub views_compared: bool,
    /// How long the log took.
    pub log_time: Duration,
    /// How long the comparison of the views took.
    pub views_time: Duration,
    /// What is worth knowing and no defect: a torn end, views that will be rebuilt.
    pub notes: Vec<String>,
    /// What is wrong, by place; at most 100.
    pub defects: Vec<String>,
}

/// Checks the ledger in a folder: CRCs, offsets, revisions, `previous`, event rules, and that the
/// views have each order's entries, status and references, marks where blocks begin, and nothing
/// else. What is wrong there is said with both values.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # drop(order_ledger::Ledger::open(&folder, Default::default())?);
/// let report = order_ledger::verify(folder.path(), |step| println!("{}", step.what))?;
/// assert!(report.defects.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Where another process has the ledger open, or it cannot be read at all. Damage is not an error
/// but a defect in the report.
pub fn verify(folder: &Path, progress: impl FnMut(Progress)) -> Result<VerifyReport, OpenError> {
    ClosedLedger::open(Arc::new(FileSystem), folder)?.verify(|_| {}, progress)
}

/// A ledger that nobody has open.
#[derive(Debug)]
pub(crate) struct ClosedLedger {
    disk: Arc<dyn Disk>,
    views_path: std::path::PathBuf,
    id: [u8; 16],
    /// The log, or what is wrong with its segments.
    log: Result<LogFolder, String>,
    _lock: Box<dyn std::fmt::Debug + Send + Sync>,
}

/// An entry that was checked, as its bytes are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckedEntry<'a> {
    pub(crate) offset: u64,
    /// The hash of its order.
    pub(crate) order: &'a Hash,
    /// Which order that is, counted from 0 as they first appear.
    pub(crate) order_number: usize,
    /// How many entries its order has up to here.
    pub(crate) order_entries: u64,
    pub(crate) leaf: &'a Hash,
    /// The entry, where it is one of the ledger's own.
    pub(crate) own: Option<&'a RecordedEvent>,
}

impl ClosedLedger {
    /// Keeps others away from it until it is dropped.
    ///
    /// # Errors
    /// Where another process has the ledger open, or it cannot be read at all.
    pub(crate) fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, OpenError> {
        let lock = open::lock(&*disk, folder)?;
        let id = open::read_identity(&*disk, folder)?;
        let log_path = folder.join(Place::LOG_FOLDER);
        let log = match LogFolder::open(Arc::clone(&disk), &log_path, id, 0) {
            Err(error @ LogError::Io { .. }) => return Err(error.into()),
            opened => opened.map_err(|error| error.to_string()),
        };
        Ok(Self { disk, views_path: folder.join(Place::VIEWS_FILE), id, log, _lock: lock })
    }

    pub(crate) fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The id as text.
    pub(crate) fn id_text(&self) -> String {
        to_hex(&self.id)
    }

    /// The entries of the ledger's own, read by themselves and ahead of everything else.
    pub(crate) fn own_entries(&self) -> OwnEntries {
        let segments = self.log.as_ref().map(|log| log.reader().segments());
        OwnEntries::of(segments.unwrap_or_default())
    }

    /// Checks it, and has `each` see every entry in order, sound or not.
    ///
    /// # Errors
    /// What the disk says. Damage is not an error but a defect in the report.
    pub(crate) fn verify(
        &self,
        each: impl FnMut(&CheckedEntry<'_>),
        progress: impl FnMut(Progress),
    ) -> Result<VerifyReport, OpenError> {
        let log = match &self.log {
            Ok(log) => log,
            Err(defect) => {
                return Ok(VerifyReport {
                    damaged_from: Some(0),
                    notes: vec![damage_note(0)],
                    defects: vec![defect.clone()],
                    ..VerifyReport::default()
                });
            }
        };
        let views = self.inspect_views(log)?;
        let checkpoint = match &views {
            Some(Ok((_, checkpoint))) => checkpoint.end.offset,
            _ => 0,
        };
        let mut run = Run {
            report: VerifyReport::default(),
            orders: OrderMap::default(),
            checkpoint,
            marks: BTreeMap::new(),
            each,
            progress,
            newest: 0,
        };
        if let Some(Ok((views, _))) = &views {
            match views.marks() {
                Ok(marks) => run.marks = marks,
                Err(error) => run.defect(format!("views.redb: marks: {error}")),
            }
        }
        let began = Instant::now();
        run.log(log)?;
        run.report.log_time = began.elapsed();
        match views {
            // What was made of entries that cannot be read any more is not wrong for that.
            _ if run.report.damaged_from.is_some() => {}
            Some(Ok((views, checkpoint))) => {
                run.report.views_compared = true;
                run.views(views, checkpoint.history_count);
            }
            Some(Err(error @ ViewError::LogDiffers { .. })) => run.defect(error.to_string()),
            Some(Err(error)) => run.note(format!("views: {error}; they will be rebuilt")),
            None => run.note("there are no views; they will be rebuilt".to_owned()),
        }
        let note = run.report.damaged_from.map(damage_note);
        run.report.notes.extend(note);
        run.report.views_time = began.elapsed().saturating_sub(run.report.log_time);
        let is_order = |walked: &&Walked| !is_ledgers_own(&walked.correlation_id);
        run.report.order_count = u64_from(run.orders.values().filter(is_order).count());
        Ok(run.report)
    }

    fn inspect_views(&self, log: &LogFolder) -> Result<Option<Inspected>, OpenError> {
        let path = self.views_path.clone();
        match self.disk.open(&path) {
            Ok(_) => {
                let (disk, reader) = (Arc::clone(&self.disk), log.reader());
                Ok(Some(Views::inspect(Origin { disk, path, reader, ledger_id: self.id })))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::io(&path, error).into()),
        }
    }
}

/// What damage of the log means for everything else.
fn damage_note(from: u64) -> String {
    format!(
        "the log is damaged from offset {from} on: histories, tree, seals and checkpoints can be \
         compared up to there only, and the views are not compared"
    )
}

/// Views that are there, and up to where they go.
type Inspected = Result<(Views, Checkpoint), ViewError>;

/// What is known of an order while the log is walked.
struct Walked {
    correlation_id: Box<[u8]>,
    /// The revision that its next entry has to have.
    revision: u64,
    head: Hash,
    entries: u64,
    /// Which order it is, as they first appear.
    number: usize,
    /// Entries below the views' checkpoint.
    in_views: u64,
}

struct Run<E, P> {
    report: VerifyReport,
    orders: OrderMap<Walked>,
    checkpoint: u64,
    /// Marks of the views that the walk has not met yet.
    marks: BTreeMap<u64, Mark>,
    each: E,
    progress: P,
    /// When the newest entry so far was recorded.
    newest: u64,
}

impl<E, P> Run<E, P> {
    fn note(&mut self, note: String) {
        self.report.notes.push(note);
    }

    fn defect(&mut self, defect: String) {
        if self.report.defects.len() < DEFECTS_MAX {
            self.report.defects.push(defect);
        }
    }

    /// Entries from an offset on cannot be read.
    fn damaged(&mut self, from: u64, defect: String) {
        self.report.damaged_from.get_or_insert(from);
        self.defect(defect);
    }

    /// Whether entries before this one could not be read.
    fn has_gap(&self) -> bool {
        self.report.damaged_from.is_some()
    }
}

impl<E: FnMut(&CheckedEntry<'_>), P: FnMut(Progress)> Run<E, P> {
    fn log(&mut self, log: &LogFolder) -> Result<(), OpenError> {
        let segments = log.reader().segments();
        self.report.segment_count = u64_from(segments.len());
        let mut digesters =
            Digesters::start().map_err(|error| LogError::io(Path::new("a thread"), error))?;
        let total = segments.iter().map(|segment| segment.capacity).sum();
        let mut done = 0;
        for (index, segment) in segments.iter().enumerate() {
            let name = format!("segment {:020}.seg", segment.first_offset);
            let read = self.pieces((segment, &name), &mut digesters, (done, total))?;
            let unlimited = unlimited();
            let walked = LogFolder::walk(segment, read, |placed| {
                let body = bytes::Bytes::copy_from_slice(placed.entry.body);
                let digest = Digest::of(&placed, body, &unlimited);
                self.entry(&name, &digest, placed.entry.correlation_id);
            })?;
            self.report.log_bytes += u64_from(walked.position);
            match (walked.defect, segments.get(index + 1)) {
                (Some((defect, true)), None) => self.note(format!(
                    "{name}, position {}: a torn write, cut off at the next opening: {defect}",
                    walked.position
                )),
                (Some((defect, _)), _) => {
                    let (position, from) = (walked.position, walked.next_offset);
                    let what = format!("{name}, position {position}, offset {from}: {defect}");
                    self.damaged(from, what);
                }
                (None, Some(next)) if next.first_offset != walked.next_offset => {
                    let (expected, found) = (walked.next_offset, next.first_offset);
                    let what = format!("{name}: {}", Defect::Offset { expected, found });
                    self.damaged(expected.min(found), what);
                }
                (None, _) => {}
            }
            done += segment.capacity;
        }
        Ok(())
    }

    /// Takes the entries of a segment as far as its blocks are sound, with the work shared among
    /// threads; answers the point behind them.
    fn pieces(
        &mut self,
        (segment, name): (&Segment, &str),
        digesters: &mut Digesters,
        (done, total): (u64, u64),
    ) -> Result<Point, OpenError> {
        let mut read = Point { offset: segment.first_offset, position: FIRST_BLOCK_POSITION };
        let mut taken = read;
        let mut more = true;
        loop {
            while more && digesters.has_room() {
                match Blocks::good(segment, read, PIECE_LEN)? {
                    Some(blocks) => {
                        read = blocks.next;
                        digesters.give(blocks);
                    }
                    None => more = false,
                }
            }
            let Some(piece) = digesters.take() else { return Ok(taken) };
            let Ok(digests) = &piece.digests else {
                digesters.forget();
                return Ok(taken);
            };
            for digest in digests {
                let id = piece.blocks.correlation_id(digest.position, digest.id_len);
                self.entry(name, digest, id);
            }
            taken = piece.blocks.next;
            let done = done + u64::from(taken.position);
            (self.progress)(Progress { what: "bytes of the log", done, total });
        }
    }

    fn entry(&mut self, segment: &str, entry: &Digest, correlation_id: &[u8]) {
        self.report.entry_count += 1;
        let place = || format!("{segment}, position {}, offset {}", entry.position, entry.offset);
        if entry.recorded_at < self.newest {
            let defect = Defect::RecordedAt { before: self.newest, found: entry.recorded_at };
            self.defect(format!("{}: {defect}", place()));
        }
        self.newest = self.newest.max(entry.recorded_at);
        if let Some(defect) = &entry.defect {
            self.defect(format!("{}: {defect}", place()));
        }
        let number = self.orders.len();
        let walked = self.orders.entry(entry.order).or_insert_with(|| Walked {
            correlation_id: correlation_id.into(),
            revision: 0,
            head: NO_PREVIOUS,
            entries: 0,
            number,
            in_views: 0,
        });
        let (expected, found) = (walked.revision, entry.revision);
        let is_next = entry.previous == walked.head;
        walked.revision = entry.revision.saturating_add(1);
        walked.head = entry.leaf;
        walked.entries += 1;
        walked.in_views += u64::from(entry.offset < self.checkpoint);
        (self.each)(&CheckedEntry {
            offset: entry.offset,
            order: &entry.order,
            order_number: walked.number,
            order_entries: walked.entries,
            leaf: &entry.leaf,
            own: entry.own.as_deref(),
        });
        if expected != found && !self.has_gap() {
            self.defect(format!("{}: {}", place(), Defect::Revision { expected, found }));
        }
        if !is_next && !self.has_gap() {
            self.defect(format!("{}: {}", place(), Defect::Previous));
        }
        if let Some(mark) = self.marks.remove(&entry.offset)
            && let Some(what) = views::mark_defect(&mark, entry)
        {
            self.defect(format!("views.redb: {what}"));
        }
    }
}
