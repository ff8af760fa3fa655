//! The power goes at every operation on the disk: what was acknowledged is there afterwards, whole
//! and in order, and nothing that nobody appended. Does not know files.

use order_ledger::Event;

use crate::found::{Scene, check, check_chains, replay};
use crate::random::Random;
use crate::simulated_disk::{NewNames, Sectors, SimulatedDisk, Strategy};
use crate::workload::{History, Step, long_tests, open_on, play, sized_event};

/// What a power cut may leave of what was not synced.
fn strategies(seed: u64) -> Vec<Strategy> {
    let fixed = [
        (Sectors::None, NewNames::Lost),
        (Sectors::None, NewNames::Kept),
        (Sectors::All, NewNames::Kept),
        (Sectors::All, NewNames::Lost),
        (Sectors::OnlyLastWrite, NewNames::Kept),
        (Sectors::OnlyFirst, NewNames::Lost),
        (Sectors::OnlyLast, NewNames::Kept),
    ];
    let random =
        (0..if long_tests() { 12 } else { 3 }).map(|_| (Sectors::Random, NewNames::Random));
    let both = fixed.into_iter().chain(random);
    both.zip(seed * 100..)
        .map(|((sectors, names), seed)| Strategy { sectors, names, seed })
        .collect()
}

/// A few batches that roll two segments over, with a reopening between.
fn short_workload() -> Vec<Step> {
    let events = |order: &str, ids: std::ops::Range<usize>, length| {
        ids.map(|id| sized_event(order, &id.to_string(), length)).collect::<Vec<_>>()
    };
    let mut mixed = events("o0", 1..3, 900);
    mixed.extend(events("o1", 0..2, 30));
    let mut repeated = events("o1", 1..4, 30);
    repeated.extend(events("o2", 0..1, 2_000));
    vec![
        Step::Append(events("o0", 0..1, 10)),
        Step::Append(mixed.clone()),
        Step::Append(mixed),
        Step::Append(events("o3", 0..5, 9_000)),
        Step::Together(vec![
            events("o1", 10..11, 100),
            events("o2", 10..13, 700),
            repeated,
            events("o3", 10..11, 10),
        ]),
        Step::Append(events("o3", 20..22, 9_000)),
        Step::Reopen,
        Step::Append(events("o0", 1..5, 900)),
        Step::Append(events("o4", 0..6, 9_000)),
        Step::Append(events("o0", 30..31, 3_000)),
    ]
}

/// Many batches of all sizes, some of them retries, by seed.
fn long_workload(seed: u64) -> Vec<Step> {
    let mut random = Random::seeded(seed);
    let mut next_id = 0;
    let mut batch = |random: &mut Random| -> Vec<Event> {
        let count = 1 + random.below(4);
        (0..count)
            .map(|_| {
                next_id += 1;
                let is_retry = random.one_in(6);
                numbered_event(if is_retry { random.below(next_id) } else { next_id })
            })
            .collect()
    };
    let mut steps = Vec::new();
    for at in 0..60 {
        steps.push(match random.below(12) {
            0 => Step::Reopen,
            1 | 2 => {
                let mut together = vec![vec![sized_event("o0", &format!("first {at}"), 10)]];
                together.extend((0..random.below(3)).map(|_| batch(&mut random)));
                Step::Together(together)
            }
            _ => Step::Append(batch(&mut random)),
        });
    }
    steps
}

/// The event of an id: the same order and length each time.
fn numbered_event(id: usize) -> Event {
    let length = [10, 100, 600, 5_000][id % 4];
    sized_event(&format!("o{}", id / 3 % 6), &id.to_string(), length)
}

/// Plays a workload with the power cut after so many operations.
fn cut(steps: &[Step], operations: u64) -> (SimulatedDisk, History) {
    let disk = SimulatedDisk::default();
    disk.cut_power_after(operations);
    let history = play(&disk, steps);
    (disk, history)
}

fn count_operations(steps: &[Step]) -> u64 {
    let (disk, history) = cut(steps, u64::MAX);
    assert!(history.in_doubt.is_empty() && history.not_written.is_empty());
    disk.operations()
}

/// Cuts the power at an operation, and looks at all that it may leave.
fn check_cut(steps: &[Step], operations: u64) {
    let (disk, history) = cut(steps, operations);
    let mut seen = Vec::new();
    for strategy in strategies(operations) {
        let _scene = Scene(format!("power cut after operation {operations}, {strategy:?}"));
        let after = disk.after_power_cut(strategy);
        if seen.contains(&after.decisions) {
            continue;
        }
        seen.push(after.decisions);
        check_second_cut(&after.disk, &history, strategy);
        let ledger = open_on(&after.disk).unwrap();
        check(&ledger, &history);
        drop(ledger);
        let found = replay(&open_on(&after.disk).unwrap(), 0).unwrap();
        check_chains(&found);
        assert!(found.len() >= history.acknowledged.len());
    }
}

/// Cuts the power a second time, while the ledger is opened or closed again.
fn check_second_cut(disk: &SimulatedDisk, history: &History, strategy: Strategy) {
    let trial = disk.fork();
    drop(open_on(&trial).unwrap());
    let operations = usize::try_from(trial.operations()).unwrap();
    let mut random = Random::seeded(strategy.seed);
    let second = u64::try_from(random.below(operations)).unwrap();
    let _scene = Scene(format!("second power cut after operation {second} of the opening"));
    let again = disk.fork();
    again.cut_power_after(second);
    drop(open_on(&again));
    let (sectors, names) = (Sectors::Random, NewNames::Random);
    let seed = random.next();
    let after = again.after_power_cut(Strategy { sectors, names, seed });
    check(&open_on(&after.disk).unwrap(), history);
}

#[test]
fn a_power_cut_at_every_operation_of_a_short_life_loses_nothing_acknowledged() {
    let steps = short_workload();
    for operations in 0..count_operations(&steps) {
        check_cut(&steps, operations);
    }
}

#[test]
fn power_cuts_throughout_a_long_life_lose_nothing_acknowledged() {
    let (seeds, stride) = if long_tests() { (0..4, 1) } else { (0..1, 5) };
    for seed in seeds {
        let _scene = Scene(format!("long workload of seed {seed}"));
        let steps = long_workload(seed);
        for operations in (seed..count_operations(&steps)).step_by(stride) {
            check_cut(&steps, operations);
        }
    }
}
