//! The disk fails, runs full and writes short: every answer is true, and nothing acknowledged is
//! lost. Does not know power cuts, except to look what was durable.

use std::io::ErrorKind;

use order_ledger::{
    AppendError, Batch, FailureClass, Ledger, Limits, LogError, OpenError, QueryError,
};

use crate::fault::{Fault, Kind, Then};
use crate::found::{Scene, check, check_queries, replay};
use crate::medium::{NewNames, Sectors, Strategy};
use crate::simulated_disk::SimulatedDisk;
use crate::workload::{
    History, append_together, long_tests, long_workload, open_on, open_with, play, sized_event,
};

const FAILED: ErrorKind = ErrorKind::Other;
const NOTHING_KEPT: Strategy = Strategy { sectors: Sectors::None, names: NewNames::Lost, seed: 0 };
const ALL_KEPT: Strategy = Strategy { sectors: Sectors::All, names: NewNames::Kept, seed: 0 };

/// A ledger with a few events of a few orders.
fn begun(disk: &SimulatedDisk) -> (Ledger, History) {
    let ledger = open_on(disk).unwrap();
    let mut history = History::default();
    for id in 0..6 {
        append(&ledger, &mut history, vec![numbered(id, 700)]).unwrap();
    }
    (ledger, history)
}

fn numbered(id: usize, length: usize) -> order_ledger::Event {
    sized_event(&format!("o{}", id % 3), &id.to_string(), length)
}

fn append(
    ledger: &Ledger,
    history: &mut History,
    events: Vec<order_ledger::Event>,
) -> Result<(), AppendError> {
    let answer = ledger.append(Batch::of(events.iter().cloned()));
    history.note(events, answer.clone());
    answer.map(drop)
}

/// A block fails after `passes` good ones, while batches wait.
fn check_poisoned(fault: Fault, passes: u64) {
    let disk = SimulatedDisk::default().seeded(passes);
    let (ledger, mut history) = begun(&disk);
    disk.add_fault(fault.once_after(passes));
    let batches: Vec<_> =
        [10, 20, 30, 40].map(|id| (id..id + 3).map(|id| numbered(id, 900)).collect()).into();
    append_together(&disk, &ledger, &batches, &mut history);
    let later = append(&ledger, &mut history, vec![numbered(50, 10)]).unwrap_err();
    assert!(matches!(later, AppendError::Poisoned(_)), "{later:?}");
    assert_eq!(later.class(), FailureClass::NotWritten);
    let in_doubt = if passes == 0 { 1 } else { 3 };
    assert_eq!(
        (history.in_doubt.len(), history.not_written.len()),
        (in_doubt, 5 - in_doubt - usize::try_from(passes).unwrap())
    );
    assert_eq!(ledger.head(), history.head());
    let found = replay(&ledger, 0).unwrap();
    assert_eq!(found.len(), history.acknowledged.len());
    check_queries(&ledger, &found);
    drop(ledger);
    check_after_poison(&disk, &history);
}

/// Both a process that starts again and one that starts after a power cut find what was
/// acknowledged, and each batch in doubt whole or not at all; and what the first shows, stays.
fn check_after_poison(disk: &SimulatedDisk, history: &History) {
    for strategy in [NOTHING_KEPT, ALL_KEPT] {
        let after = disk.after_power_cut(strategy);
        check(&open_on(&after.disk).unwrap(), history);
        let restarted = disk.after_process_end();
        let ledger = open_on(&restarted).unwrap();
        let shown = History::of(&replay(&ledger, 0).unwrap());
        let after = restarted.after_power_cut(strategy);
        check(&open_on(&after.disk).unwrap(), &shown);
        check(&ledger, history);
    }
}

#[test]
fn a_failed_sync_poisons_appends_but_not_reads() {
    for then in [Then::Nothing(FAILED), Then::Done(FAILED), Then::Forgotten(FAILED)] {
        for passes in [0, 1] {
            let _scene = Scene(format!("sync {passes} fails: {then:?}"));
            check_poisoned(Fault::on(Kind::Sync, ".seg", then), passes);
        }
    }
}

