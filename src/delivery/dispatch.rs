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
use crate::ledger::EntryPlace;

/// Deliveries that one member may have granted and not got.
pub(super) const CREDIT_MAX: u32 = 10_000;

pub(super) type MemberId = u64;
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

/// Somebody who works.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) credit: u32,
    pub(super) in_flight: BTreeSet<u64>,
    pub(super) acknowledged: u64,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handed {
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

/// Why a delivery failed, and when it is to come again, where the member says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<'r> {
    pub(super) reason: &'r str,
    pub(super) delay: Option<Duration>,
}

impl<'r> Failure<'r> {
    fn because(reason: &'r str) -> Self {
        Self { reason, delay: None }
    }
}

/// The reason where nobody is there to give one.
const GONE: &str = "the member was gone";

/// An answer about an event that the member has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotDelivered;

/// The orders of one consumer that are on their way, and its members.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) rules: Rules,
    pub(super) lanes: HashMap<OrderName, Lane>,
    /// Orders that wait for a member; some may not any more.
    pub(super) ready: VecDeque<OrderName>,
    /// The order of each event that waits for an answer.
    in_flight: HashMap<u64, OrderName>,
    timers: BTreeSet<(Instant, OrderName)>,
    workers: BTreeMap<MemberId, Worker>,
    sought: Vec<OrderName>,
    pub(super) parking: Vec<OrderName>,
    pub(super) parked: usize,
    /// Deliveries of events before this offset repeat what was delivered before a reset.
    replayed_to: u64,
    random: u64,
}

impl Dispatch {
    /// `seed` varies the pauses between tries.
    pub(super) fn new(rules: Rules, replayed_to: u64, seed: u64) -> Self {
        Self {
            rules,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            in_flight: HashMap::new(),
            timers: BTreeSet::new(),
            workers: BTreeMap::new(),
            sought: Vec::new(),
            parking: Vec::new(),
            parked: 0,
            replayed_to,
            random: seed | 1,
        }
    }

    pub(super) fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    pub(super) fn workers(&self) -> &BTreeMap<MemberId, Worker> {
        &self.workers
    }

