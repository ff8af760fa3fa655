//! Bytes on disk change, files are cut, swapped, removed or come from another moment: never a panic,
//! never a wrong event, and what is wrong is named. Does not know how damage comes about.

use order_ledger::{Ledger, OpenError, QueryError, RecordedEvent, TimelineQuery};

use crate::found::{Scene, check, check_queries, replay};
use crate::simulated_disk::SimulatedDisk;

use crate::workload::{History, SEGMENT_LEN, Step, long_tests, open_on, play, sized_event};

const FIRST: &str = "00000000000000000000.seg";
const VIEWS: &str = "views.redb";
const ORDERS: [&str; 4] = ["o0", "o1", "o2", "o3"];

/// What became of a damaged ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noticed {
    AtOpening,
    AtReading,
    /// Everything was answered, and rightly.
    Not,
}

/// A closed ledger and what it holds.
struct Closed {
    disk: SimulatedDisk,
    found: Vec<RecordedEvent>,
}

impl Closed {
    fn of(steps: &[Step]) -> Self {
        let disk = SimulatedDisk::default();
        play(&disk, steps);
        let found = replay(&open_on(&disk).unwrap(), 0).unwrap();
        Self { disk, found }
    }

    /// Small events, and at the end one batch that needs a segment of its own.
    fn small() -> Self {
        let mut steps: Vec<Step> = (0..14)
            .map(|block| {
                Step::Append((0..=block % 3).map(|at| event(block * 3 + at, 20)).collect())
            })
            .collect();
        steps.push(Step::Append((100..110).map(|id| event(id, 6_200)).collect()));
        steps.push(Step::Append(vec![event(110, 20), event(111, 20)]));
        Self::of(&steps)
    }

    fn segments(&self) -> Vec<String> {
        self.disk.files().into_iter().filter(|name| name.contains(".seg")).collect()
    }

    /// The disk with other bytes in a file; without views half of the time, so that the whole log is
    /// read by the opening.
    fn with(&self, name: &str, bytes: &[u8], keep_views: bool) -> SimulatedDisk {
        let disk = self.disk.fork();
        disk.overwrite(name, bytes);
        if !keep_views && name != VIEWS {
            disk.erase(VIEWS);
        }
        disk
    }

    /// Opens and reads all there is. No event may be another one, and none missing without a word.
    fn read(&self, disk: &SimulatedDisk) -> Noticed {
        let ledger = match open_on(disk) {
            Ok(ledger) => ledger,
            Err(error) => {
                check_names_defect(&error);
                return Noticed::AtOpening;
            }
        };
        let answers = [self.read_all(&ledger), self.read_orders(&ledger)];
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert!(names_place(&error.to_string()), "{error}");
        }
        if answers.iter().all(Result::is_ok) { Noticed::Not } else { Noticed::AtReading }
    }

    /// How many events the timelines miss without a word; each one that is there is the right one.
    fn count_missing(&self, ledger: &Ledger) -> usize {
        assert_eq!(replay(ledger, 0).unwrap_or_else(|_| self.found.clone()), self.found);
        let mut missing = 0;
        for order in ORDERS {
            let Ok(timeline) = ledger.get_timeline(&TimelineQuery::of(order)) else { continue };
            missing += self.found.iter().filter(|one| one.event.correlation_id() == order).count();
            for row in &timeline.rows {
                let offset = usize::try_from(row.recorded.offset).unwrap();
                assert_eq!(row.recorded, self.found[offset]);
                assert_eq!(row.recorded.event.correlation_id(), order);
                missing -= 1;
            }
        }
        missing
    }

    fn read_all(&self, ledger: &Ledger) -> Result<(), QueryError> {
        let mut read = 0;
        let mut replay = ledger.replay(0)?;
        loop {
            let chunk = replay.next_chunk()?;
            if chunk.is_empty() {
                assert_eq!(read, self.found.len(), "events are missing, and nothing says so");
                return Ok(());
            }
            for event in chunk.events()? {
                assert_eq!(event, self.found[read]);
                read += 1;
            }
        }
    }

    fn read_orders(&self, ledger: &Ledger) -> Result<(), QueryError> {
        let mut first_error = Ok(());
        for order in ORDERS {
            match ledger.get_timeline(&TimelineQuery::of(order)) {
                Ok(timeline) => {
                    let of_order =
                        self.found.iter().filter(|one| one.event.correlation_id() == order);
                    let mut expected: Vec<_> = of_order.collect();
                    expected.sort_by_key(|one| (one.timeline_ns(), one.offset));
                    let rows: Vec<_> = timeline.rows.iter().map(|row| &row.recorded).collect();
                    assert_eq!(rows, expected, "timeline of {order}");
                }
                Err(error) => first_error = Err(error),
            }
        }
        first_error
    }
}

