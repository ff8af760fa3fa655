//! What keeps one consumer going: one task, which everybody who works for it or asks about it sends
//! to. It alone knows where the consumer stands, so nothing here is locked.
//! Does not know gRPC.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::asked::Asked;
use super::blocking;
use super::dispatch::{Dispatch, Handed, MemberId, OrderName};
use super::error::DeliveryError;
use super::journal::Journal;
use super::member::{Note, Told};
use super::parking::Stuck;
use super::report::Rate;
use super::scan::Scan;
use super::settings::Settings;
use super::state::{PARKED, State, positions_of};
use crate::event::Event;
use crate::ledger::{Appended, EntryPlace, Ledger, Pending, QueryError};
use crate::proto::{
    ConsumeClosedReason, ConsumeProgress, ConsumeRequest, ConsumerPosition, LedgerEntry, ParkedAt,
};
use crate::time::now_ns;

/// Inputs that are looked at together.
const INPUTS_TOGETHER: usize = 256;
/// How often, at most, a position is stored.
const STORE_INTERVAL: Duration = Duration::from_secs(1);
/// How often members are told where the consumer stands.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Events of an order that are looked up in the log together.
const SOUGHT_TOGETHER: usize = 64;
/// How long a consumer that cannot read the log waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is sent to the engine.
#[derive(Debug)]
pub(super) enum Input {
    /// Somebody wants to work.
    Join { name: String, notes: mpsc::UnboundedSender<Note>, reply: oneshot::Sender<MemberId> },
    /// A member says something; there is room for its next word when this was looked at.
    Said { member: MemberId, said: Box<ConsumeRequest>, room: OwnedSemaphorePermit },
    /// A member is gone, in order or not.
    Left { member: MemberId, in_order: bool },
    /// Somebody asks or decides something.
    Asked(Asked),
}

/// A member, as the engine sees it.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) name: String,
    /// Nanoseconds of the Unix epoch.
    pub(super) joined_at_ns: u64,
    notes: mpsc::UnboundedSender<Note>,
    /// Deliveries that are about to be sent.
    outgoing: Vec<Handed>,
}

/// One consumer at work.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) ledger: Arc<Ledger>,
    pub(super) settings: Settings,
    /// Nanoseconds of the Unix epoch.
    pub(super) created_at_ns: u64,
    pub(super) dispatch: Dispatch,
    pub(super) scan: Scan,
    pub(super) posts: BTreeMap<MemberId, Post>,
    /// Where orders are parked, and since when, in nanoseconds of the Unix epoch.
    pub(super) parked: HashMap<OrderName, (ParkedAt, u64)>,
    pub(super) journal: Journal,
    pub(super) rate: Rate,
    /// `acknowledged_to` as it was stored last.
    stored_to: u64,
    inputs: mpsc::UnboundedReceiver<Input>,
    next_member: MemberId,
    /// Whether there is something that the log does not have.
    pub(super) dirty: bool,
    /// A position on its way, and what is then stored.
    storing: Option<(Pending, u64)>,
    next_store: Instant,
    next_progress: Instant,
    /// Where members were last told that the consumer stands.
    told: ConsumeProgress,
    pub(super) ended: bool,
    /// When to try again to read the log.
    paused_until: Option<Instant>,
}

