//! Appending: receipts, retries, expectations.

use order_ledger::{AppendError, AsOf, Batch, FailureClass, Options, Outcome, TimelineQuery};

use crate::support::{append_one, appended, event, event_with, open};

#[test]
fn offsets_and_revisions_are_dense_and_reads_see_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for n in 0..100_u64 {
        let receipt = appended(append_one(&ledger, event(&format!("o{}", n % 3), &n.to_string())));
        assert_eq!((receipt.offset, receipt.revision), (n, n / 3));
        let timeline = ledger.get_timeline(&TimelineQuery::of(format!("o{}", n % 3))).unwrap();
        assert_eq!(timeline.revision, n / 3 + 1);
        assert_eq!(timeline.rows.last().unwrap().recorded.leaf_hash(), receipt.leaf_hash);
    }
}

#[test]
fn a_retried_batch_receives_its_first_receipts_also_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let batch = || Batch::of([event("a", "1"), event("b", "1"), event("a", "2")]);
    let first = {
        let ledger = open(folder.path());
        let first = ledger.append(batch()).unwrap();
        assert_eq!(retried(&first.outcomes), retried(&ledger.append(batch()).unwrap().outcomes));
        first
    };
    let ledger = open(folder.path());
    let again = ledger.append(batch().expect_revision("a", 0)).unwrap();
    assert!(again.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Duplicate(_))));
    assert_eq!(retried(&first.outcomes), retried(&again.outcomes));
    assert_eq!(ledger.head(), 3);
}

fn retried(outcomes: &[Outcome]) -> Vec<order_ledger::Receipt> {
    outcomes.iter().map(|outcome| *outcome.receipt()).collect()
}

#[test]
fn an_id_with_other_content_is_refused_whole_with_both_fingerprints() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append_one(&ledger, event("a", "1"));
    let batch = Batch::of([event("a", "2"), event_with("a", "1", "7")]);
    let error = ledger.append(batch).unwrap_err();
    let AppendError::EventIdReused(reused) = &error else { panic!("{error:?}") };
    assert_eq!((reused.len(), reused[0].index, reused[0].recorded_offset), (1, 1, 0));
    assert_ne!(reused[0].fingerprint, reused[0].recorded_fingerprint);
    assert_eq!((error.class(), ledger.head()), (FailureClass::Refused, 1));
}

#[test]
fn all_wrong_expectations_come_at_once_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append_one(&ledger, event("a", "1"));
    let batch = Batch::of([event("c", "1")])
        .expect_revision("a", 0)
        .expect_revision("b", 5)
        .expect_revision("c", 0);
    let AppendError::WrongRevision(wrong) = ledger.append(batch).unwrap_err() else { panic!() };
    let seen: Vec<_> =
        wrong.iter().map(|one| (&*one.correlation_id, one.expected, one.actual)).collect();
    assert_eq!(seen, [("a", 0, 1), ("b", 5, 0)]);
    assert_eq!(ledger.head(), 1);
}

#[test]
fn a_batch_part_new_and_part_known_says_which_is_which() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append_one(&ledger, event("a", "1"));
    let outcomes = ledger
        .append(Batch::of([event("a", "1"), event("a", "2"), event("a", "2")]))
        .unwrap()
        .outcomes;
    assert!(matches!(outcomes[0], Outcome::Duplicate(receipt) if receipt.offset == 0));
    assert!(matches!(outcomes[1], Outcome::Appended(receipt) if receipt.offset == 1));
    assert_eq!(outcomes[2], Outcome::Duplicate(*outcomes[1].receipt()));
}

#[test]
fn replay_gives_every_event_and_follow_goes_on_live() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = std::sync::Arc::new(open(folder.path()));
    for n in 0..500 {
        append_one(&ledger, event("a", &n.to_string()));
    }
    for from in [0, 1, 250, 499] {
        let first = ledger.follow(from).unwrap().next().unwrap().unwrap();
        assert_eq!(first.offset, from);
    }
    let mut follow = ledger.follow(499).unwrap();
    assert_eq!(follow.next().unwrap().unwrap().offset, 499);
    let appending = std::sync::Arc::clone(&ledger);
    let thread = std::thread::spawn(move || {
        append_one(&appending, event("b", "live"));
        appending.close();
    });
    assert_eq!(follow.next().unwrap().unwrap().event.event_id(), "live");
    thread.join().unwrap();
    assert!(follow.next().is_none(), "the ledger was closed");
}

#[test]
fn deleting_the_views_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let before = {
        let ledger = open(folder.path());
        for n in 0..300 {
            append_one(&ledger, event(&format!("o{}", n % 7), &n.to_string()));
        }
        ledger.get_timeline(&TimelineQuery::of("o3")).unwrap()
    };
    std::fs::remove_file(folder.path().join("views.redb")).unwrap();
    let ledger = open(folder.path());
    assert_eq!(ledger.get_timeline(&TimelineQuery::of("o3")).unwrap(), before);
    let query = TimelineQuery {
        as_of: AsOf { offset: Some(100), ..AsOf::default() },
        ..TimelineQuery::of("o3")
    };
    assert_eq!(ledger.get_timeline(&query).unwrap().revision, 14);
}

// Seen red with the task's budget counted in `block_on`: the 129th append never returned.
#[test]
fn appends_that_block_inside_of_a_task_do_not_starve() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for n in 0..300 {
            append_one(&ledger, event("a", &n.to_string()));
        }
    });
    assert_eq!(ledger.head(), 300);
}

#[test]
fn more_expectations_than_a_batch_has_events_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut batch = Batch::of([event("a", "1")]);
    for n in 0..1_001 {
        batch = batch.expect_revision(format!("o{n}"), 0);
    }
    let error = ledger.append(batch).unwrap_err();
    assert!(error.to_string().contains("1001 expectations"), "{error}");
}

#[test]
fn an_absent_event_is_absent_after_all_that_was_submitted_before() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for n in 0..200 {
        let pending = ledger.submit(Batch::of([event("a", &n.to_string())])).unwrap();
        drop(pending);
        let (receipt, _) = ledger.get_append_outcome("a", "wms:dc1", &n.to_string()).unwrap();
        assert_eq!(receipt.map(|receipt| receipt.offset), Some(n));
    }
    assert_eq!(ledger.get_append_outcome("a", "wms:dc1", "none").unwrap(), (None, 200));
}

#[test]
fn a_ledger_whose_log_is_missing_is_not_an_empty_ledger() {
    let folder = tempfile::tempdir().unwrap();
    append_one(&open(folder.path()), event("a", "1"));
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    assert!(order_ledger::Ledger::open(folder.path(), Options::default()).is_err());
    assert!(order_ledger::verify(folder.path(), |_| {}).is_err());
    assert!(!folder.path().join("log").exists(), "verify changes nothing");
}

#[test]
fn verify_does_not_make_a_ledger_where_none_is() {
    let folder = tempfile::tempdir().unwrap();
    assert!(order_ledger::verify(folder.path(), |_| {}).is_err());
    assert!(!folder.path().join("format").exists());
}

#[test]
fn a_log_that_ends_before_its_views_is_a_defect() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append_one(&ledger, event("a", "1"));
    ledger.close();
    drop(ledger);
    let segment = folder.path().join("log/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[64..].fill(0);
    std::fs::write(&segment, bytes).unwrap();
    let report = order_ledger::verify(folder.path(), |_| {}).unwrap();
    assert_eq!(report.defects.len(), 1, "{report:?}");
    assert!(report.defects[0].contains("lost entries"), "{report:?}");
}
