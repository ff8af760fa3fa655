//! The power goes at every operation on the disk: what was acknowledged is there afterwards, whole
//! and in order, and nothing that nobody appended. Does not know files.

use crate::found::{Scene, check, check_chains, replay};
use crate::medium::{NewNames, Sectors, Strategy};
use crate::random::Random;
use crate::simulated_disk::{SimulatedDisk, Track};
use crate::workload::{History, Step, long_tests, long_workload, open_on, play, sized_event};

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

/// Where the power is cut: after so many operations of one track.
type Cut = (Track, u64);

/// Plays a workload with the power cut.
fn play_until(steps: &[Step], (track, operations): Cut) -> (SimulatedDisk, History) {
    let disk = SimulatedDisk::default();
    disk.cut_power_after(track, operations);
    let history = play(&disk, steps);
    (disk, history)
}

/// Every place where the power can be cut, and one behind the end.
fn cuts(steps: &[Step]) -> Vec<Cut> {
    let (disk, history) = play_until(steps, (Track::Main, u64::MAX));
    assert!(history.in_doubt.is_empty() && history.not_written.is_empty());
    let of = |track| (0..=disk.operations(track)).map(move |operations| (track, operations));
    of(Track::Main).chain(of(Track::Prepared)).collect()
}

/// Cuts the power at an operation, and looks at all that it may leave.
fn check_cut(steps: &[Step], cut: Cut) {
    let (disk, history) = play_until(steps, cut);
    let mut seen = Vec::new();
    for strategy in strategies(cut.1) {
        let _scene = Scene(format!("power cut after operation {cut:?}, {strategy:?}"));
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
    let operations = usize::try_from(trial.operations(Track::Main)).unwrap();
    let mut random = Random::seeded(strategy.seed);
    let second = u64::try_from(random.below(operations)).unwrap();
    let _scene = Scene(format!("second power cut after operation {second} of the opening"));
    let again = disk.fork();
    again.cut_power_after(Track::Main, second);
    drop(open_on(&again));
    let (sectors, names) = (Sectors::Random, NewNames::Random);
    let seed = random.next();
    let after = again.after_power_cut(Strategy { sectors, names, seed });
    check(&open_on(&after.disk).unwrap(), history);
}

#[test]
fn a_power_cut_at_every_operation_of_a_short_life_loses_nothing_acknowledged() {
    let steps = short_workload();
    for cut in cuts(&steps) {
        check_cut(&steps, cut);
    }
}

#[test]
fn power_cuts_throughout_a_long_life_lose_nothing_acknowledged() {
    let (seeds, stride) = if long_tests() { (0..4, 1) } else { (0..1, 5) };
    for seed in seeds {
        let _scene = Scene(format!("long workload of seed {seed}"));
        let steps = long_workload(seed);
        for cut in cuts(&steps).into_iter().step_by(stride) {
            check_cut(&steps, cut);
        }
    }
}

/// Without a power cut, a process that starts again sees writes that were never synced. What it
/// shows of them, it has to make durable first.
#[test]
fn what_a_restarted_process_shows_survives_a_power_cut() {
    let steps = short_workload();
    for cut in cuts(&steps) {
        let _scene = Scene(format!("process ended after operation {cut:?}"));
        let (disk, history) = play_until(&steps, cut);
        let disk = disk.after_process_end();
        let ledger = open_on(&disk).unwrap();
        let shown = History::of(&replay(&ledger, 0).unwrap());
        assert!(shown.head() >= history.head());
        for strategy in strategies(cut.1) {
            let _scene = Scene(format!("then power cut, {strategy:?}"));
            check(&open_on(&disk.after_power_cut(strategy).disk).unwrap(), &shown);
        }
    }
}
