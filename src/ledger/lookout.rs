//! One look at what is new, for all that wait at the head: streams and consumers. Only those that
//! it may be for are called. Does not know what they bring, nor where the log is kept.
//!
//! Who is called reads for itself, from where the look-out stood: all before it is passed over. So
//! hundreds that nothing is for cost one read of the log and a look-up each, and whoever appends
//! wakes one task and not hundreds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Replay;

/// So much longer than it looks, it rests: a twentieth of a core is the most that it takes.
const REST_FOR_LOOK: u32 = 20;
/// Also for each that it calls, which then reads: what comes meanwhile is read together.
const REST_FOR_CALL: Duration = Duration::from_micros(50);
/// Less is put off until it has become more: the runtime's clock is no finer.
const REST_MIN: Duration = Duration::from_millis(1);
/// However long a look took.
const REST_MAX: Duration = Duration::from_millis(2);
/// Entries that are looked at by the task itself: waking another thread takes longer.
const NEAR: u64 = 512;
/// The look-out ends when nobody has waited for about so long.
const LINGER: Duration = Duration::from_secs(1);

/// Watches the head for all that follow a ledger. They need a tokio runtime.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookout(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// Where the look-out stands; `None` while there is none.
    stands: Option<Replay>,
    /// The offset behind the last part in which it saw more than entries of the ledger's own.
    events_to: u64,
    sleepers: HashMap<u64, Sleeper>,
    tickets: u64,
}

/// A reader that waits.
#[derive(Debug)]
struct Sleeper {
    /// Where it stands, and what it wants.
    replay: Replay,
    /// To call it; `None` when it was called.
    call: Option<oneshot::Sender<()>>,
}

/// A reader's wait.
#[derive(Debug)]
pub(crate) struct Wait {
    lookout: Lookout,
    ticket: u64,
    called: oneshot::Receiver<()>,
}

/// The task that looks. Where it goes, everybody is called, and finds out what is the matter.
struct OnDuty {
    lookout: Lookout,
    rest: Rest,
    /// Nobody waited any more.
    is_over: bool,
}

/// How long to rest.
struct Rest {
    /// When all is rested that was earned.
    until: Instant,
}

impl Lookout {
    /// Waits with a reader that has read up to the head.
    pub(crate) fn wait(&self, replay: &Replay) -> Wait {
        let (call, called) = oneshot::channel();
        let mut waiting = self.waiting();
        let ticket = waiting.tickets;
        waiting.tickets += 1;
        let mut sleeper = Sleeper { replay: replay.clone(), call: Some(call) };
        match &waiting.stands {
            // There was something for it since it read.
            Some(stands) if replay.next_offset() < stands.next_offset() => sleeper.call(),
            Some(_) => {}
            None => {
                waiting.stands = Some(replay.clone().of_all());
                let (lookout, rest) = (self.clone(), Rest { until: Instant::now() });
                let on_duty = OnDuty { lookout, rest, is_over: false };
                tokio::spawn(on_duty.run(replay.clone().of_all()));
            }
        }
        waiting.sleepers.insert(ticket, sleeper);
        Wait { lookout: self.clone(), ticket, called }
    }

