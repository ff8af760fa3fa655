//! Orders that failed too often and wait for somebody who looks. Does not know the log, nor where
//! it is written that they are parked.

use std::sync::Arc;

use tokio::time::Instant;

use super::dispatch::{Dispatch, OrderName};
use super::lane::Stage;
use crate::ledger::EntryPlace;

/// An order that is to be parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) order: OrderName,
    pub(super) place: EntryPlace,
    pub(super) attempts: u32,
    pub(super) reason: String,
}

impl Dispatch {
    /// Has an order parked, unless too many are: then it is tried again later.
    pub(super) fn park_if_allowed(&mut self, order: &OrderName, now: Instant) {
        if self.parked + self.parking.len() < self.rules.parked_max {
            self.set_stage(order, Stage::Parking);
        } else {
            self.not_parked(order, now);
        }
    }

    /// Orders that are to be parked, some of them: at most so many. Say of each that it is, or that
    /// it cannot be.
    pub(super) fn take_parking(&mut self, most: usize) -> Vec<Stuck> {
        let rest = self.parking.split_off(most.min(self.parking.len()));
        let parking = std::mem::replace(&mut self.parking, rest);
        let stuck = |order: OrderName| {
            let lane = self.lanes.get(&order).filter(|lane| lane.stage == Stage::Parking)?;
            let (attempts, reason) = (lane.attempts, lane.reason.clone());
            Some(Stuck { order: Arc::clone(&order), place: lane.first, attempts, reason })
        };
        parking.into_iter().filter_map(stuck).collect()
    }

    /// An order's parking is in the log.
    pub(super) fn parked(&mut self, order: &OrderName) {
        self.set_stage(order, Stage::Parked);
        if let Some(lane) = self.lanes.get_mut(order) {
            // It may stand there for long.
            lane.forget_behind();
        }
    }

    /// An order cannot be parked: it is tried again later.
    pub(super) fn not_parked(&mut self, order: &OrderName, now: Instant) {
        let until = now + self.rules.retry_delay_max;
        self.set_stage(order, Stage::Waiting { until });
    }

    /// Has a parked order delivered again.
    pub(super) fn unpark(&mut self, order: &OrderName) {
        if let Some(lane) = self.lanes.get_mut(order).filter(|lane| lane.stage == Stage::Parked) {
            (lane.attempts, lane.replayed) = (0, true);
            self.set_stage(order, Stage::Queued);
        }
    }

    /// Has a parked order go on with another event, or end where there is none.
    pub(super) fn unpark_at(&mut self, order: &OrderName, next: Option<EntryPlace>) {
        if let Some(lane) = self.lanes.get_mut(order).filter(|lane| lane.stage == Stage::Parked) {
            // Whatever else it has stands behind that event, in the log.
            (lane.behind, lane.more) = (next.into_iter().collect(), next.is_some());
            self.set_stage(order, Stage::Queued);
            self.step(order);
        }
    }
}
