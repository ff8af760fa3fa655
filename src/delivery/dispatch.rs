//! Which event goes to which member, and when: the orders that are on their way, and who has
//! credit. Pure: it is told what time it is. Does not know the log, nor who the members are.
//!
//! Each order has one event at most that is delivered and not answered. What else of it is known
//! waits behind that event; what is not known is sought in the log when its turn comes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::lane::{Lane, Stage};
use super::worker::{CREDIT_MAX, Live, MemberId, Serial, Worker};
use crate::ledger::EntryPlace;

pub(super) type OrderName = Arc<str>;

/// The rules of a consumer, as its settings say (`ConsumerSettings`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) ack_timeout: Duration,
    pub(super) attempts_max: u32,
    pub(super) retry_delay_min: Duration,
    pub(super) retry_delay_max: Duration,
    pub(super) outstanding_max: usize,
    pub(super) parked_max: usize,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) serial: Serial,
    pub(super) member: MemberId,
    pub(super) place: EntryPlace,
    pub(super) attempt: u32,
    pub(super) replayed: bool,
    pub(super) last_reason: String,
}

/// How many orders are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) in_flight: usize,
    pub(super) waiting: usize,
    pub(super) parked: usize,
}

/// The orders of one consumer that are on their way, and its members.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) rules: Rules,
    pub(super) lanes: HashMap<OrderName, Lane>,
    /// The event of each order that is not parked: by offset, with when it was recorded.
    standing: BTreeMap<u64, u64>,
    /// Orders at these stages, in the order in which they came there; some may have gone on.
    queued: VecDeque<OrderName>,
    ready: VecDeque<OrderName>,
    sought: Vec<OrderName>,
    pub(super) parking: Vec<OrderName>,
    /// The order of each event that waits for an answer.
    pub(super) in_flight: HashMap<u64, OrderName>,
    pub(super) timers: BTreeSet<(Instant, OrderName)>,
    pub(super) workers: BTreeMap<MemberId, Worker>,
    begun: usize,
    pub(super) parked: usize,
    /// Deliveries of events before this offset repeat what was delivered before a reset.
    replayed_to: u64,
    next_serial: Serial,
    pub(super) random: u64,
}

impl Dispatch {
    /// `seed` varies the pauses between tries.
    pub(super) fn new(rules: Rules, replayed_to: u64, seed: u64) -> Self {
        Self {
            rules,
            lanes: HashMap::new(),
            standing: BTreeMap::new(),
            queued: VecDeque::new(),
            ready: VecDeque::new(),
            sought: Vec::new(),
            parking: Vec::new(),
            in_flight: HashMap::new(),
            timers: BTreeSet::new(),
            workers: BTreeMap::new(),
            begun: 0,
            parked: 0,
            replayed_to,
            next_serial: 0,
            random: seed | 1,
        }
    }