#[test]
fn a_failed_write_poisons_appends_but_not_reads() {
    for then in [Then::Nothing(FAILED), Then::Done(FAILED)] {
        for passes in [0, 1] {
            let _scene = Scene(format!("write {passes} fails: {then:?}"));
            check_poisoned(Fault::on(Kind::Write, ".seg", then), passes);
        }
    }
}

/// Every operation that gives the next segment its header and its name fails once.
#[test]
fn a_segment_that_cannot_be_entered_loses_nothing() {
    let faults = [
        (Kind::Write, "prepared"),
        (Kind::Sync, "prepared"),
        (Kind::Rename, ".seg"),
        (Kind::SyncDir, "log"),
    ];
    for (kind, name) in faults {
        for passes in [0, 1] {
            let _scene = Scene(format!("{kind:?} {passes} of {name} fails"));
            let disk = SimulatedDisk::default();
            let (ledger, mut history) = begun(&disk);
            disk.add_fault(Fault::on(kind, name, Then::Nothing(FAILED)).once_after(passes));
            for id in 10..40 {
                let _ = append(&ledger, &mut history, vec![numbered(id, 8_000)]);
            }
            assert!(history.in_doubt.is_empty(), "no block was under way");
            check_queries(&ledger, &replay(&ledger, 0).unwrap());
            drop(ledger);
            check_after_poison(&disk, &history);
        }
    }
}

#[test]
fn a_full_disk_is_answered_and_over_when_space_returns() {
    let disk = SimulatedDisk::default();
    let (ledger, mut history) = begun(&disk);
    disk.add_fault(Fault::on(Kind::Write, "prepared", Then::Done(ErrorKind::StorageFull)));
    let large = |id: usize| (id * 10..id * 10 + 3).map(|id| numbered(id, 8_000)).collect();
    let full = (10..20).find_map(|id| append(&ledger, &mut history, large(id)).err());
    let full = full.unwrap();
    assert_eq!((&full, full.class()), (&AppendError::DiskFull, FailureClass::NotWritten));
    append(&ledger, &mut history, vec![numbered(1_000, 10)]).unwrap();
    let full = append(&ledger, &mut history, large(30)).unwrap_err();
    assert_eq!(full, AppendError::DiskFull);
    append(&ledger, &mut history, vec![numbered(1_001, 10)]).unwrap();
    check_queries(&ledger, &replay(&ledger, 0).unwrap());
    disk.mend();
    let refused = history.not_written.len();
    while append(&ledger, &mut history, large(40)).is_err() {
        assert_eq!(history.not_written.pop().unwrap().len(), 3);
        assert!(history.in_doubt.is_empty());
        std::thread::yield_now();
    }
    assert_eq!(history.not_written.len(), refused);
    check(&ledger, &history);
    drop(ledger);
    for strategy in [NOTHING_KEPT, ALL_KEPT] {
        let mut acknowledged = history.clone();
        acknowledged.in_doubt.append(&mut acknowledged.not_written);
        let ledger = open_on(&disk.after_power_cut(strategy).disk).unwrap();
        let found = replay(&ledger, 0).unwrap();
        let kept = acknowledged.acknowledged.iter().zip(&found);
        assert!(kept.clone().all(|((receipt, _), one)| receipt.leaf_hash == one.leaf_hash()));
        assert_eq!(kept.count(), acknowledged.acknowledged.len());
    }
}

#[test]
fn a_new_ledger_on_a_full_disk_opens_when_space_returns() {
    let disk = SimulatedDisk::default();
    disk.add_fault(Fault::on(Kind::Write, "prepared", Then::Done(ErrorKind::StorageFull)));
    let error = open_on(&disk).unwrap_err();
    assert!(matches!(error, OpenError::Log(LogError::DiskFull)), "{error:?}");
    disk.mend();
    check(&open_on(&disk).unwrap(), &History::default());
}

