//! Checks a closed ledger against itself: every byte of the log, every chain, and the views against
//! the log. Changes nothing. Does not know how to mend.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Progress;
use super::error::OpenError;
use super::open::{self, Place};
use crate::event::{Event, is_ledgers_own};
use crate::limits::Limits;
use crate::log::{Defect, Disk, FileSystem, Hash, LogFolder, NO_PREVIOUS, Placed, Point};
use crate::num::u64_from;
use crate::time::{rfc3339, signed, timestamp};
use crate::view::{Mark, OrderMap, Origin, Tally, ViewError, Views, event_key};

/// Defects that are listed.
const DEFECTS_MAX: usize = 100;

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
    let disk: Arc<dyn Disk> = Arc::new(FileSystem);
    let _lock = open::lock(&*disk, folder)?;
    let ledger_id = open::read_identity(&*disk, folder)?;
    let log_path = folder.join(Place::LOG_FOLDER);
    let log = match LogFolder::open(Arc::clone(&disk), &log_path, ledger_id, 0) {
        Ok(log) => log,
        Err(crate::log::LogError::Io { path, source }) => {
            return Err(crate::log::LogError::Io { path, source }.into());
        }
        Err(error) => {
            let defects = vec![error.to_string()];
            return Ok(VerifyReport { defects, ..VerifyReport::default() });
        }
    };
    let views_path = folder.join(Place::VIEWS_FILE);
    let views = match disk.open(&views_path) {
        Ok(_) => {
            let (disk, reader) = (Arc::clone(&disk), log.reader());
            Some(Views::inspect(Origin { disk, path: views_path, reader, ledger_id }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(crate::log::LogError::io(&views_path, error).into()),
    };
    let checkpoint = match &views {
        Some(Ok((_, checkpoint))) => checkpoint.end.offset,
        _ => 0,
    };
    let mut run = Verify {
        report: VerifyReport::default(),
        orders: OrderMap::default(),
        checkpoint,
        marks: BTreeMap::new(),
        progress,
        newest: 0,
    };
    if let Some(Ok((views, _))) = &views {
        match views.marks() {
            Ok(marks) => run.marks = marks,
            Err(error) => run.defect(format!("views.redb: marks: {error}")),
        }
    }
    run.log(&log)?;
    match views {
        Some(Ok((views, checkpoint))) => run.views(views, checkpoint.history_count),
        Some(Err(error @ ViewError::LogDiffers { .. })) => run.defect(error.to_string()),
        Some(Err(error)) => run.note(format!("views: {error}; they will be rebuilt")),
        None => run.note("there are no views; they will be rebuilt".to_owned()),
    }
    let is_order = |walked: &&Walked| !is_ledgers_own(&walked.correlation_id);
    run.report.order_count = u64_from(run.orders.values().filter(is_order).count());
    Ok(run.report)
}

/// What is known of an order while the log is walked.
struct Walked {
    correlation_id: Box<[u8]>,
    revision: u64,
    head: Hash,
    /// Entries below the views' checkpoint.
    in_views: u64,
}

struct Verify<P> {
    report: VerifyReport,
    orders: OrderMap<Walked>,
    checkpoint: u64,
    /// Marks of the views that the walk has not met yet.
    marks: BTreeMap<u64, Mark>,
    progress: P,
    /// When the newest entry so far was recorded.
    newest: u64,
}

impl<P: FnMut(Progress)> Verify<P> {
    fn note(&mut self, note: String) {
        self.report.notes.push(note);
    }

    fn defect(&mut self, defect: String) {
        if self.report.defects.len() < DEFECTS_MAX {
            self.report.defects.push(defect);
        }
    }

    fn log(&mut self, log: &LogFolder) -> Result<(), OpenError> {
        let segments = log.reader().segments();
        self.report.segment_count = u64_from(segments.len());
        for (index, segment) in segments.iter().enumerate() {
            let (what, total) = ("log segments", u64_from(segments.len()));
            (self.progress)(Progress { what, done: u64_from(index), total });
            let name = format!("segment {:020}.seg", segment.first_offset);
            let walked = LogFolder::walk(segment, |placed| self.entry(&name, &placed))?;
            self.report.log_bytes += u64_from(walked.position);
            match (walked.defect, segments.get(index + 1)) {
                (Some((defect, true)), None) => self.note(format!(
                    "{name}, position {}: a torn write, cut off at the next opening: {defect}",
                    walked.position
                )),
                (Some((defect, _)), _) => self.defect(format!(
                    "{name}, position {}, offset {}: {defect}",
                    walked.position, walked.next_offset
                )),
                (None, Some(next)) if next.first_offset != walked.next_offset => {
                    let (expected, found) = (walked.next_offset, next.first_offset);
                    self.defect(format!("{name}: {}", Defect::Offset { expected, found }));
                }
                (None, _) => {}
            }
        }
        Ok(())
    }

    fn entry(&mut self, segment: &str, placed: &Placed<'_>) {
        let entry = &placed.entry;
        self.report.entry_count += 1;
        let mut defects = Vec::new();
        if entry.recorded_at < self.newest {
            defects.push(Defect::RecordedAt { before: self.newest, found: entry.recorded_at });
        }
        self.newest = self.newest.max(entry.recorded_at);
        if let Some(defect) = event_defect(entry.correlation_id, entry.body) {
            defects.push(defect);
        }
        let order = crate::log::order_hash(entry.correlation_id);
        let walked = self.orders.entry(order).or_insert_with(|| Walked {
            correlation_id: entry.correlation_id.into(),
            revision: 0,
            head: NO_PREVIOUS,
            in_views: 0,
        });
        if entry.revision != walked.revision {
            let (expected, found) = (walked.revision, entry.revision);
            defects.push(Defect::Revision { expected, found });
        }
        if *entry.previous != walked.head {
            defects.push(Defect::Previous);
        }
        walked.revision = entry.revision + 1;
        walked.head = entry.leaf_hash();
        walked.in_views += u64::from(entry.offset < self.checkpoint);
        if let Some(mark) = self.marks.remove(&entry.offset)
            && let Some(what) = mark_defect(&mark, placed)
        {
            self.defect(format!("views.redb: {what}"));
        }
        for defect in defects {
            let (position, offset) = (placed.position, entry.offset);
            self.defect(format!("{segment}, position {position}, offset {offset}: {defect}"));
        }
    }

    fn views(&mut self, mut views: Views, history_count: u64) {
        if let Some(offset) = self.marks.keys().next() {
            let count = self.marks.len();
            self.defect(format!("views.redb: {count} marks, from offset {offset}, mark no entry"));
        }
        if let Err(error) = views.check_pages() {
            return self.defect(format!("views.redb: {error}"));
        }
        let in_views = self.orders.values().filter(|walked| walked.in_views > 0).count();
        if u64_from(in_views) != history_count {
            let what =
                format!("views.redb: {history_count} histories, where the log has {in_views}");
            self.defect(what);
        }
        let (what, total) = ("orders in the views", u64_from(self.orders.len()));
        let (mut defects, mut tally) = (Vec::new(), Tally::default());
        for (index, (order, walked)) in self.orders.iter().enumerate() {
            if index.is_multiple_of(1024) {
                (self.progress)(Progress { what, done: u64_from(index), total });
            }
            let name = String::from_utf8_lossy(&walked.correlation_id).into_owned();
            match check_order(&views, order, walked) {
                Ok(None) if walked.in_views == 0 => {}
                Ok(None) => match views.differences(&name, &mut tally) {
                    Ok(found) if found.is_empty() => {}
                    Ok(found) => {
                        let found = found.join(", ");
                        defects.push(format!("views.redb: order {name}: {found}"));
                    }
                    Err(error) => defects.push(format!("views.redb: order {name}: {error}")),
                },
                Ok(Some(what)) => defects.push(format!("views.redb: order {name}: {what}")),
                Err(error) => defects.push(format!("views.redb: order {name}: {error}")),
            }
        }
        if defects.is_empty() {
            match views.tally_differences(&tally) {
                Ok(found) => defects.extend(found.iter().map(|one| format!("views.redb: {one}"))),
                Err(error) => defects.push(format!("views.redb: {error}")),
            }
        }
        for defect in defects {
            self.defect(defect);
        }
    }
}

/// What the views say otherwise of the entries of an order: as many as the log, each at its place.
fn check_order(views: &Views, order: &Hash, walked: &Walked) -> Result<Option<String>, ViewError> {
    let indexed = views.order(order, &walked.correlation_id, u64::MAX)?;
    let (is, should) = (indexed.len(), walked.in_views);
    if u64_from(is) != should {
        return Ok(Some(format!("has {is} entries, should have {should}")));
    }
    let places: Vec<Point> = indexed.iter().map(|indexed| indexed.place).collect();
    let mut rows = indexed.iter();
    let mut defect = None;
    views.log().entries(&places, |entry| {
        let event = Event::stored(entry.body.to_vec().into());
        let found = (entry.revision, event_key(event.source(), event.event_id()));
        let row = rows.next().map(|indexed| (indexed.revision, indexed.key));
        let same = entry.correlation_id == &*walked.correlation_id && row == Some(found);
        if !same && defect.is_none() {
            let revision = row.map_or(0, |(revision, _)| revision);
            let (offset, order) = (entry.offset, String::from_utf8_lossy(entry.correlation_id));
            defect = Some(format!(
                "has offset {offset} as revision {revision}, where revision {} of {order} stands",
                entry.revision
            ));
        }
    })?;
    Ok(defect)
}

/// What is wrong with the mark of an entry's offset.
fn mark_defect(mark: &Mark, placed: &Placed<'_>) -> Option<String> {
    let offset = placed.entry.offset;
    let at = |position: u32, recorded_at: u64| {
        let time = rfc3339(&timestamp(signed(recorded_at)), None);
        format!("position {position}, recorded at {time}")
    };
    let is = at(mark.point.position, mark.recorded_at);
    let should = at(placed.block_position, placed.entry.recorded_at);
    if !placed.begins_block() {
        return Some(format!("the mark of offset {offset} is {is}, where no block begins"));
    }
    (is != should).then(|| format!("the mark of offset {offset} is {is}, should be {should}"))
}

fn event_defect(correlation_id: &[u8], body: &[u8]) -> Option<Defect> {
    let unlimited = Limits {
        event_bytes_max: usize::MAX,
        event_lines_max: usize::MAX,
        id_bytes_max: usize::MAX,
        ..Limits::default()
    };
    let parsed = if is_ledgers_own(correlation_id) {
        Event::parse_ledgers_own(body)
    } else {
        Event::parse(body.to_vec(), &unlimited)
    };
    match parsed {
        Ok(event) if event.correlation_id().as_bytes() == correlation_id => None,
        Ok(event) => {
            let what = format!("it is about order {}, its entry is not", event.correlation_id());
            Some(Defect::Event(what))
        }
        Err(violations) => {
            let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
            Some(Defect::Event(violations.join("; ")))
        }
    }
}