    /// Other settings hold from now on: also for what waits behind the events that orders stand at.
    pub(super) fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
        for lane in self.lanes.values_mut() {
            lane.behind.clear();
            lane.more = true;
        }
    }

    pub(super) fn workers(&self) -> &BTreeMap<MemberId, Worker> {
        &self.workers
    }

    pub(super) fn joined(&mut self, member: MemberId, live: Live) {
        self.workers.insert(member, Worker::new(live));
    }

    /// A member has said something: it is there.
    pub(super) fn heard(&mut self, member: MemberId) {
        if let Some(worker) = self.workers.get_mut(&member) {
            worker.unanswered = 0;
        }
    }

    /// Lets a member have more; how much that is too much, where it is.
    pub(super) fn grant(&mut self, member: MemberId, credit: u32) -> Result<(), u32> {
        let Some(worker) = self.workers.get_mut(&member) else {
            return Ok(());
        };
        let sum = worker.credit.saturating_add(credit);
        if sum > CREDIT_MAX {
            return Err(sum);
        }
        worker.credit = sum;
        Ok(())
    }

    /// Whether another order may be begun: somebody has credit, and not too many are begun.
    pub(super) fn has_room(&self) -> bool {
        self.has_credit() && !self.is_full() && self.ready.is_empty() && self.queued.is_empty()
    }

    pub(super) fn has_credit(&self) -> bool {
        self.workers.values().any(|worker| worker.credit > 0)
    }

    pub(super) fn is_full(&self) -> bool {
        self.begun >= self.rules.outstanding_max
    }

    /// Takes an event that the scan has come to; those of an order come with rising offsets, except
    /// after a reset.
    pub(super) fn scanned(&mut self, order: &OrderName, ahead: EntryPlace) {
        match self.lanes.get_mut(order) {
            Some(lane) => lane.extend(ahead),
            None => self.enter(order, Lane::at(ahead, false, Stage::Ready)),
        }
    }

    /// Takes an order that was on its way before, at the event where it stands; more of it may be
    /// in the log. Of two places the later one counts.
    pub(super) fn restore(&mut self, order: &OrderName, place: EntryPlace, is_parked: bool) {
        let known = self.lanes.get(order).map(|lane| lane.first.offset());
        if known.is_none_or(|known| known < place.offset()) {
            self.remove(order);
            let stage = if is_parked { Stage::Parked } else { Stage::Queued };
            self.enter(order, Lane::at(place, true, stage));
        }
    }

    /// Gives orders that are ready to members with credit.
    pub(super) fn hand_out(&mut self, now: Instant) -> Vec<Handed> {
        while !self.is_full()
            && let Some(order) = self.queued.pop_front()
        {
            if self.is_at(&order, Stage::Queued) {
                self.set_stage(&order, Stage::Ready);
            }
        }
        let mut handed = Vec::new();
        while let Some(order) = self.ready.front() {
            let lane = self.lanes.get(order).filter(|lane| lane.stage == Stage::Ready);
            let Some(lane) = lane else {
                self.ready.pop_front();
                continue;
            };
            let Some(member) = self.free_member(lane.member) else {
                break;
            };
            let order = self.ready.pop_front().unwrap_or_default();
            handed.extend(self.hand(order, member, now));
        }
        handed
    }

    /// Who worked on the order last, else who has least to do; those that do not answer only where
    /// there is nobody else.
    fn free_member(&self, last: Option<MemberId>) -> Option<MemberId> {
        let free = || self.workers.iter().filter(|(_, worker)| worker.credit > 0);
        let same = free().find(|(member, worker)| worker.unanswered == 0 && Some(**member) == last);
        let idlest = || free().min_by_key(|(_, one)| (one.unanswered > 0, one.in_flight()));
        same.or_else(idlest).map(|(member, _)| *member)
    }

    fn hand(&mut self, order: OrderName, member: MemberId, now: Instant) -> Option<Handed> {
        let until = now + self.rules.ack_timeout;
        self.set_stage(&order, Stage::InFlight { member, until });
        self.next_serial += 1;
        let lane = self.lanes.get_mut(&order)?;
        lane.attempts += 1;
        lane.member = Some(member);
        let offset = lane.first.offset();
        let handed = Handed {
            serial: self.next_serial,
            member,
            place: lane.first,
            attempt: lane.attempts,
            replayed: lane.replayed || offset < self.replayed_to,
            last_reason: lane.reason.clone(),
        };
        self.in_flight.insert(offset, order);
        self.workers.get_mut(&member)?.given(offset, self.next_serial);
        Some(handed)
    }

    /// Goes on to the order's next event.
    pub(super) fn step(&mut self, order: &OrderName) {
        let Some(lane) = self.lanes.get_mut(order) else { return };
        (lane.attempts, lane.replayed) = (0, false);
        lane.reason.clear();
        if let Some(next) = lane.behind.pop_front() {
            let before = std::mem::replace(&mut lane.first, next);
            if self.standing.remove(&before.offset()).is_some() {
                self.standing.insert(next.offset(), next.recorded_at_ns);
            }
            // It has its place already, unless it was parked.
            let is_begun = self.lanes.get(order).is_some_and(|lane| lane.stage.is_begun());
            self.set_stage(order, if is_begun { Stage::Ready } else { Stage::Queued });
        } else if lane.more {
            self.set_stage(order, Stage::Sought);
        } else {
            self.remove(order);
        }
    }

    /// When something comes again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(until, _)| *until)
    }

    /// Orders whose next event is to be found in the log, each with the offset to look behind.
    pub(super) fn sought(&mut self) -> Vec<(OrderName, u64)> {
        let sought = std::mem::take(&mut self.sought);
        let offset = |order: &OrderName| {
            let lane = self.lanes.get(order).filter(|lane| lane.stage == Stage::Sought);
            lane.map(|lane| lane.first.offset())
        };
        sought.into_iter().filter_map(|order| Some((Arc::clone(&order), offset(&order)?))).collect()
    }

    /// They were not looked for: they are sought again.
    pub(super) fn not_found(&mut self, sought: impl IntoIterator<Item = OrderName>) {
        self.sought.extend(sought);
    }

    /// What was found of an order; `more` where there may be more below the scan.
    pub(super) fn found(&mut self, order: &OrderName, found: Vec<EntryPlace>, more: bool) {
        let Some(lane) = self.lanes.get_mut(order) else { return };
        lane.behind = found.into();
        lane.more = more;
        self.step(order);
    }

    /// Forgets what is on its way, to begin anew at an offset. What is parked before stays.
    pub(super) fn reset(&mut self, to: u64, replayed_to: u64) {
        let goes = |lane: &Lane| lane.stage != Stage::Parked || lane.first.offset() >= to;
        let going = self.lanes.iter().filter(|(_, lane)| goes(lane));
        let going: Vec<OrderName> = going.map(|(order, _)| Arc::clone(order)).collect();
        for order in going {
            self.remove(&order);
        }
        self.in_flight.clear();
        for worker in self.workers.values_mut() {
            worker.take_all();
        }
        for lane in self.lanes.values_mut() {
            // What stands behind it is found in the log.
            lane.more = true;
        }
        self.replayed_to = replayed_to;
    }

    /// Of each order that is not parked, the offset of the event that it stands at; rising.
    pub(super) fn outstanding(&self) -> Vec<u64> {
        self.standing.keys().copied().collect()
    }

    /// The oldest event of them: its offset, and when it was recorded.
    pub(super) fn oldest(&self) -> Option<(u64, u64)> {
        self.standing.first_key_value().map(|(offset, recorded_at_ns)| (*offset, *recorded_at_ns))
    }

    pub(super) fn replayed_to(&self) -> u64 {
        self.replayed_to
    }

    pub(super) fn counts(&self) -> Counts {
        let waiting = self.timers.len() - self.in_flight.len();
        Counts { in_flight: self.in_flight.len(), waiting, parked: self.parked }
    }

    fn is_at(&self, order: &OrderName, stage: Stage) -> bool {
        self.lanes.get(order).is_some_and(|lane| lane.stage == stage)
    }

    fn enter(&mut self, order: &OrderName, lane: Lane) {
        let (stage, first) = (lane.stage, lane.first);
        self.lanes.insert(Arc::clone(order), lane);
        self.arrive(order, stage, first);
    }

    fn remove(&mut self, order: &OrderName) {
        if let Some(lane) = self.lanes.remove(order) {
            self.leave(order, lane.stage, lane.first);
        }
    }

    /// The only place where an order's stage changes, so that all that depends on it does, too.
    pub(super) fn set_stage(&mut self, order: &OrderName, stage: Stage) {
        let Some(lane) = self.lanes.get_mut(order) else { return };
        let (before, first) = (std::mem::replace(&mut lane.stage, stage), lane.first);
        self.leave(order, before, first);
        self.arrive(order, stage, first);
    }

    fn leave(&mut self, order: &OrderName, stage: Stage, first: EntryPlace) {
        self.begun -= usize::from(stage.is_begun());
        if let Some(until) = stage.until() {
            self.timers.remove(&(until, Arc::clone(order)));
        }
        if stage == Stage::Parked {
            self.parked -= 1;
        } else {
            self.standing.remove(&first.offset());
        }
    }

    fn arrive(&mut self, order: &OrderName, stage: Stage, first: EntryPlace) {
        self.begun += usize::from(stage.is_begun());
        if let Some(until) = stage.until() {
            self.timers.insert((until, Arc::clone(order)));
        }
        if stage == Stage::Parked {
            self.parked += 1;
        } else {
            self.standing.insert(first.offset(), first.recorded_at_ns);
        }
        match stage {
            Stage::Queued => self.queued.push_back(Arc::clone(order)),
            Stage::Ready => self.ready.push_back(Arc::clone(order)),
            Stage::Sought => self.sought.push(Arc::clone(order)),
            Stage::Parking => self.parking.push(Arc::clone(order)),
            Stage::InFlight { .. } | Stage::Waiting { .. } | Stage::Parked => {}
        }
    }
}
