//! What answers do, and what happens where none comes. Does not know how deliveries are chosen.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dispatch::{Dispatch, OrderName};
use super::lane::Stage;
use super::worker::MemberId;

/// The reason where nobody is there to give one.
const GONE: &str = "the member was gone";

/// Why a delivery failed, and when it is to come again, where the member says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<'r> {
    pub(super) reason: &'r str,
    pub(super) delay: Option<Duration>,
}

/// An answer about an event that the member has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotDelivered;

impl Dispatch {
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
        if !self.workers.get(&member).is_some_and(|worker| worker.has(offset)) {
            return Err(NotDelivered);
        }
        if let Some(order) = self.in_flight.get(&offset).map(Arc::clone) {
            let until = now + self.rules.ack_timeout;
            self.set_stage(&order, Stage::InFlight { member, until });
        }
        Ok(())
    }

    /// Takes a member's orders back: for the others, at once. What was delivered to one that left
    /// in order does not count as a try.
    pub(super) fn left(&mut self, member: MemberId, in_order: bool, now: Instant) {
        let Some(mut worker) = self.workers.remove(&member) else {
            return;
        };
        for offset in worker.take_all() {
            let Some(order) = self.in_flight.remove(&offset) else { continue };
            let Some(lane) = self.lanes.get_mut(&order) else { continue };
            if in_order {
                lane.attempts = lane.attempts.saturating_sub(1);
                self.set_stage(&order, Stage::Ready);
            } else {
                self.failed(&order, &Failure { reason: GONE, delay: Some(Duration::ZERO) }, now);
            }
        }
        self.expire(now);
    }

    /// Has everything come again whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, order)) = self.timers.first().cloned()
            && until <= now
        {
            match self.lanes.get(&order).map(|lane| (lane.stage, lane.first.offset())) {
                Some((Stage::InFlight { member, .. }, offset)) => {
                    let _ = self.answered(member, offset);
                    if let Some(worker) = self.workers.get_mut(&member) {
                        worker.unanswered += 1;
                    }
                    let reason = format!("no answer within {:?}", self.rules.ack_timeout);
                    self.failed(&order, &Failure { reason: &reason, delay: None }, now);
                }
                Some((Stage::Waiting { .. }, _)) => self.set_stage(&order, Stage::Ready),
                _ => {
                    self.timers.remove(&(until, order));
                }
            }
        }
    }

    fn answered(&mut self, member: MemberId, offset: u64) -> Result<OrderName, NotDelivered> {
        let worker = self.workers.get_mut(&member).ok_or(NotDelivered)?;
        if worker.taken(offset) { self.in_flight.remove(&offset) } else { None }.ok_or(NotDelivered)
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
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let percent = 75 + u32::try_from(self.random % 51).unwrap_or_default();
        let varied = delay.min(self.rules.retry_delay_max).saturating_mul(percent) / 100;
        varied.min(self.rules.retry_delay_max)
    }
}
