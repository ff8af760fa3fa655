//! One member of a consumer: what it is told, and what it says. Does not know how deliveries are
//! chosen, nor how they travel.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::dispatch::Handed;
use super::engine::Input;
use super::error::DeliveryError;
use super::worker::{Live, MemberId};
use crate::event::RecordedEvent;
use crate::ledger::Ledger;
use crate::proto::{
    ConsumeClosedReason, ConsumeProgress, ConsumeRefused, ConsumeRequest, ConsumerSettings, Nack,
    ParkDelivery,
};
use crate::time::now_ns;

/// Messages of one member that wait to be looked at.
const SAID_AHEAD: usize = 16;
/// Deliveries that are read from the log together.
const READ_TOGETHER: usize = 64;
/// Bytes of events that are told together.
const BYTES_TOGETHER: usize = 256 * 1024;

/// What a member is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It has joined; always first.
    Joined {
        /// The consumer's settings, defaults filled in.
        settings: Box<ConsumerSettings>,
        /// Where the consumer stands.
        progress: ConsumeProgress,
    },
    /// Events to work on, each of another order.
    Deliveries(Vec<Delivered>),
    /// Where the consumer stands.
    Progress(ConsumeProgress),
    /// Something that it said is refused.
    Refused(ConsumeRefused),
    /// It is a member no more; nothing follows.
    Closed(ConsumeClosedReason),
}

/// One event to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The event.
    pub recorded: RecordedEvent,
    /// How often it was delivered, this time included; from 1.
    pub attempt: u32,
    /// Whether it is delivered because somebody reset the consumer or replayed what was parked.
    pub replayed: bool,
    /// How long after it was recorded it was delivered.
    pub lag: Duration,
    /// Why the attempt before failed; empty where there was none or nothing was said.
    pub last_reason: String,
}

/// What the engine has for a member. Events stay in the log until the member takes them: one that
/// stands still holds none.
#[derive(Debug)]
pub(super) enum Note {
    Joined(Box<ConsumerSettings>, ConsumeProgress),
    Handed(Vec<Handed>),
    /// There is room for the member's next word when it has read this.
    Refused(ConsumeRefused, #[expect(dead_code, reason = "held")] Arc<OwnedSemaphorePermit>),
    Closed(ConsumeClosedReason),
    /// The log cannot be read.
    Failed(String),
}

/// What a member leaves with the engine.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) notes: mpsc::UnboundedSender<Note>,
    pub(super) live: Live,
}

/// Takes part in the work of a consumer for as long as it lives. Dropped without
/// [`Voice::leave`], it counts as dead: what it had not answered goes to the others at once.
///
/// See [`crate::Consumers`] for an example.
#[derive(Debug)]
pub struct Member {
    notes: mpsc::UnboundedReceiver<Note>,
    progress: watch::Receiver<ConsumeProgress>,
    /// Deliveries that were not read yet.
    handed: VecDeque<Handed>,
    live: Live,
    ledger: Arc<Ledger>,
    voice: Voice,
}

/// How a member answers; it may be cloned and used elsewhere than where deliveries are taken.
#[derive(Clone, Debug)]
pub struct Voice {
    id: MemberId,
    inputs: mpsc::UnboundedSender<Input>,
    room: Arc<Semaphore>,
}

impl Member {
    /// Joins through the engine's inputs.
    pub(super) async fn join(
        inputs: mpsc::UnboundedSender<Input>,
        name: &str,
        ledger: Arc<Ledger>,
    ) -> Result<Self, DeliveryError> {
        let (sender, notes) = mpsc::unbounded_channel();
        let (reply, joined) = oneshot::channel();
        let live = Live::default();
        let seat = Seat { notes: sender, live: live.clone() };
        let join = Input::Join { name: name.to_owned(), seat, reply };
        inputs.send(join).map_err(|_| DeliveryError::Closed)?;
        let (id, progress) = joined.await.map_err(|_| DeliveryError::Closed)?;
        let voice = Voice { id, inputs, room: Arc::new(Semaphore::new(SAID_AHEAD)) };
        Ok(Self { notes, progress, handed: VecDeque::new(), live, ledger, voice })
    }

    /// How this member answers.
    #[must_use]
    pub fn voice(&self) -> &Voice {
        &self.voice
    }

