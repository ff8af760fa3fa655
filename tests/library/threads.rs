//! Many callers at once: each event exactly once, each caller's in order. Does not know the disk.

use std::sync::atomic::{AtomicBool, Ordering};

use order_ledger::{AppendError, Batch, Event, Ledger, Limits, Options, TimelineQuery};

use crate::found::{Scene, check_chains, check_queries, replay};
use crate::random::Random;
use crate::workload::sized_event;

const THREADS: usize = 8;
const EVENTS: usize = 40;

/// Appends an event behind what it has seen of its order, as often as others come first; sometimes
/// once more, as if the answer had been lost.
fn append_behind(ledger: &Ledger, event: &Event, random: &mut Random) {
    loop {
        let order = event.correlation_id();
        let revision = ledger.get_timeline(&TimelineQuery::of(order)).unwrap().revision;
        let batch = Batch::of([event.clone()]).expect_revision(order, revision);
        match ledger.append(batch) {
            Ok(_) if random.one_in(3) => {}
            Ok(_) => return,
            Err(AppendError::WrongRevision(wrong)) => assert!(wrong[0].actual > revision),
            Err(AppendError::Overloaded { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn event_of(thread: usize, number: usize) -> Event {
    let id = format!("{thread}-{number}");
    sized_event(&format!("o{}", (thread + number) % 3), &id, 200)
}

fn appended_by_many(ledger: &Ledger) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let followed = ledger.follow(0).unwrap().take(THREADS * EVENTS);
            for (offset, one) in (0..).zip(followed) {
                assert_eq!(one.unwrap().offset, offset);
            }
        });
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                check_chains(&replay(ledger, 0).unwrap());
            }
        });
        let callers: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut random = Random::seeded(u64::try_from(thread).unwrap());
                    for number in 0..EVENTS {
                        append_behind(ledger, &event_of(thread, number), &mut random);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        follower.join().unwrap();
    });
}

#[test]
fn callers_at_once_get_each_event_in_once_and_in_their_order() {
    for (queue_batches_max, tail_entries_max) in [(8_192, 262_144), (3, 24)] {
        let _scene = Scene(format!("queue {queue_batches_max}, tail {tail_entries_max}"));
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { queue_batches_max, tail_entries_max, ..Limits::default() };
        let options = Options { limits, segment_bytes: 64 * 1024, ..Options::default() };
        let ledger = Ledger::open(folder.path(), options.clone()).unwrap();
        appended_by_many(&ledger);
        drop(ledger);
        let ledger = Ledger::open(folder.path(), options).unwrap();
        let found = replay(&ledger, 0).unwrap();
        assert_eq!(found.len(), THREADS * EVENTS);
        check_chains(&found);
        check_queries(&ledger, &found);
        for thread in 0..THREADS {
            let own = found
                .iter()
                .filter(|one| one.event.event_id().split('-').next() == Some(&thread.to_string()));
            let expected: Vec<_> = (0..EVENTS).map(|number| event_of(thread, number)).collect();
            assert_eq!(own.map(|one| one.event.clone()).collect::<Vec<_>>(), expected);
        }
    }
}
