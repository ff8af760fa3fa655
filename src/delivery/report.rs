//! What is said of a consumer to those who ask. Does not know what they do with it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::engine::Engine;
use super::error::DeliveryError;
use crate::num::u64_from;
use crate::proto::{Consumer, ConsumerMember, ConsumerState};
use crate::time::{now_ns, signed, timestamp};

/// Over how long a rate is taken.
const WINDOW: Duration = Duration::from_secs(60);
/// How long one count of it is.
const STEP: Duration = Duration::from_secs(1);

/// How much is done a second, over the last minute.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// Counts, each with when it began.
    counts: VecDeque<(Instant, u64)>,
}

impl Rate {
    pub(super) fn note(&mut self, count: u64, now: Instant) {
        match self.counts.back_mut() {
            Some((begun, so_far)) if now.duration_since(*begun) < STEP => *so_far += count,
            _ => self.counts.push_back((now, count)),
        }
        while self.counts.front().is_some_and(|(begun, _)| now.duration_since(*begun) >= WINDOW) {
            self.counts.pop_front();
        }
    }

    fn per_second(&self, now: Instant) -> f64 {
        let recent = self.counts.iter().filter(|(begun, _)| now.duration_since(*begun) < WINDOW);
        let sum: u64 = recent.map(|(_, count)| count).sum();
        f64::from(u32::try_from(sum).unwrap_or(u32::MAX)) / WINDOW.as_secs_f64()
    }
}

impl Engine {
    /// Where the consumer stands, and who works for it.
    pub(super) fn report(&self) -> Result<Consumer, DeliveryError> {
        let (counts, now_ns) = (self.dispatch.counts(), now_ns());
        let (acknowledged_to, head) = (self.acknowledged_to(), self.ledger.head());
        let lag_ns = self.recorded_at_ns(acknowledged_to, head)?;
        let lag_ns = lag_ns.map_or(0, |recorded_at_ns| now_ns.saturating_sub(recorded_at_ns));
        let oldest = self.parked.values().map(|(_, since_ns)| *since_ns).min();
        let age = |since_ns: u64| duration(now_ns.saturating_sub(since_ns));
        let members = self.dispatch.workers().iter().filter_map(|(member, worker)| {
            let post = self.posts.get(member)?;
            Some(ConsumerMember {
                name: post.name.clone(),
                joined_at: Some(timestamp(signed(post.joined_at_ns))),
                credit: worker.credit,
                in_flight: small(worker.in_flight()),
                acknowledged: worker.acknowledged,
            })
        });
        let mut members: Vec<ConsumerMember> = members.collect();
        members.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Consumer {
            settings: Some(self.settings.told.clone()),
            created_at: Some(timestamp(signed(self.created_at_ns))),
            state: self.state(head).into(),
            scanned_to: self.scan.scanned_to(),
            acknowledged_to,
            head,
            lag_entries: head.saturating_sub(acknowledged_to),
            lag: Some(duration(lag_ns)),
            in_flight: small(counts.in_flight),
            waiting: small(counts.waiting),
            parked: small(counts.parked),
            oldest_parked: oldest.map(age),
            acknowledged_per_second: self.rate.per_second(Instant::now()),
            members,
            stored_to: self.stored_to(),
        })
    }

    /// When the entry at an offset was recorded; `None` at the head.
    fn recorded_at_ns(&self, offset: u64, head: u64) -> Result<Option<u64>, DeliveryError> {
        if offset >= head {
            return Ok(None);
        }
        match self.dispatch.oldest() {
            Some((oldest, recorded_at_ns)) if oldest == offset => Ok(Some(recorded_at_ns)),
            _ => Ok(Some(self.ledger.recorded_at(offset)?)),
        }
    }

    fn state(&self, head: u64) -> ConsumerState {
        if self.posts.is_empty() {
            ConsumerState::WithoutMembers
        } else if self.scan.scanned_to() >= head {
            ConsumerState::Live
        } else if self.dispatch.is_full() {
            ConsumerState::Full
        } else if !self.dispatch.has_credit() {
            ConsumerState::WithoutCredit
        } else {
            ConsumerState::CatchingUp
        }
    }
}

pub(super) fn duration(ns: u64) -> prost_types::Duration {
    prost_types::Duration::try_from(Duration::from_nanos(ns)).unwrap_or_default()
}

fn small(count: usize) -> u32 {
    u32::try_from(u64_from(count)).unwrap_or(u32::MAX)
}
