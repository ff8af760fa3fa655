//! One look at what is new, for all streams that wait at the head; only those that it may be for
//! are called. Does not know what streams bring, nor where the log is kept.
//!
//! A stream that is called reads for itself, from where the look-out stood: all before it is passed
//! over. So many streams that nothing is for cost one read of the log and a look-up each, and
//! whoever appends wakes one task and not hundreds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::ledger::Replay;

/// After a look. What comes meanwhile is looked at together.
const PAUSE: Duration = Duration::from_millis(2);
/// Entries that are looked at by the task itself: waking another thread takes longer.
const NEAR: u64 = 512;
/// The look-out ends when nobody has waited for about so long.
const LINGER: Duration = Duration::from_secs(1);

/// Watches the head for the streams of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookout(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// Where the look-out stands; `None` while there is none.
    stands: Option<Replay>,
    sleepers: HashMap<u64, Sleeper>,
    tickets: u64,
}

/// A stream that waits.
#[derive(Debug)]
struct Sleeper {
    /// Where it stands, and what it wants.
    replay: Replay,
    /// To call it; `None` when it was called.
    call: Option<oneshot::Sender<()>>,
}

/// A stream's wait.
#[derive(Debug)]
pub(super) struct Wait {
    lookout: Lookout,
    ticket: u64,
    called: oneshot::Receiver<()>,
}

impl Lookout {
    /// Waits with a reader that has read up to the head.
    pub(super) fn wait(&self, replay: &Replay) -> Wait {
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
                tokio::spawn(self.clone().run(replay.clone().of_all()));
            }
        }
        waiting.sleepers.insert(ticket, sleeper);
        Wait { lookout: self.clone(), ticket, called }
    }

    async fn run(self, mut replay: Replay) {
        loop {
            let Ok(more) = tokio::time::timeout(LINGER, replay.changed()).await else {
                let mut waiting = self.waiting();
                if waiting.sleepers.is_empty() {
                    waiting.stands = None;
                    return;
                }
                continue;
            };
            if !more {
                return self.waiting().call_all();
            }
            let looked = if replay.head().saturating_sub(replay.next_offset()) <= NEAR {
                self.look(replay)
            } else {
                let lookout = self.clone();
                let looked = tokio::task::spawn_blocking(move || lookout.look(replay)).await;
                looked.ok().flatten()
            };
            let Some(next) = looked else {
                return self.waiting().call_all();
            };
            replay = next;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Calls those that something new may be for; `None` where the log cannot be read.
    fn look(&self, mut replay: Replay) -> Option<Replay> {
        let stood = replay.clone();
        let chunk = replay.next_chunk().ok()?;
        let present = chunk.present().ok()?;
        let mut waiting = self.waiting();
        for sleeper in waiting.sleepers.values_mut() {
            let has_it = sleeper.replay.next_offset() >= replay.next_offset();
            if !has_it && sleeper.call.is_some() && sleeper.replay.may_want(&present) {
                sleeper.replay.pass_over_to(&stood);
                sleeper.call();
            }
        }
        waiting.stands = Some(replay.clone());
        Some(replay)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Calls everybody, who then find out for themselves what is the matter.
    fn call_all(&mut self) {
        self.stands = None;
        self.sleepers.values_mut().for_each(Sleeper::call);
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
    /// Waits until something may be for this stream.
    pub(super) async fn called(&mut self) {
        let _ = (&mut self.called).await;
    }

    /// Ends the wait, and moves the reader behind all that is not for it.
    pub(super) fn end(self, replay: &mut Replay) {
        let mut waiting = self.lookout.waiting();
        if let Some(sleeper) = waiting.sleepers.remove(&self.ticket) {
            replay.pass_over_to(&sleeper.replay);
            if let (Some(_), Some(stands)) = (&sleeper.call, &waiting.stands) {
                replay.pass_over_to(stands);
            }
        }
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
    use crate::proto::{EventFilter, OrderEvent};

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
            wait.end(&mut one);
            assert!(one.next_offset() >= round * 4, "what was passed over stays so");
            assert_eq!(offsets(&mut one), [round * 4 + 2]);
        }
        assert!(idle.called.try_recv().is_err(), "nothing was for it");
        append(&ledger, "erp/2", id);
        within(idle.called()).await;
        idle.end(&mut other);
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
        late_wait.end(&mut late);
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
