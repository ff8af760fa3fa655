//! What answers do, and what happens where none comes. Does not know how deliveries are chosen.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dispatch::{Dispatch, OrderName};
use super::lane::Stage;
use super::worker::{MemberId, Taken};

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
        for Taken { offset, was_told } in worker.take_all() {
            let Some(order) = self.in_flight.remove(&offset) else { continue };
            if in_order || !was_told {
                self.untried(&order);
            } else {
                self.failed(&order, &Failure { reason: GONE, delay: Some(Duration::ZERO) }, now);
            }
        }
    }

    /// A delivery was no try: it comes at once.
    fn untried(&mut self, order: &OrderName) {
        if let Some(lane) = self.lanes.get_mut(order) {
            lane.attempts = lane.attempts.saturating_sub(1);
            self.set_stage(order, Stage::Ready);
        }
    }

    /// Has everything come again whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, order)) = self.timers.first().cloned()
            && until <= now
        {
            match self.lanes.get(&order).map(|lane| (lane.stage, lane.first.offset())) {
                Some((Stage::InFlight { member, .. }, offset)) => {
                    self.in_flight.remove(&offset);
                    let worker = self.workers.get_mut(&member);
                    let taken = worker.and_then(|worker| {
                        worker.unanswered += 1;
                        worker.take(offset)
                    });
                    if taken.is_none_or(|taken| taken.was_told) {
                        let reason = format!("no answer within {:?}", self.rules.ack_timeout);
                        self.failed(&order, &Failure { reason: &reason, delay: None }, now);
                    } else {
                        self.untried(&order);
                    }
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
        worker.take(offset).ok_or(NotDelivered)?;
        self.in_flight.remove(&offset).ok_or(NotDelivered)
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

#[cfg(test)]
mod tests {
    use super::super::dispatch::{Handed, Rules};
    use super::super::worker::Live;
    use super::*;
    use crate::ledger::EntryPlace;
    use crate::log::Point;

    const RULES: Rules = Rules {
        ack_timeout: Duration::from_secs(30),
        attempts_max: 5,
        retry_delay_min: Duration::from_secs(1),
        retry_delay_max: Duration::from_secs(6),
        outstanding_max: 2,
        parked_max: 1,
    };
    const MEMBER: MemberId = 1;

    fn dispatch(rules: Rules, orders: u64) -> (Dispatch, Live) {
        let mut dispatch = Dispatch::new(rules, 0, 7);
        let live = Live::default();
        dispatch.joined(MEMBER, live.clone());
        dispatch.grant(MEMBER, 100).unwrap();
        for offset in 0..orders {
            let point = Point { offset, ..Point::default() };
            let place = EntryPlace { point, recorded_at_ns: 0 };
            dispatch.scanned(&format!("erp/{offset}").into(), place);
        }
        (dispatch, live)
    }

    /// What is handed out, all of it told.
    fn told(dispatch: &mut Dispatch, live: &Live, now: Instant) -> Vec<Handed> {
        let handed = dispatch.hand_out(now);
        assert!(handed.iter().all(|one| live.tell(one.serial)));
        handed
    }

    fn failure(reason: &str) -> Failure<'_> {
        Failure { reason, delay: None }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_vary_by_a_quarter() {
        let (mut dispatch, live) = dispatch(RULES, 1);
        let mut now = Instant::now();
        for (attempt, seconds) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 6.0)] {
            let handed = told(&mut dispatch, &live, now);
            assert_eq!((handed[0].attempt, handed.len()), (attempt, 1));
            dispatch.nack((MEMBER, 0), &failure("busy"), now).unwrap();
            let pause = (dispatch.next_deadline().unwrap() - now).as_secs_f64();
            let most = (seconds * 1.25_f64).min(6.0);
            assert!((seconds * 0.75..=most).contains(&pause), "{attempt}: {pause} s");
            dispatch.expire(now);
            assert!(dispatch.hand_out(now).is_empty(), "not before its time");
            now = dispatch.next_deadline().unwrap();
            dispatch.expire(now);
        }
        assert_eq!(told(&mut dispatch, &live, now)[0].attempt, 5);
        dispatch.nack((MEMBER, 0), &failure("busy"), now).unwrap();
        let stuck = dispatch.take_parking(10);
        assert_eq!((stuck.len(), stuck[0].attempts, &*stuck[0].reason), (1, 5, "busy"));
        dispatch.parked(&stuck[0].order);
        assert_eq!(dispatch.oldest(), None, "it holds nothing up");
    }

    #[test]
    fn beyond_the_most_that_may_be_parked_orders_are_tried_again() {
        let rules = Rules { attempts_max: 1, ..RULES };
        let (mut dispatch, live) = dispatch(rules, 2);
        let now = Instant::now();
        assert_eq!(told(&mut dispatch, &live, now).len(), 2);
        for offset in 0..2 {
            dispatch.nack((MEMBER, offset), &failure("no"), now).unwrap();
        }
        assert_eq!(dispatch.take_parking(10).len(), 1);
        assert_eq!(dispatch.next_deadline(), Some(now + rules.retry_delay_max));
    }

    #[test]
    fn no_more_orders_are_begun_than_may_be_and_with_one_all_come_one_by_one() {
        let (mut dispatch, live) = dispatch(Rules { outstanding_max: 1, ..RULES }, 1);
        let now = Instant::now();
        assert_eq!(told(&mut dispatch, &live, now).len(), 1);
        assert!(dispatch.is_full() && !dispatch.has_room());
        dispatch.ack(MEMBER, 0).unwrap();
        assert!(dispatch.has_room());
    }

    #[test]
    fn more_time_begins_anew_and_ends_too() {
        let (mut dispatch, live) = dispatch(RULES, 1);
        let now = Instant::now();
        told(&mut dispatch, &live, now);
        let later = now + RULES.ack_timeout / 2;
        dispatch.in_progress(MEMBER, 0, later).unwrap();
        dispatch.expire(now + RULES.ack_timeout);
        assert_eq!(dispatch.counts().in_flight, 1, "it works on it");
        dispatch.expire(later + RULES.ack_timeout);
        assert_eq!(dispatch.counts().in_flight, 0);
        assert_eq!(dispatch.ack(MEMBER, 0), Err(NotDelivered), "its time was over");
    }

    /// Seen red with deliveries that use credit and tries from when they are handed out.
    #[test]
    fn what_a_member_was_not_told_is_no_try_and_uses_no_credit() {
        let (mut dispatch, live) = dispatch(RULES, 2);
        let mut now = Instant::now();
        for _ in 0..20 {
            let handed = dispatch.hand_out(now);
            assert_eq!(handed.len(), 2);
            assert!(handed.iter().all(|one| one.attempt == 1), "{handed:?}");
            now += RULES.ack_timeout;
            dispatch.expire(now);
            assert!(!handed.iter().any(|one| live.tell(one.serial)), "it went another way");
        }
        assert_eq!(dispatch.workers()[&MEMBER].credit, 100);
        assert_eq!(told(&mut dispatch, &live, now).len(), 2);
        assert_eq!(dispatch.workers()[&MEMBER].credit, 98);
    }

    #[test]
    fn a_member_that_does_not_answer_gets_orders_only_where_there_is_nobody_else() {
        let (mut dispatch, live) = dispatch(RULES, 2);
        let other = Live::default();
        let mut now = Instant::now();
        told(&mut dispatch, &live, now);
        dispatch.joined(2, other.clone());
        dispatch.grant(2, 100).unwrap();
        now += RULES.ack_timeout;
        dispatch.expire(now);
        now += RULES.retry_delay_max;
        dispatch.expire(now);
        let handed = dispatch.hand_out(now);
        assert!(handed.len() == 2 && handed.iter().all(|one| one.member == 2), "{handed:?}");
    }
}