fn event(id: usize, length: usize) -> order_ledger::Event {
    sized_event(&format!("o{}", id % 4), &id.to_string(), length)
}

fn names_place(text: &str) -> bool {
    text.contains(".seg, position ") || text.contains("views")
}

fn check_names_defect(error: &OpenError) {
    let text = error.to_string();
    let named = if let OpenError::Format { path, .. } = error {
        text.contains(path.to_str().unwrap())
    } else {
        names_place(&text) || text.contains("ledger.id") || text.contains("format")
    };
    assert!(named, "{text}");
}

/// The length of a file up to its last byte that is not zero.
fn used_len(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// Flips a bit of `bytes`; the bits take turns where only one of a byte is tried.
fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

/// The bits of `range` that are tried: all of them, or in the default run some of each part.
fn bits(range: std::ops::Range<usize>, stride: usize) -> impl Iterator<Item = usize> {
    let stride = if long_tests() { 1 } else { stride };
    (range.start * 8..range.end * 8).step_by(stride)
}

#[test]
fn a_flipped_bit_in_the_log_is_noticed_and_named() {
    let closed = Closed::small();
    let segments = closed.segments();
    assert_eq!(segments.len(), 2);
    for name in &segments {
        let bytes = closed.disk.read(name);
        // Small events stand in the first segment: each of its bytes is tried, at changing bits.
        let stride = if name == FIRST { 9 } else { 311 };
        for (turn, bit) in bits(0..used_len(&bytes), stride).enumerate() {
            let _scene = Scene(format!("bit {bit} of {name}, views kept: {}", turn % 2 == 0));
            let disk = closed.with(name, &flipped(&bytes, bit), turn % 2 == 0);
            assert_ne!(closed.read(&disk), Noticed::Not);
        }
    }
}

#[test]
fn a_flipped_bit_behind_the_log_changes_no_answer() {
    let closed = Closed::small();
    for name in closed.segments() {
        let bytes = closed.disk.read(&name);
        let stride = if long_tests() { 97 } else { 3_989 };
        for bit in (used_len(&bytes) * 8..SEGMENT_LEN * 8).step_by(stride) {
            let _scene = Scene(format!("bit {bit} of {name}, behind its blocks"));
            for keep_views in [true, false] {
                closed.read(&closed.with(&name, &flipped(&bytes, bit), keep_views));
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_the_small_files_is_noticed() {
    let closed = Closed::small();
    for name in ["format", "ledger.id"] {
        let bytes = closed.disk.read(name);
        for bit in 0..bytes.len() * 8 {
            let _scene = Scene(format!("bit {bit} of {name}"));
            let disk = closed.with(name, &flipped(&bytes, bit), bit % 2 == 0);
            assert_eq!(closed.read(&disk), Noticed::AtOpening);
        }
        for length in 0..bytes.len() {
            let _scene = Scene(format!("{name} cut to {length} bytes"));
            let disk = closed.with(name, &bytes[..length], true);
            assert_eq!(closed.read(&disk), Noticed::AtOpening);
        }
    }
}

#[test]
fn a_segment_of_another_length_is_noticed() {
    let closed = Closed::small();
    for name in closed.segments() {
        let mut bytes = closed.disk.read(&name);
        let stride = if long_tests() { 1 } else { 53 };
        let used = (0..used_len(&bytes)).step_by(stride);
        for length in used.chain((used_len(&bytes)..bytes.len()).step_by(1_009)) {
            let _scene = Scene(format!("{name} cut to {length} bytes"));
            let disk = closed.with(&name, &bytes[..length], length % 2 == 0);
            assert_eq!(closed.read(&disk), Noticed::AtOpening);
        }
        bytes.push(0);
        assert_eq!(closed.read(&closed.with(&name, &bytes, true)), Noticed::AtOpening);
    }
}

/// A ledger of three segments.
fn three_segments() -> Closed {
    let large = |from: usize| Step::Append((from..from + 8).map(|id| event(id, 6_000)).collect());
    Closed::of(&[large(0), large(8), large(16)])
}

#[test]
fn a_segment_that_is_missing_or_swapped_is_noticed() {
    let closed = three_segments();
    let names = closed.segments();
    assert_eq!(names.len(), 3);
    for keep_views in [true, false] {
        for name in &names[..2] {
            let _scene = Scene(format!("without {name}, views kept: {keep_views}"));
            let disk = closed.with(name, &[], keep_views);
            disk.erase(name);
            assert_ne!(closed.read(&disk), Noticed::Not);
        }
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let _scene = Scene(format!("{one} and {other} swapped, views kept: {keep_views}"));
            let disk = closed.with(&names[one], &closed.disk.read(&names[other]), keep_views);
            disk.overwrite(&names[other], &closed.disk.read(&names[one]));
            assert_eq!(closed.read(&disk), Noticed::AtOpening);
        }
    }
}

/// The views are not read whole when a ledger is opened, so an answer may miss events that they have
/// lost. No event is a wrong one, and `verify` says what the views are.
#[test]
fn a_flipped_bit_in_the_views_gives_no_wrong_event_and_verify_sees_it() {
    let closed = Closed::small();
    let bytes = closed.disk.read(VIEWS);
    let stride = if long_tests() { 61 } else { 1_501 };
    for bit in (0..bytes.len() * 8).step_by(stride) {
        let _scene = Scene(format!("bit {bit} of {VIEWS}"));
        let disk = closed.with(VIEWS, &flipped(&bytes, bit), true);
        let missing = match open_on(&disk) {
            Ok(ledger) => closed.count_missing(&ledger),
            Err(error) => {
                check_names_defect(&error);
                0
            }
        };
        if missing > 0 {
            let folder = tempfile::tempdir().unwrap();
            closed.with(VIEWS, &flipped(&bytes, bit), true).export(folder.path());
            let report = order_ledger::verify(folder.path(), |_| {}).unwrap();
            let said = [report.defects, report.notes].concat().join("; ");
            assert!(said.contains("views"), "{missing} missing, and verify says: {said}");
        }
    }
}

#[test]
fn views_that_are_cut_or_garbage_are_made_anew() {
    let closed = Closed::small();
    let bytes = closed.disk.read(VIEWS);
    let mut others: Vec<Vec<u8>> =
        (0..bytes.len()).step_by(bytes.len() / 50).map(|length| bytes[..length].to_vec()).collect();
    others.push(b"garbage".repeat(1_000));
    others.push(vec![0; bytes.len()]);
    others.push(vec![0xff; bytes.len()]);
    for (which, other) in others.iter().enumerate() {
        let _scene = Scene(format!("views {which}, {} bytes", other.len()));
        let disk = closed.with(VIEWS, other, true);
        assert_eq!(closed.read(&disk), Noticed::Not);
        check(&open_on(&disk).unwrap(), &History::of(&closed.found));
    }
}

/// The same steps up to a place, then others: views of each on the log of each.
#[test]
fn views_of_another_moment_or_ledger_are_made_anew() {
    let steps: Vec<Step> = (0..9).map(|id| Step::Append(vec![event(id, 500)])).collect();
    let older = Closed::of(&steps[..5]);
    let go_on = |ids: std::ops::Range<usize>| {
        let disk = older.disk.fork();
        let ledger = open_on(&disk).unwrap();
        for id in ids {
            ledger.append(order_ledger::Batch::of([event(id, 500)])).unwrap();
        }
        drop(ledger);
        let found = replay(&open_on(&disk).unwrap(), 0).unwrap();
        Closed { disk, found }
    };
    let empty = Closed::of(&[]);
    let all = [go_on(5..9), go_on(20..24), go_on(5..6), Closed::of(&steps), empty, older];
    for (at, closed) in all.iter().enumerate() {
        for (from, other) in all.iter().enumerate() {
            let _scene = Scene(format!("ledger {at} with the views of {from}"));
            let disk = closed.with(VIEWS, &other.disk.read(VIEWS), true);
            assert_eq!(closed.read(&disk), Noticed::Not);
            check_queries(&open_on(&disk).unwrap(), &closed.found);
            check(&open_on(&disk).unwrap(), &History::of(&closed.found));
        }
    }
}