impl Engine {
    /// A consumer as the log has it.
    pub(super) fn of(
        ledger: Arc<Ledger>,
        state: State,
        inputs: mpsc::UnboundedReceiver<Input>,
    ) -> Result<Self, DeliveryError> {
        let settings =
            Settings::of(state.settings, ledger.limits()).map_err(DeliveryError::Invalid)?;
        let ConsumerPosition { scanned_to, outstanding, replayed_to } = state.position;
        let mut dispatch = Dispatch::new(settings.rules, replayed_to, now_ns());
        let mut at = |offset: u64, is_parked: bool| -> Result<OrderName, DeliveryError> {
            let (point, recorded) = ledger.at_offset(offset)?;
            let order: OrderName = recorded.event.correlation_id().into();
            let place = EntryPlace { point, recorded_at_ns: recorded.recorded_at_ns };
            dispatch.restore(Arc::clone(&order), place, is_parked);
            Ok(order)
        };
        let mut parked = HashMap::new();
        for (parked_at, since_ns) in state.parked.into_values() {
            parked.insert(at(parked_at.offset, true)?, (parked_at, since_ns));
        }
        for offset in outstanding {
            at(offset, false)?;
        }
        let last = ledger.last_own_history(&positions_of(&settings.told.name))?;
        let hour = last.as_deref().and_then(|last| last.rsplit('/').next()).map(str::to_owned);
        let journal = Journal::new(Arc::clone(&ledger), &settings.told.name, hour);
        let scan = Scan::starting_at(&ledger, scanned_to)?;
        let now = Instant::now();
        let mut engine = Self {
            ledger,
            settings,
            created_at_ns: state.created_at_ns,
            dispatch,
            scan,
            posts: BTreeMap::new(),
            parked,
            journal,
            rate: Rate::default(),
            stored_to: 0,
            inputs,
            next_member: 1,
            dirty: false,
            storing: None,
            next_store: now,
            next_progress: now,
            told: ConsumeProgress::default(),
            ended: false,
            paused_until: None,
        };
        engine.stored_to = engine.acknowledged_to();
        Ok(engine)
    }

    /// Runs until the consumer is deleted, closed, or nobody can reach it any more.
    pub(super) async fn run(mut self) {
        let mut inputs = Vec::new();
        while !self.ended {
            if self.paused_until.is_none_or(|until| until <= Instant::now()) {
                self.paused_until = None;
                if let Err(error) = self.advance().await {
                    self.pause(&error);
                }
            }
            self.store_when_due();
            self.tell_progress_when_due();
            let wake = self.next_wake();
            let scans = self.paused_until.is_none() && self.dispatch.has_room();
            let storing = self.storing.is_some();
            tokio::select! {
                count = self.inputs.recv_many(&mut inputs, INPUTS_TOGETHER) => {
                    self.ended |= count == 0;
                }
                alive = self.scan.changed(), if scans => {
                    if !alive {
                        self.paused_until = Some(Instant::now() + RETRY_AFTER);
                    }
                }
                stored = stored(&mut self.storing), if storing => self.note_stored(stored),
                () = tokio::time::sleep_until(wake) => {}
            }
            let now = Instant::now();
            for input in inputs.drain(..) {
                self.take(input, now).await;
            }
            self.dispatch.expire(now);
        }
    }

    fn next_wake(&self) -> Instant {
        let mut wake = self.next_progress;
        if self.posts.is_empty() {
            wake += PROGRESS_INTERVAL;
        }
        if self.dirty && self.storing.is_none() {
            wake = wake.min(self.next_store);
        }
        let deadline = self.dispatch.next_deadline().into_iter().chain(self.paused_until);
        deadline.fold(wake, Instant::min)
    }

    /// Goes on as far as credit reaches: what is ready first, then what the log has next.
    async fn advance(&mut self) -> Result<(), DeliveryError> {
        self.write_parking().await;
        loop {
            self.seek().await?;
            for handed in self.dispatch.hand_out(Instant::now()) {
                if let Some(post) = self.posts.get_mut(&handed.member) {
                    post.outgoing.push(handed);
                }
            }
            if !self.dispatch.has_room() {
                break;
            }
            match self.scan.next(self.settings.wanted.as_ref()).await? {
                Some((order, place)) => self.dispatch.scanned(order, place),
                None => break,
            }
        }
        self.dirty |= self.scan.take_moved();
        for post in self.posts.values_mut() {
            if !post.outgoing.is_empty() {
                let _ = post.notes.send(Note::Handed(std::mem::take(&mut post.outgoing)));
            }
        }
        Ok(())
    }

    /// Finds the next events of orders whose turn it is and of which no more is remembered.
    async fn seek(&mut self) -> Result<(), DeliveryError> {
        loop {
            let sought = self.dispatch.take_sought();
            if sought.is_empty() {
                return Ok(());
            }
            let (ledger, wanted) = (Arc::clone(&self.ledger), self.settings.wanted.clone());
            let scanned_to = self.scan.scanned_to();
            let found = blocking(move || {
                let find = |(order, after): (OrderName, u64)| {
                    let range = (after + 1, scanned_to);
                    let found =
                        ledger.wanted_of_order(&order, range, (wanted.as_deref(), SOUGHT_TOGETHER));
                    found.map(|found| (order, found))
                };
                sought.into_iter().map(find).collect::<Result<Vec<_>, _>>()
            });
            for (order, (events, more)) in found.await? {
                self.dispatch.found(&order, events, more);
            }
        }
    }

