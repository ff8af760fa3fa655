//! Orders that failed too often and wait for somebody who looks. Does not know the log, nor where it
//! is written that they are parked.

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
            self.parking.push(Arc::clone(order));
        } else {
            self.set_stage(order, Stage::Waiting { until: now + self.rules.retry_delay_max });
        }
    }

    /// Orders that are to be parked. Say of each that it is, or that it cannot be.
    pub(super) fn take_parking(&mut self) -> Vec<Stuck> {
        let parking = std::mem::take(&mut self.parking);
        parking.iter().filter_map(|order| self.stuck(order)).collect()
    }

    fn stuck(&self, order: &OrderName) -> Option<Stuck> {
        let lane = self.lanes.get(order)?;
        let (attempts, reason) = (lane.attempts, lane.reason.clone());
        Some(Stuck { order: Arc::clone(order), place: lane.first, attempts, reason })
    }

    /// An order's parking is in the log.
    pub(super) fn parked(&mut self, order: &OrderName) {
        self.set_stage(order, Stage::Parked);
        if let Some(lane) = self.lanes.get_mut(order) {
            // It may stand there for long.
            lane.more |= !std::mem::take(&mut lane.behind).is_empty();
            self.parked += 1;
        }
    }

    /// An order's parking could not be written: it is tried again later.
    pub(super) fn not_parked(&mut self, order: &OrderName, now: Instant) {
        let until = now + self.rules.retry_delay_max;
        self.set_stage(order, Stage::Waiting { until });
    }

    /// Has a parked order delivered again.
    pub(super) fn unpark(&mut self, order: &OrderName) {
        if let Some(lane) = self.lanes.get_mut(order).filter(|lane| lane.is_parked()) {
            (lane.attempts, lane.replayed) = (0, true);
            self.parked -= 1;
            self.set_stage(order, Stage::Ready);
            self.ready.push_back(Arc::clone(order));
        }
    }

    /// Has a parked order go on with another event, or end where there is none.
    pub(super) fn unpark_at(&mut self, order: &OrderName, next: Option<EntryPlace>) {
        if let Some(lane) = self.lanes.get_mut(order).filter(|lane| lane.is_parked()) {
            (lane.behind, lane.more) = (next.into_iter().collect(), next.is_some());
            self.parked -= 1;
            // Whatever else it has stands behind that event, in the log.
            self.set_stage(order, Stage::Sought);
            self.step(order);
        }
    }
}