    /// Calls those that something new may be for, and counts them; `None` where the log cannot be
    /// read.
    fn look(&self, mut replay: Replay) -> Option<(Replay, u32)> {
        let stood = replay.clone();
        let chunk = replay.next_chunk().ok()?;
        let present = chunk.present().ok()?;
        let mut calls = 0;
        let mut waiting = self.waiting();
        for sleeper in waiting.sleepers.values_mut() {
            let has_it = sleeper.replay.next_offset() >= replay.next_offset();
            if !has_it && sleeper.call.is_some() && sleeper.replay.may_want(&present) {
                sleeper.replay.pass_over_to(&stood);
                sleeper.call();
                calls += 1;
            }
        }
        if present.has_events() {
            waiting.events_to = replay.next_offset();
        }
        waiting.stands = Some(replay.clone());
        Some((replay, calls))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnDuty {
    async fn run(mut self, mut replay: Replay) {
        loop {
            let Ok(more) = tokio::time::timeout(LINGER, replay.changed()).await else {
                let mut waiting = self.lookout.waiting();
                if waiting.sleepers.is_empty() {
                    (waiting.stands, self.is_over) = (None, true);
                    return;
                }
                continue;
            };
            if !more {
                return;
            }
            let begin = Instant::now();
            let looked = if replay.head().saturating_sub(replay.next_offset()) <= NEAR {
                self.lookout.look(replay)
            } else {
                let lookout = self.lookout.clone();
                let looked = tokio::task::spawn_blocking(move || lookout.look(replay)).await;
                looked.ok().flatten()
            };
            let Some((next, calls)) = looked else {
                return;
            };
            replay = next;
            if let Some(rest) = self.rest.after((begin, Instant::now()), calls) {
                tokio::time::sleep(rest).await;
            }
        }
    }
}

impl Drop for OnDuty {
    /// Also where its runtime ends before the ledger does.
    fn drop(&mut self) {
        if self.is_over {
            // There may be another one already.
            return;
        }
        let mut waiting = self.lookout.waiting();
        waiting.stands = None;
        waiting.sleepers.values_mut().for_each(Sleeper::call);
    }
}

impl Rest {
    /// How long to rest now, after a look from one time to another that called so many.
    fn after(&mut self, (begin, end): (Instant, Instant), calls: u32) -> Option<Duration> {
        let earned = (end - begin) * REST_FOR_LOOK + REST_FOR_CALL * calls;
        self.until = (self.until.max(begin) + earned).min(end + REST_MAX);
        Some(self.until.saturating_duration_since(end)).filter(|rest| *rest >= REST_MIN)
    }
}

impl Sleeper {
    fn call(&mut self) {
        if let Some(call) = self.call.take() {
            let _ = call.send(());
        }
    }
}

impl Wait {
    /// Waits until something may be for this reader.
    pub(crate) async fn called(&mut self) {
        let _ = (&mut self.called).await;
    }

    /// Moves the reader behind all that is not for it, as far as was looked; answers whether that
    /// is more than entries of the ledger's own.
    pub(crate) fn reached(&self, replay: &mut Replay) -> bool {
        let was = replay.next_offset();
        let waiting = self.lookout.waiting();
        if let Some(sleeper) = waiting.sleepers.get(&self.ticket) {
            replay.pass_over_to(&sleeper.replay);
            if let (Some(_), Some(stands)) = (&sleeper.call, &waiting.stands) {
                replay.pass_over_to(stands);
            }
        }
        was < waiting.events_to && was < replay.next_offset()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.lookout.waiting().sleepers.remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::ledger::{Batch, Ledger, Options};
    use crate::proto::{EventFilter, LedgerEntry, OrderEvent};

    /// No test may take longer.
    const TEST_TIME_MAX: Duration = Duration::from_secs(20);

    fn append(ledger: &Ledger, order: &str, id: u64) {
        let event = OrderEvent {
            correlation_id: order.to_owned(),
            source: "wms".into(),
            event_id: id.to_string(),
            r#type: "pick.confirmed".into(),
            ..OrderEvent::default()
        };
        ledger.append(Batch::of([Event::new(&event).unwrap()])).unwrap();
    }

    /// A reader of one order that has read up to the head.
    fn reader_of(ledger: &Ledger, order: &str) -> Replay {
        let only = EventFilter { correlation_ids: vec![order.into()], ..EventFilter::default() };
        ledger.replay(ledger.head()).unwrap().only(&[only]).unwrap()
    }

    fn offsets(replay: &mut Replay) -> Vec<u64> {
        replay.next_chunk().unwrap().events().unwrap().iter().map(|one| one.offset).collect()
    }

    async fn within<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(TEST_TIME_MAX, future).await.expect("nobody was called")
    }

    /// Seen red with a call that moves a reader behind what it is called for, and with a look-out
    /// that calls nobody.
    #[tokio::test]
    async fn only_a_reader_that_something_is_for_is_called_and_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let lookout = Lookout::default();
        let [mut one, mut other] = ["erp/1", "erp/2"].map(|order| reader_of(&ledger, order));
        let mut idle = lookout.wait(&other);
        let mut id = 0;
        for round in 0..3 {
            let mut wait = lookout.wait(&one);
            for order in ["erp/3", "erp/3", "erp/1", "erp/3"] {
                append(&ledger, order, id);
                id += 1;
            }
            within(wait.called()).await;
            wait.reached(&mut one);
            assert!(one.next_offset() >= round * 4, "what was passed over stays so");
            assert_eq!(offsets(&mut one), [round * 4 + 2]);
        }
        assert!(idle.called.try_recv().is_err(), "nothing was for it");
        append(&ledger, "erp/2", id);
        within(idle.called()).await;
        idle.reached(&mut other);
        assert!(other.next_offset() > 0, "all before was passed over");
        assert_eq!(offsets(&mut other), [12]);
    }

    /// Seen red with a look-out that looks only at what comes after a reader begins to wait.
    #[tokio::test]
    async fn a_reader_that_read_less_than_was_looked_at_is_called_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let lookout = Lookout::default();
        let mut late = reader_of(&ledger, "erp/1");
        let first = reader_of(&ledger, "erp/1");
        let mut wait = lookout.wait(&first);
        append(&ledger, "erp/1", 0);
        within(wait.called()).await;
        let mut late_wait = lookout.wait(&late);
        within(late_wait.called()).await;
        late_wait.reached(&mut late);
        assert_eq!(offsets(&mut late), [0]);
    }