    /// Has it in the log that orders are parked; where that fails, they are tried again instead.
    async fn write_parking(&mut self) {
        let parking = self.dispatch.take_parking();
        if parking.is_empty() {
            return;
        }
        let ledger = Arc::clone(&self.ledger);
        let offsets: Vec<u64> = parking.iter().map(|stuck| stuck.place.offset()).collect();
        let events = blocking(move || {
            let events = offsets.into_iter().map(|offset| Ok(ledger.at_offset(offset)?.1.event));
            events.collect::<Result<Vec<_>, QueryError>>()
        });
        let mut events = events.await.unwrap_or_default().into_iter();
        let all: Vec<ParkedAt> = parking
            .iter()
            .map(|stuck| ParkedAt {
                correlation_id: stuck.order.to_string(),
                offset: stuck.place.offset(),
                r#type: events.next().map_or_else(String::new, |one| one.event_type().to_owned()),
                attempts: stuck.attempts,
                reason: stuck.reason.clone(),
            })
            .collect();
        let entries = all.iter().map(|parked| {
            let entry = LedgerEntry { parked: Some(parked.clone()), ..LedgerEntry::default() };
            self.journal.deed(PARKED, entry)
        });
        let entries = entries.collect();
        let written = self.decide(entries).await;
        let (now, since_ns) = (Instant::now(), now_ns());
        for (Stuck { order, reason, .. }, parked) in parking.into_iter().zip(all) {
            let consumer = &self.settings.told.name;
            if let Err(error) = &written {
                tracing::error!(%consumer, %order, %error, "an order cannot be parked");
                self.dispatch.not_parked(&order, now);
                continue;
            }
            tracing::warn!(%consumer, %order, %reason, "an order is parked");
            self.dispatch.parked(&order);
            self.parked.insert(order, (parked, since_ns));
            self.dirty = true;
        }
    }

    /// Writes entries about orders behind where the consumer stands: else, after a crash, the orders
    /// would stand where they were stored last.
    pub(super) async fn decide(&mut self, mut entries: Vec<Event>) -> Result<(), DeliveryError> {
        let position = self.position();
        entries.insert(0, self.journal.position(position));
        self.journal.write(entries).await.map(drop)
    }

    /// Tells everybody that the log cannot be read, and tries again later.
    fn pause(&mut self, error: &DeliveryError) {
        let consumer = &self.settings.told.name;
        tracing::error!(%consumer, %error, "the consumer stops for a while");
        let now = Instant::now();
        for (member, post) in std::mem::take(&mut self.posts) {
            self.dispatch.left(member, true, now);
            let _ = post.notes.send(Note::Failed(error.to_string()));
        }
        self.paused_until = Some(now + RETRY_AFTER);
    }

    async fn take(&mut self, input: Input, now: Instant) {
        match input {
            Input::Join { name, notes, reply } => {
                let member = self.next_member;
                self.next_member += 1;
                if reply.send(member).is_err() {
                    return;
                }
                self.dispatch.joined(member);
                let settings = Box::new(self.settings.told.clone());
                let progress = self.progress();
                let _ = notes.send(Note::Told(Told::Joined { settings, progress }));
                let (joined_at_ns, outgoing) = (now_ns(), Vec::new());
                self.posts.insert(member, Post { name, joined_at_ns, notes, outgoing });
            }
            Input::Said { member, said, room } => {
                self.said(member, &said, now);
                drop(room);
            }
            Input::Left { member, in_order } => {
                let Some(post) = self.posts.remove(&member) else { return };
                self.dispatch.left(member, in_order, now);
                if in_order {
                    // Whoever starts again after this finds it where it is.
                    self.store_now().await;
                    let _ = post.notes.send(Note::Told(Told::Closed(ConsumeClosedReason::Left)));
                }
            }
            Input::Asked(asked) => self.answer(asked).await,
        }
    }