    pub(super) fn joined(&mut self, member: MemberId) {
        self.workers.insert(member, Worker::default());
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

    /// Takes a member's orders back: for the others, at once. What was delivered to one that left
    /// in order does not count as a try.
    pub(super) fn left(&mut self, member: MemberId, in_order: bool, now: Instant) {
        let Some(worker) = self.workers.remove(&member) else {
            return;
        };
        for offset in worker.in_flight {
            let Some(order) = self.in_flight.remove(&offset) else { continue };
            let attempts_max = self.rules.attempts_max;
            let Some(lane) = self.lanes.get_mut(&order) else { continue };
            if in_order {
                lane.attempts = lane.attempts.saturating_sub(1);
            } else if lane.attempts >= attempts_max {
                self.failed(&order, &Failure::because(GONE), now);
                continue;
            } else {
                GONE.clone_into(&mut lane.reason);
            }
            self.set_stage(&order, Stage::Ready);
            self.ready.push_front(order);
        }
    }

    /// Whether another order may be begun: somebody has credit, and not too many are begun.
    pub(super) fn has_room(&self) -> bool {
        self.has_credit() && !self.is_full() && self.ready.is_empty()
    }

    pub(super) fn has_credit(&self) -> bool {
        self.workers.values().any(|worker| worker.credit > 0)
    }

    pub(super) fn is_full(&self) -> bool {
        self.lanes.len() - self.parked >= self.rules.outstanding_max
    }

    /// Takes an event that the scan has come to; those of an order come with rising offsets, except
    /// after a reset.
    pub(super) fn scanned(&mut self, order: OrderName, ahead: EntryPlace) {
        let Some(lane) = self.lanes.get_mut(&order) else {
            self.lanes.insert(Arc::clone(&order), Lane::at(ahead, false));
            self.ready.push_back(order);
            return;
        };
        lane.extend(ahead);
    }

    /// Takes an order that was on its way before, at the event where it stands; more of it may be
    /// in the log.
    pub(super) fn restore(&mut self, order: OrderName, place: EntryPlace, is_parked: bool) {
        let mut lane = Lane::at(place, true);
        if is_parked {
            lane.stage = Stage::Parked;
            self.parked += 1;
        } else {
            self.ready.push_back(Arc::clone(&order));
        }
        self.lanes.insert(order, lane);
    }

    /// Gives orders that are ready to members with credit.
    pub(super) fn hand_out(&mut self, now: Instant) -> Vec<Handed> {
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

    /// Who worked on the order last, else who has least to do.
    fn free_member(&self, last: Option<MemberId>) -> Option<MemberId> {
        let has_credit =
            |member: &MemberId| self.workers.get(member).is_some_and(|worker| worker.credit > 0);
        last.filter(has_credit).or_else(|| {
            let free = self.workers.iter().filter(|(_, worker)| worker.credit > 0);
            free.min_by_key(|(_, worker)| worker.in_flight.len()).map(|(member, _)| *member)
        })
    }

    fn hand(&mut self, order: OrderName, member: MemberId, now: Instant) -> Option<Handed> {
        let until = now + self.rules.ack_timeout;
        self.set_stage(&order, Stage::InFlight { member, until });
        let lane = self.lanes.get_mut(&order)?;
        lane.attempts += 1;
        lane.member = Some(member);
        let offset = lane.first.offset();
        let handed = Handed {
            member,
            place: lane.first,
            attempt: lane.attempts,
            replayed: lane.replayed || offset < self.replayed_to,
            last_reason: lane.reason.clone(),
        };
        self.in_flight.insert(offset, order);
        let worker = self.workers.get_mut(&member)?;
        worker.credit -= 1;
        worker.in_flight.insert(offset);
        Some(handed)
    }

    /// A member has done its work: the order's next event is ready, or is sought.
    pub(super) fn ack(&mut self, member: MemberId, offset: u64) -> Result<(), NotDelivered> {
        let order = self.answered(member, offset)?;
        if let Some(worker) = self.workers.get_mut(&member) {
            worker.acknowledged += 1;
        }
        self.step(&order);
        Ok(())
    }

    /// A member has failed: the event comes again after a delay, or its order is to be parked.
    pub(super) fn nack(
        &mut self,
        (member, offset): (MemberId, u64),
        failure: &Failure<'_>,
        now: Instant,
    ) -> Result<(), NotDelivered> {
        let order = self.answered(member, offset)?;
        self.failed(&order, failure, now);
        Ok(())
    }

    /// A member asks for the order to be parked.
    pub(super) fn park(
        &mut self,
        (member, offset): (MemberId, u64),
        reason: &str,
        now: Instant,
    ) -> Result<(), NotDelivered> {
        let order = self.answered(member, offset)?;
        if let Some(lane) = self.lanes.get_mut(&order) {
            reason.clone_into(&mut lane.reason);
        }
        self.park_if_allowed(&order, now);
        Ok(())
    }

    /// A member needs more time.
    pub(super) fn in_progress(
        &mut self,
        member: MemberId,
        offset: u64,
        now: Instant,
    ) -> Result<(), NotDelivered> {
        self.check(member, offset)?;
        if let Some(order) = self.in_flight.get(&offset).map(Arc::clone) {
            let until = now + self.rules.ack_timeout;
            self.set_stage(&order, Stage::InFlight { member, until });
        }
        Ok(())
    }

    fn check(&self, member: MemberId, offset: u64) -> Result<(), NotDelivered> {
        let has = self.workers.get(&member).is_some_and(|one| one.in_flight.contains(&offset));
        if has { Ok(()) } else { Err(NotDelivered) }
    }

    fn answered(&mut self, member: MemberId, offset: u64) -> Result<OrderName, NotDelivered> {
        self.check(member, offset)?;
        if let Some(worker) = self.workers.get_mut(&member) {
            worker.in_flight.remove(&offset);
        }
        self.in_flight.remove(&offset).ok_or(NotDelivered)
    }

    /// Goes on to the order's next event.
    pub(super) fn step(&mut self, order: &OrderName) {
        let Some(lane) = self.lanes.get_mut(order) else { return };
        (lane.attempts, lane.replayed) = (0, false);
        lane.reason.clear();
        if let Some(next) = lane.behind.pop_front() {
            lane.first = next;
            self.set_stage(order, Stage::Ready);
            self.ready.push_back(Arc::clone(order));
        } else if lane.more {
            self.set_stage(order, Stage::Sought);
            self.sought.push(Arc::clone(order));
        } else {
            self.drop_lane(order);
        }
    }

    fn failed(&mut self, order: &OrderName, failure: &Failure<'_>, now: Instant) {
        let Some(lane) = self.lanes.get_mut(order) else { return };
        failure.reason.clone_into(&mut lane.reason);
        if lane.attempts >= self.rules.attempts_max {
            return self.park_if_allowed(order, now);
        }
        let attempts = lane.attempts;
        let delay = failure.delay.unwrap_or_else(|| self.delay_after(attempts));
        self.set_stage(order, Stage::Waiting { until: now + delay });
    }

    /// Doubles with each try, and varies by a quarter either way, so that what failed together does
    /// not come again together.
    fn delay_after(&mut self, attempts: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
        let delay = self.rules.retry_delay_min.saturating_mul(doubled);
        let delay = delay.min(self.rules.retry_delay_max);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let percent = 75 + u32::try_from(self.random % 51).unwrap_or_default();
        delay.saturating_mul(percent) / 100
    }

    /// Has everything come again whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, order)) = self.timers.first().cloned()
            && until <= now
        {
            match self.lanes.get(&order).map(|lane| lane.stage) {
                Some(Stage::InFlight { member, .. }) => {
                    let offset = self.lanes.get(&order).map(|lane| lane.first.offset());
                    let _ = self.answered(member, offset.unwrap_or_default());
                    let limit = self.rules.ack_timeout;
                    let reason = format!("no answer within {limit:?}");
                    self.failed(&order, &Failure::because(&reason), now);
                }
                Some(Stage::Waiting { .. }) => {
                    self.set_stage(&order, Stage::Ready);
                    self.ready.push_back(order);
                }
                _ => {
                    self.timers.remove(&(until, order));
                }
            }
        }
    }

    /// When something comes again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(until, _)| *until)
    }