    /// Seen red with a look-out that ends without a word.
    #[tokio::test]
    async fn everybody_is_called_when_the_ledger_is_closed_and_may_wait_again() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let lookout = Lookout::default();
        let replay = reader_of(&ledger, "erp/1");
        let [mut one, mut other] = [lookout.wait(&replay), lookout.wait(&replay)];
        ledger.close();
        within(one.called()).await;
        within(other.called()).await;
        within(lookout.wait(&replay).called()).await;
        assert!(replay.has_ended());
    }

    #[test]
    fn it_rests_as_long_as_it_costs_and_no_longer_than_two_milliseconds() {
        let begin = Instant::now();
        let micros = Duration::from_micros;
        let mut rest = Rest { until: begin };
        let look = |at: Duration| (begin + at, begin + at + micros(10));
        // One that is called, at a thousand events a second.
        for round in 0..100 {
            assert_eq!(rest.after(look(Duration::from_millis(round)), 1), None);
        }
        // The same as fast as it can.
        let earned = micros(10) * REST_FOR_LOOK + REST_FOR_CALL;
        let at = Duration::from_secs(1);
        assert_eq!((rest.after(look(at), 1), rest.after(look(at), 1)), (None, None));
        assert_eq!(earned, micros(250));
        assert_eq!((rest.after(look(at), 1), rest.after(look(at), 1)), (None, None));
        assert_eq!(rest.after(look(at), 1), Some(micros(5 * 250 - 10)));
        // Many that are called.
        assert_eq!(rest.after(look(at * 2), 1_000), Some(REST_MAX));
        assert_eq!(rest.after(look(at * 3), 0), None, "what is too much is let off");
    }

    /// Seen red with a look-out that ends without a word.
    #[test]
    fn who_waits_in_another_runtime_than_the_lookout_is_called_when_that_ends() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let replay = reader_of(&ledger, "erp/1");
        let runtime = || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap()
        };
        let (first, second) = (runtime(), runtime());
        let _first_wait = first.block_on(async { ledger.lookout().wait(&replay) });
        let mut wait = second.block_on(async { ledger.lookout().wait(&replay) });
        drop(first);
        second.block_on(within(wait.called()));
        second.block_on(async {
            let mut wait = ledger.lookout().wait(&replay);
            append(&ledger, "erp/1", 0);
            within(wait.called()).await;
        });
    }

    /// Seen red with a look-out that does not tell events from entries of the ledger's own.
    #[tokio::test]
    async fn what_is_passed_over_counts_only_where_it_is_more_than_the_ledgers_own() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let mut replay = reader_of(&ledger, "erp/1");
        let wait = ledger.lookout().wait(&replay);
        let own = || Event::of_ledger(("$a/b".into(), "1".into()), ("a.b", LedgerEntry::default()));
        ledger.append(Batch::of([own()])).unwrap();
        assert!(!passed_over(&wait, &mut replay, 1).await);
        append(&ledger, "erp/2", 0);
        assert!(passed_over(&wait, &mut replay, 2).await);
        assert!(!wait.reached(&mut replay), "once");
    }

    /// Whether events were passed over on the way to an offset.
    async fn passed_over(wait: &Wait, replay: &mut Replay, to: u64) -> bool {
        let way = async {
            let mut events = false;
            while replay.next_offset() < to {
                events |= wait.reached(replay);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            events
        };
        within(way).await
    }

    #[tokio::test]
    async fn the_lookout_ends_when_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let lookout = Lookout::default();
        drop(lookout.wait(&reader_of(&ledger, "erp/1")));
        let ends = async {
            while lookout.waiting().stands.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within(ends).await;
    }
}
