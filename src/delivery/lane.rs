//! One order on its way to a consumer: the event that it stands at, and what waits behind.
//! Does not know the other orders, nor who decides.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::worker::MemberId;
use crate::ledger::EntryPlace;

/// Events of one order that are remembered; the log remembers the others.
const BEHIND_MAX: usize = 64;

/// An order that has events which are not acknowledged.
#[derive(Debug)]
pub(super) struct Lane {
    /// The event that it stands at.
    pub(super) first: EntryPlace,
    /// The ones after it, as far as they are remembered.
    pub(super) behind: VecDeque<EntryPlace>,
    /// Whether there may be more after these, below the scan.
    pub(super) more: bool,
    pub(super) stage: Stage,
    /// How often the first event was delivered.
    pub(super) attempts: u32,
    /// Why it was not acknowledged, the last time.
    pub(super) reason: String,
    /// Whether it is delivered because somebody has replayed it.
    pub(super) replayed: bool,
    /// Who worked on it last.
    pub(super) member: Option<MemberId>,
}

/// What an order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// For another order to end, because too many are begun.
    Queued,
    /// For a member with credit.
    Ready,
    /// For an answer.
    InFlight { member: MemberId, until: Instant },
    /// For its next try.
    Waiting { until: Instant },
    /// For its next event to be found in the log.
    Sought,
    /// For its parking to be in the log.
    Parking,
    /// For somebody who looks.
    Parked,
}

impl Lane {
    pub(super) fn at(first: EntryPlace, more: bool, stage: Stage) -> Self {
        Self {
            first,
            behind: VecDeque::new(),
            more,
            stage,
            attempts: 0,
            reason: String::new(),
            replayed: false,
            member: None,
        }
    }

    /// Takes an event that the scan has come to.
    pub(super) fn extend(&mut self, ahead: EntryPlace) {
        let last = self.behind.back().unwrap_or(&self.first);
        if self.more || ahead.offset() <= last.offset() {
            return;
        }
        if self.behind.len() < BEHIND_MAX && self.stage != Stage::Parked {
            self.behind.push_back(ahead);
        } else {
            self.more = true;
        }
    }

    /// Remembers nothing behind the first event: the log does.
    pub(super) fn forget_behind(&mut self) {
        self.more |= !std::mem::take(&mut self.behind).is_empty();
    }
}

impl Stage {
    /// When its time is over.
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::InFlight { until, .. } | Self::Waiting { until } => Some(until),
            Self::Queued | Self::Ready | Self::Sought | Self::Parking | Self::Parked => None,
        }
    }

    /// Whether an order at this stage takes one of the places that `outstanding_max` gives.
    pub(super) fn is_begun(self) -> bool {
        !matches!(self, Self::Queued | Self::Parked)
    }
}
