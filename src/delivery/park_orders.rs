//! Has it in the log that orders are parked, and what else is decided about them.
//! Does not know why they are.

use std::sync::Arc;

use tokio::time::Instant;

use super::blocking;
use super::engine::{Engine, STORE_INTERVAL};
use super::error::DeliveryError;
use super::parking::Stuck;
use super::state::PARKED;
use crate::event::Event;
use crate::proto::{LedgerEntry, ParkedAt};
use crate::time::now_ns;

impl Engine {
    /// Parks the orders that are to be; where that cannot be written, they are tried again instead.
    pub(super) async fn write_parking(&mut self) {
        loop {
            let parking = self.dispatch.take_parking(self.together());
            if parking.is_empty() {
                return;
            }
            let (written, all) = self.park(&parking).await;
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
            }
        }
    }

    async fn park(&mut self, parking: &[Stuck]) -> (Result<(), DeliveryError>, Vec<ParkedAt>) {
        let types = self.types_of(parking).await;
        let at = |(stuck, event_type): (&Stuck, String)| ParkedAt {
            correlation_id: stuck.order.to_string(),
            offset: stuck.place.offset(),
            r#type: event_type,
            attempts: stuck.attempts,
            reason: stuck.reason.clone(),
        };
        let all: Vec<ParkedAt> = parking.iter().zip(types).map(at).collect();
        let entries = all.iter().map(|parked| {
            let entry = LedgerEntry { parked: Some(parked.clone()), ..LedgerEntry::default() };
            self.journal.deed(PARKED, entry)
        });
        let entries = entries.collect();
        (self.decide(entries).await, all)
    }

    /// The types of the events that orders stand at; empty where the log cannot be read.
    async fn types_of(&self, parking: &[Stuck]) -> Vec<String> {
        let ledger = Arc::clone(&self.ledger);
        let places: Vec<_> = parking.iter().map(|stuck| stuck.place.point).collect();
        let count = places.len();
        let types = blocking(move || {
            let event = |place| Ok(ledger.at_places(&[place])?.pop().map(|one| one.event));
            let event_type = |event: Option<Event>| {
                event.map_or_else(String::new, |event| event.event_type().to_owned())
            };
            places.into_iter().map(|place| event(place).map(event_type)).collect()
        });
        types.await.unwrap_or_else(|_| vec![String::new(); count])
    }

    /// Writes entries behind where the consumer stands, where the log does not have that yet: else,
    /// after a crash, the orders would stand where they were stored last.
    pub(super) async fn decide(&mut self, entries: Vec<Event>) -> Result<(), DeliveryError> {
        let mut before = None;
        if self.dirty || self.storing.is_some() {
            // What is sought would stand where it was acknowledged.
            self.seek().await?;
            let (position, to) = (self.position(), self.acknowledged_to());
            let position = self.journal.position(&position);
            before = Some((self.journal.send(vec![position])?, to));
        }
        let entries = self.journal.send(entries);
        if let Some((position, to)) = before {
            match position.await {
                Ok(_) => {
                    (self.storing, self.last_stored, self.dirty) = (None, to, false);
                    self.next_store = Instant::now() + STORE_INTERVAL;
                }
                // It is stored when it is due; what is decided holds if its entries are there.
                Err(error) => tracing::warn!(%error, "where a consumer stands cannot be stored"),
            }
        }
        entries?.await?;
        Ok(())
    }

    /// Orders about which the log is told at once.
    pub(super) fn together(&self) -> usize {
        self.ledger.limits().batch_events_max.max(1)
    }
}