    /// Waits for what it is told next; `None` after [`Told::Closed`]. Deliveries are read from the
    /// log now, 64 or 256 KiB of them at a time; those that have gone another way meanwhile are
    /// left out.
    ///
    /// # Errors
    /// Where the log cannot be read; nothing follows then.
    pub async fn next(&mut self) -> Result<Option<Told>, DeliveryError> {
        loop {
            if !self.handed.is_empty() {
                let delivered = self.read()?;
                if !delivered.is_empty() {
                    return Ok(Some(Told::Deliveries(delivered)));
                }
                continue;
            }
            let note = tokio::select! {
                biased;
                note = self.notes.recv() => note,
                Ok(()) = self.progress.changed() => {
                    return Ok(Some(Told::Progress(*self.progress.borrow_and_update())));
                }
            };
            match note {
                None => return Ok(None),
                Some(Note::Joined(settings, progress)) => {
                    return Ok(Some(Told::Joined { settings, progress }));
                }
                Some(Note::Handed(handed)) => self.handed.extend(handed),
                Some(Note::Refused(refused, _)) => return Ok(Some(Told::Refused(refused))),
                Some(Note::Closed(reason)) => return Ok(Some(Told::Closed(reason))),
                Some(Note::Failed(reason)) => return Err(DeliveryError::Stopped(reason)),
            }
        }
    }

    fn read(&mut self) -> Result<Vec<Delivered>, DeliveryError> {
        let most = READ_TOGETHER.min(self.handed.len());
        let mut handed: Vec<Handed> = self.handed.drain(..most).collect();
        handed.retain(|one| self.live.has(one.serial));
        handed.sort_unstable_by_key(|one| one.place.offset());
        let places: Vec<_> = handed.iter().map(|one| one.place.point).collect();
        let recorded = self.ledger.at_places(&places)?;
        let mut bytes = 0;
        let fits = |recorded: &&RecordedEvent| {
            bytes += recorded.event.body().len();
            bytes <= BYTES_TOGETHER
        };
        // What does not fit is read again; one event always fits.
        let fitting = recorded.iter().take_while(fits).count().max(1).min(handed.len());
        for later in handed.drain(fitting..).rev() {
            self.handed.push_front(later);
        }
        let now = now_ns();
        let delivered = handed.into_iter().zip(recorded).map(|(handed, recorded)| {
            let lag = Duration::from_nanos(now.saturating_sub(recorded.recorded_at_ns));
            let Handed { attempt, replayed, last_reason, .. } = handed;
            Delivered { recorded, attempt, replayed, lag, last_reason }
        });
        Ok(delivered.collect())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.voice.gone();
    }
}

impl Voice {
    /// Says something, when what was said before has been looked at. What is refused comes back as
    /// [`Told::Refused`]: who never takes what it is told is not heard any more at last.
    pub async fn say(&self, said: ConsumeRequest) {
        if let Ok(room) = Arc::clone(&self.room).acquire_owned().await {
            let _ = self.inputs.send(Input::Said { member: self.id, said: Box::new(said), room });
        }
    }

    /// Takes so many more deliveries.
    pub async fn grant(&self, credit: i32) {
        self.say(ConsumeRequest { credit, ..ConsumeRequest::default() }).await;
    }

    /// Has done the work of a delivery.
    pub async fn ack(&self, offset: u64) {
        self.say(ConsumeRequest { acks: vec![offset], ..ConsumeRequest::default() }).await;
    }

    /// Has failed; the event comes again as the consumer's settings say.
    pub async fn nack(&self, offset: u64, reason: impl Into<String>) {
        let nacks = vec![Nack { offset, reason: reason.into(), delay: None }];
        self.say(ConsumeRequest { nacks, ..ConsumeRequest::default() }).await;
    }

    /// Has the order parked at once.
    pub async fn park(&self, offset: u64, reason: impl Into<String>) {
        let parks = vec![ParkDelivery { offset, reason: reason.into() }];
        self.say(ConsumeRequest { parks, ..ConsumeRequest::default() }).await;
    }

    /// Ends the membership in order: the last thing told is [`Told::Closed`], when what its members
    /// have done is in the log, if this was the last of them.
    pub fn leave(&self) {
        let _ = self.inputs.send(Input::Left { member: self.id, in_order: true });
    }

    /// Says that the member is dead.
    pub(crate) fn gone(&self) {
        let _ = self.inputs.send(Input::Left { member: self.id, in_order: false });
    }
}