#[test]
fn short_writes_lose_nothing() {
    for seed in 0..3 {
        let _scene = Scene(format!("short writes, seed {seed}"));
        let disk = SimulatedDisk::default().seeded(seed).writing_short();
        let history = play(&disk, &long_workload(seed));
        assert!(history.head() > 50 && history.in_doubt.is_empty());
        let after = disk.after_power_cut(NOTHING_KEPT);
        check(&open_on(&after.disk).unwrap(), &history);
        check(&open_on(&disk).unwrap(), &history);
    }
}

#[test]
fn a_log_that_cannot_be_read_gives_errors_and_no_wrong_event() {
    let disk = SimulatedDisk::default();
    let (ledger, history) = begun(&disk);
    let found = replay(&ledger, 0).unwrap();
    disk.add_fault(Fault::on(Kind::Read, ".seg", Then::Nothing(FAILED)));
    let error = replay(&ledger, 0).unwrap_err();
    assert!(matches!(error, QueryError::Log(LogError::Io { .. })), "{error:?}");
    assert!(error.to_string().contains("00000000000000000000.seg"), "{error}");
    let query = order_ledger::TimelineQuery::of("o1");
    assert!(ledger.get_timeline(&query).is_err());
    let error = ledger.append(Batch::of([numbered(1, 700)])).unwrap_err();
    assert_eq!(error.class(), FailureClass::NotWritten, "{error:?}");
    disk.mend();
    for passes in 0..40 {
        disk.add_fault(Fault::on(Kind::Read, ".seg", Then::Nothing(FAILED)).once_after(passes));
        if let Ok(again) = replay(&ledger, 0) {
            assert_eq!(again, found);
        }
        if let Ok(timeline) = ledger.get_timeline(&query) {
            assert_eq!(timeline.revision, 2);
        }
        disk.mend();
    }
    check(&ledger, &history);
}

#[test]
fn views_that_cannot_be_written_stop_appends_only_at_the_limit_of_the_tail() {
    let limits = Limits { tail_entries_max: 20, ..Limits::default() };
    let kinds = [Kind::Write, Kind::Sync];
    for kind in &kinds[..if long_tests() { 2 } else { 1 }] {
        let disk = SimulatedDisk::default();
        let mut history = begun(&disk).1;
        let ledger = open_with(&disk, limits.clone()).unwrap();
        disk.add_fault(Fault::on(*kind, "views.redb", Then::Nothing(FAILED)));
        for id in 10..30 {
            append(&ledger, &mut history, vec![numbered(id, 100)]).unwrap();
        }
        for _ in 0..2 {
            let error = append(&ledger, &mut history, vec![numbered(30, 100)]).unwrap_err();
            assert!(matches!(error, AppendError::ViewsBehind(_)), "{error:?}");
            assert_eq!(error.class(), FailureClass::NotWritten);
            assert_eq!(ledger.head(), history.head());
        }
        disk.wait_for_strikes(1);
        check_right_or_error(&ledger, &history);
        history.not_written.clear();
        disk.mend();
        while append(&ledger, &mut history, vec![numbered(30, 100)]).is_err() {
            history.not_written.clear();
            std::thread::yield_now();
        }
        check(&ledger, &history);
        drop(ledger);
        let ledger = open_with(&disk, limits.clone()).unwrap();
        let found = replay(&ledger, 0).unwrap();
        check_queries(&ledger, &found);
    }
}

/// Views that cannot be opened again are an error to those who need them, never a wrong answer.
fn check_right_or_error(ledger: &Ledger, history: &History) {
    for (receipt, event) in &history.acknowledged {
        let order = event.correlation_id();
        match ledger.get_append_outcome(order, event.source(), event.event_id()) {
            Ok((found, _)) => assert_eq!(found, Some(*receipt)),
            Err(error) => assert!(error.to_string().contains("views.redb"), "{error}"),
        }
    }
}

#[test]
fn a_ledger_that_is_open_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = crate::support::open(folder.path());
    let again = Ledger::open(folder.path(), order_ledger::Options::default());
    assert!(matches!(again.unwrap_err(), OpenError::Locked(path) if path == folder.path()));
    drop(ledger);
    drop(crate::support::open(folder.path()));
}