    /// Ends all memberships.
    pub(super) fn close_members(&mut self, reason: ConsumeClosedReason) {
        let now = Instant::now();
        for (member, post) in std::mem::take(&mut self.posts) {
            self.dispatch.left(member, true, now);
            let _ = post.notes.send(Note::Told(Told::Closed(reason)));
        }
    }

    pub(super) fn tell(&self, member: MemberId, told: Told) {
        if let Some(post) = self.posts.get(&member) {
            let _ = post.notes.send(Note::Told(told));
        }
    }

    /// Where the consumer stands.
    pub(super) fn progress(&self) -> ConsumeProgress {
        ConsumeProgress {
            scanned_to: self.scan.scanned_to(),
            acknowledged_to: self.acknowledged_to(),
            head: self.ledger.head(),
            stored_to: self.stored_to(),
        }
    }

    /// What of `acknowledged_to` survives when power fails. What was passed over since then is the
    /// ledger's own and is passed over again.
    pub(super) fn stored_to(&self) -> u64 {
        let is_stored = !self.dirty && self.storing.is_none();
        if is_stored { self.acknowledged_to() } else { self.stored_to }
    }

    /// Before this offset everything is acknowledged, skipped or parked.
    pub(super) fn acknowledged_to(&self) -> u64 {
        let oldest = self.dispatch.oldest().map(|oldest| oldest.offset());
        oldest.unwrap_or(u64::MAX).min(self.scan.scanned_to())
    }

    /// Tells every few seconds; at once when everything is done that there is.
    fn tell_progress_when_due(&mut self) {
        let progress = self.progress();
        let all_done =
            progress.acknowledged_to == progress.head && self.told.acknowledged_to != progress.head;
        let now = Instant::now();
        if !all_done && now < self.next_progress {
            return;
        }
        for post in self.posts.values() {
            let _ = post.notes.send(Note::Told(Told::Progress(progress)));
        }
        (self.told, self.next_progress) = (progress, now + PROGRESS_INTERVAL);
    }

    pub(super) fn position(&self) -> ConsumerPosition {
        ConsumerPosition {
            scanned_to: self.scan.scanned_to(),
            outstanding: self.dispatch.outstanding(),
            replayed_to: self.dispatch.replayed_to(),
        }
    }

    fn store_when_due(&mut self) {
        let now = Instant::now();
        if self.dirty && self.storing.is_none() && now >= self.next_store {
            let (position, to) = (self.position(), self.acknowledged_to());
            self.next_store = now + STORE_INTERVAL;
            let entry = self.journal.position(position);
            match self.journal.send(entry) {
                Ok(pending) => (self.storing, self.dirty) = (Some((pending, to)), false),
                Err(error) => tracing::warn!(%error, "where a consumer stands cannot be stored"),
            }
        }
    }

    /// Stores where the consumer stands, and waits for it.
    pub(super) async fn store_now(&mut self) {
        // Nothing may be sought: it would stand where it was acknowledged.
        if let Err(error) = self.seek().await {
            self.pause(&error);
        }
        if self.storing.is_some() {
            let before = stored(&mut self.storing).await;
            self.note_stored(before);
        }
        if self.dirty {
            self.next_store = Instant::now();
            self.store_when_due();
            if self.storing.is_some() {
                let last = stored(&mut self.storing).await;
                self.note_stored(last);
            }
        }
    }

    fn note_stored(&mut self, (result, to): (Result<Appended, DeliveryError>, u64)) {
        self.storing = None;
        match result {
            Ok(_) => self.stored_to = to,
            Err(error) => {
                self.dirty = true;
                tracing::warn!(%error, "where a consumer stands cannot be stored");
            }
        }
    }
}

/// Waits for a position to be stored; there must be one on its way.
async fn stored(storing: &mut Option<(Pending, u64)>) -> (Result<Appended, DeliveryError>, u64) {
    match storing {
        Some((pending, to)) => (pending.await.map_err(DeliveryError::from), *to),
        None => std::future::pending().await,
    }
}