    /// Orders whose next event is to be found in the log, each with the offset to look behind.
    pub(super) fn take_sought(&mut self) -> Vec<(OrderName, u64)> {
        let sought = std::mem::take(&mut self.sought);
        let offset = |order: &OrderName| Some(self.lanes.get(order)?.first.offset());
        sought.into_iter().filter_map(|order| Some((Arc::clone(&order), offset(&order)?))).collect()
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
        self.lanes.retain(|_, lane| lane.is_parked() && lane.first.offset() < to);
        self.parked = self.lanes.len();
        self.ready.clear();
        self.in_flight.clear();
        self.timers.clear();
        self.sought.clear();
        self.parking.clear();
        self.replayed_to = replayed_to;
        for worker in self.workers.values_mut() {
            worker.in_flight.clear();
        }
        for lane in self.lanes.values_mut() {
            // What stands behind it is found in the log.
            lane.more = true;
        }
    }

    /// Of each order that is not parked, the offset of the event that it stands at; rising.
    pub(super) fn outstanding(&self) -> Vec<u64> {
        let lanes = self.lanes.values().filter(|lane| !lane.is_parked());
        let mut offsets: Vec<u64> = lanes.map(|lane| lane.first.offset()).collect();
        offsets.sort_unstable();
        offsets
    }

    /// The oldest event of them.
    pub(super) fn oldest(&self) -> Option<EntryPlace> {
        let lanes = self.lanes.values().filter(|lane| !lane.is_parked());
        lanes.map(|lane| lane.first).min_by_key(EntryPlace::offset)
    }

    pub(super) fn replayed_to(&self) -> u64 {
        self.replayed_to
    }

    pub(super) fn counts(&self) -> Counts {
        let waiting = self.timers.len() - self.in_flight.len();
        Counts { in_flight: self.in_flight.len(), waiting, parked: self.parked }
    }

    /// The only place where a lane's stage changes, so that its timer does, too.
    pub(super) fn set_stage(&mut self, order: &OrderName, stage: Stage) {
        let Some(lane) = self.lanes.get_mut(order) else { return };
        let before = std::mem::replace(&mut lane.stage, stage);
        if let Some(until) = before.until() {
            self.timers.remove(&(until, Arc::clone(order)));
        }
        if let Some(until) = stage.until() {
            self.timers.insert((until, Arc::clone(order)));
        }
    }

    fn drop_lane(&mut self, order: &OrderName) {
        self.set_stage(order, Stage::Ready);
        self.lanes.remove(order);
    }
}
