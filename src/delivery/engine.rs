//! What keeps one consumer going: one task, which everybody who works for it or asks about it sends
//! to. It alone knows where the consumer stands, so nothing here is locked.
//! Does not know gRPC.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::asked::Asked;
use super::blocking;
use super::dispatch::{Dispatch, Handed, OrderName};
use super::error::DeliveryError;
use super::journal::Journal;
use super::member::{Note, Seat};
use super::report::Rate;
use super::scan::Scan;
use super::settings::Settings;
use super::state::{Position, State, positions_of};
use super::worker::MemberId;
use crate::ledger::{Appended, EntryPlace, Ledger, Pending};
use crate::proto::{ConsumeClosedReason, ConsumeProgress, ConsumeRequest, ParkedAt};
use crate::time::now_ns;

/// Inputs that are looked at together.
const INPUTS_TOGETHER: usize = 256;
/// How often, at most, a position is stored.
pub(super) const STORE_INTERVAL: Duration = Duration::from_secs(1);
/// How often members are told where the consumer stands.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Events of an order that are looked up in the log together.
const SOUGHT_TOGETHER: usize = 64;
/// How long a consumer that cannot read the log waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often the last position is tried to be stored.
const STORE_TRIES: u32 = 5;

/// What is sent to the engine.
#[derive(Debug)]
pub(super) enum Input {
    /// Somebody wants to work.
    Join {
        name: String,
        seat: Seat,
        reply: oneshot::Sender<(MemberId, watch::Receiver<ConsumeProgress>)>,
    },
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
    pub(super) last_stored: u64,
    inputs: mpsc::UnboundedReceiver<Input>,
    next_member: MemberId,
    /// Whether there is something that the log does not have.
    pub(super) dirty: bool,
    /// A position on its way, and what is then stored.
    pub(super) storing: Option<(Pending, u64)>,
    pub(super) next_store: Instant,
    next_progress: Instant,
    /// Where members are told that the consumer stands.
    told: watch::Sender<ConsumeProgress>,
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
        let Position { scanned_to, outstanding, replayed_to } = state.position;
        let mut dispatch = Dispatch::new(settings.rules, replayed_to, now_ns());
        let parked = state.parked.into_values().map(|(at, since_ns)| (at.offset, (at, since_ns)));
        let mut parked: BTreeMap<u64, (ParkedAt, u64)> = parked.collect();
        let mut offsets: Vec<u64> = outstanding.into_iter().chain(parked.keys().copied()).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let mut orders = HashMap::new();
        ledger.at_offsets(&offsets, |point, entry| {
            let order: OrderName = String::from_utf8_lossy(entry.correlation_id).into();
            let place = EntryPlace { point, recorded_at_ns: entry.recorded_at };
            let parked = parked.remove(&point.offset);
            dispatch.restore(&order, place, parked.is_some());
            orders.extend(parked.map(|parked| (order, parked)));
        })?;
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
            parked: orders,
            journal,
            rate: Rate::default(),
            last_stored: 0,
            inputs,
            next_member: 1,
            dirty: false,
            storing: None,
            next_store: now,
            next_progress: now,
            told: watch::Sender::default(),
            ended: false,
            paused_until: None,
        };
        engine.last_stored = engine.acknowledged_to();
        Ok(engine)
    }

    /// Runs until the consumer is deleted, closed, or nobody can reach it any more.
    pub(super) async fn run(mut self) {
        let mut inputs = Vec::new();
        while !self.ended {
            let mut goes_on = false;
            if self.paused_until.is_none_or(|until| until <= Instant::now()) {
                self.paused_until = None;
                match self.advance().await {
                    Ok(more) => goes_on = more,
                    Err(error) => self.pause(&error),
                }
            }
            self.store_when_due();
            self.tell_progress_when_due();
            let wake = self.next_wake();
            let scans = self.paused_until.is_none() && self.dispatch.has_room();
            let storing = self.storing.is_some();
            let wanted = self.settings.wanted.clone();
            tokio::select! {
                count = self.inputs.recv_many(&mut inputs, INPUTS_TOGETHER) => {
                    self.ended |= count == 0;
                }
                // Between two parts of the log, whoever has something to say is heard.
                () = std::future::ready(()), if goes_on => {}
                alive = self.scan.changed(wanted.as_ref()), if scans && !goes_on => {
                    if !alive {
                        self.paused_until = Some(Instant::now() + RETRY_AFTER);
                    }
                }
                stored = stored(&mut self.storing), if storing => self.note_stored(stored),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.scan.pass_over();
            self.dirty |= self.scan.take_moved();
            // Answers that wait came in time.
            let waiting = inputs.len() == INPUTS_TOGETHER;
            for input in inputs.drain(..) {
                // What is asked behind the end is dropped, and so is its reply.
                if !self.ended {
                    self.take(input, Instant::now()).await;
                }
            }
            if !waiting {
                self.dispatch.expire(Instant::now());
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let mut wake = self.next_progress;
        if self.posts.is_empty() {
            wake += PROGRESS_INTERVAL;
        } else {
            // What is for others is passed over without a call.
            wake = wake.min(Instant::now() + STORE_INTERVAL);
        }
        if self.dirty && self.storing.is_none() {
            wake = wake.min(self.next_store);
        }
        let deadline = self.dispatch.next_deadline().into_iter().chain(self.paused_until);
        deadline.fold(wake, Instant::min)
    }

    /// Goes on as far as credit reaches: what is ready first, then what the log has next, one part
    /// of it at a time. Answers whether there may be more at once.
    async fn advance(&mut self) -> Result<bool, DeliveryError> {
        self.write_parking().await;
        self.seek().await?;
        let has_room = self.hand_out();
        self.dirty |= self.scan.take_moved();
        for post in self.posts.values_mut() {
            if !post.outgoing.is_empty() {
                let _ = post.notes.send(Note::Handed(std::mem::take(&mut post.outgoing)));
            }
        }
        if !has_room {
            return Ok(false);
        }
        let more = self.scan.read(self.settings.wanted.as_ref()).await?;
        self.dirty |= self.scan.take_moved();
        Ok(more)
    }

    /// Hands out what is known; answers whether more could be.
    fn hand_out(&mut self) -> bool {
        loop {
            for handed in self.dispatch.hand_out(Instant::now()) {
                if let Some(post) = self.posts.get_mut(&handed.member) {
                    post.outgoing.push(handed);
                }
            }
            if !self.dispatch.has_room() {
                return false;
            }
            match self.scan.take() {
                Some((order, place)) => self.dispatch.scanned(&order, place),
                None => return true,
            }
        }
    }

    /// Finds the next events of orders whose turn it is and of which no more is remembered.
    pub(super) async fn seek(&mut self) -> Result<(), DeliveryError> {
        loop {
            let sought = self.dispatch.sought();
            if sought.is_empty() {
                return Ok(());
            }
            let orders: Vec<OrderName> =
                sought.iter().map(|(order, _)| Arc::clone(order)).collect();
            let (ledger, wanted) = (Arc::clone(&self.ledger), self.settings.wanted.clone());
            let scanned_to = self.scan.scanned_to();
            let found = blocking(move || {
                let find = |(order, after): (OrderName, u64)| {
                    let (range, most) = ((after + 1, scanned_to), SOUGHT_TOGETHER);
                    let found = ledger.wanted_of_order(&order, range, (wanted.as_deref(), most));
                    found.map(|found| (order, found))
                };
                sought.into_iter().map(find).collect::<Result<Vec<_>, _>>()
            });
            match found.await {
                Ok(found) => {
                    for (order, (events, more)) in found {
                        self.dispatch.found(&order, events, more);
                    }
                }
                Err(error) => {
                    self.dispatch.not_found(orders);
                    return Err(error);
                }
            }
        }
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
            Input::Join { name, seat, reply } => {
                let member = self.next_member;
                self.next_member += 1;
                self.told.send_replace(self.progress());
                if reply.send((member, self.told.subscribe())).is_err() {
                    return;
                }
                let Seat { notes, live } = seat;
                self.dispatch.joined(member, live);
                let settings = Box::new(self.settings.told.clone());
                let _ = notes.send(Note::Joined(settings, self.progress()));
                let (joined_at_ns, outgoing) = (now_ns(), Vec::new());
                self.posts.insert(member, Post { name, joined_at_ns, notes, outgoing });
            }
            Input::Said { member, said, room } => {
                self.dispatch.heard(member);
                self.said(member, &said, (now, room));
            }
            Input::Left { member, in_order } => {
                let Some(post) = self.posts.remove(&member) else { return };
                self.dispatch.left(member, in_order, now);
                if in_order {
                    // Whoever is the next to work finds it where it is.
                    if self.posts.is_empty() {
                        self.store_now().await;
                    }
                    let _ = post.notes.send(Note::Closed(ConsumeClosedReason::Left));
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
            let _ = post.notes.send(Note::Closed(reason));
        }
    }

    pub(super) fn note(&self, member: MemberId, note: Note) {
        if let Some(post) = self.posts.get(&member) {
            let _ = post.notes.send(note);
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
        if is_stored { self.acknowledged_to() } else { self.last_stored }
    }

    /// Before this offset everything is acknowledged, skipped or parked.
    pub(super) fn acknowledged_to(&self) -> u64 {
        let oldest = self.dispatch.oldest().map_or(u64::MAX, |(offset, _)| offset);
        oldest.min(self.scan.scanned_to())
    }

    /// Tells every few seconds; at once when everything is done that there is.
    fn tell_progress_when_due(&mut self) {
        let progress = self.progress();
        let all_done = progress.acknowledged_to == progress.head
            && self.told.borrow().acknowledged_to != progress.head;
        let now = Instant::now();
        if !all_done && now < self.next_progress {
            return;
        }
        self.told.send_replace(progress);
        self.next_progress = now + PROGRESS_INTERVAL;
        let gone = self.posts.iter().filter(|(_, post)| post.notes.is_closed());
        let gone: Vec<MemberId> = gone.map(|(member, _)| *member).collect();
        for member in gone {
            self.posts.remove(&member);
            self.dispatch.left(member, false, now);
        }
    }

    pub(super) fn position(&self) -> Position {
        Position {
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
            let entry = self.journal.position(&position);
            match self.journal.send(vec![entry]) {
                Ok(pending) => (self.storing, self.dirty) = (Some((pending, to)), false),
                Err(error) => tracing::warn!(%error, "where a consumer stands cannot be stored"),
            }
        }
    }

    /// Stores where the consumer stands, and waits for it.
    pub(super) async fn store_now(&mut self) {
        self.write_parking().await;
        // Nothing may be sought: it would stand where it was acknowledged.
        if let Err(error) = self.seek().await {
            self.pause(&error);
        }
        for attempt in 0..STORE_TRIES {
            if self.storing.is_some() {
                let before = stored(&mut self.storing).await;
                self.note_stored(before);
            }
            if !self.dirty {
                return;
            }
            // The writer may be busy.
            tokio::time::sleep(Duration::from_millis(20) * attempt).await;
            self.next_store = Instant::now();
            self.store_when_due();
        }
        if self.storing.is_some() {
            let last = stored(&mut self.storing).await;
            self.note_stored(last);
        }
    }

    fn note_stored(&mut self, (result, to): (Result<Appended, DeliveryError>, u64)) {
        self.storing = None;
        match result {
            Ok(_) => self.last_stored = to,
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
