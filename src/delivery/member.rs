//! One member of a consumer: what it is told, and what it says. Does not know how deliveries are
//! chosen, nor how they travel.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::dispatch::{Handed, MemberId};
use super::engine::Input;
use super::error::DeliveryError;
use crate::event::RecordedEvent;
use crate::ledger::Ledger;
use crate::proto::{
    ConsumeClosedReason, ConsumeProgress, ConsumeRefused, ConsumeRequest, ConsumerSettings, Nack,
    ParkDelivery,
};
use crate::time::now_ns;

/// Messages of one member that wait to be looked at.
const SAID_AHEAD: usize = 16;

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
    Told(Told),
    Handed(Vec<Handed>),
    /// The log cannot be read.
    Failed(String),
}

/// Takes part in the work of a consumer for as long as it lives. Dropped without
/// [`Voice::leave`], it counts as dead: what it had not answered goes to the others at once.
///
/// See [`crate::Consumers`] for an example.
#[derive(Debug)]
pub struct Member {
    notes: mpsc::UnboundedReceiver<Note>,
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
        let join = Input::Join { name: name.to_owned(), notes: sender, reply };
        inputs.send(join).map_err(|_| DeliveryError::Closed)?;
        let id = joined.await.map_err(|_| DeliveryError::Closed)?;
        let voice = Voice { id, inputs, room: Arc::new(Semaphore::new(SAID_AHEAD)) };
        Ok(Self { notes, ledger, voice })
    }

    /// How this member answers.
    #[must_use]
    pub fn voice(&self) -> &Voice {
        &self.voice
    }

    /// Waits for what it is told next; `None` after [`Told::Closed`].
    ///
    /// # Errors
    /// Where the log cannot be read; nothing follows then.
    pub async fn next(&mut self) -> Result<Option<Told>, DeliveryError> {
        match self.notes.recv().await {
            None => Ok(None),
            Some(Note::Told(told)) => Ok(Some(told)),
            Some(Note::Handed(handed)) => Ok(Some(Told::Deliveries(self.read(handed)?))),
            Some(Note::Failed(reason)) => Err(DeliveryError::Stopped(reason)),
        }
    }

    fn read(&self, mut handed: Vec<Handed>) -> Result<Vec<Delivered>, DeliveryError> {
        handed.sort_unstable_by_key(|one| one.place.offset());
        let places: Vec<_> = handed.iter().map(|one| one.place.point).collect();
        let recorded = self.ledger.at_places(&places)?;
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
    /// [`Told::Refused`].
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

    /// Ends the membership in order: the last thing told is [`Told::Closed`], when the place of the
    /// consumer is in the log.
    pub fn leave(&self) {
        let _ = self.inputs.send(Input::Left { member: self.id, in_order: true });
    }

    /// Says that the member is dead.
    pub(crate) fn gone(&self) {
        let _ = self.inputs.send(Input::Left { member: self.id, in_order: false });
    }
}
