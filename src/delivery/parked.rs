//! Parked orders, as people look at them and decide about them.
//! Does not know how an order comes to be parked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::asked::{AllParked, Asked, Said};
use super::blocking;
use super::consumers::Consumers;
use super::dispatch::OrderName;
use super::error::DeliveryError;
use crate::event::{Violation, check_type, type_matches};
use crate::ledger::{Ledger, QueryError, page_rows, token, token_of};
use crate::num::u64_from;
use crate::proto::{
    ListParkedRequest, ListParkedResponse, ParkedAt, ParkedFilter, ParkedOrder,
    ReplayParkedRequest, ReplayParkedResponse, SkipParkedRequest, SkipParkedResponse,
};
use crate::time::{ns_from_parts, signed, timestamp};

/// A parked order among those of all consumers: since when, and where.
type Row = (u64, u64, String);

/// Which parked orders are meant.
struct Selection {
    orders: BTreeSet<String>,
    types: Vec<String>,
    since_ns: Option<i64>,
    before_ns: Option<i64>,
    reason: String,
}

impl Selection {
    fn of(filter: Option<&ParkedFilter>) -> Result<Self, DeliveryError> {
        let filter = filter.cloned().unwrap_or_default();
        let mut violations = Vec::new();
        let mut time = |name, time: Option<prost_types::Timestamp>| {
            let ns = time.map(|time| ns_from_parts(time.seconds, time.nanos));
            if ns == Some(None) {
                let what = "out of range; allowed is 1677-09-21 .. 2262-04-11";
                violations.push(Violation::new(format!("filter.{name}"), what));
            }
            ns.flatten()
        };
        let since_ns = time("parked_since", filter.parked_since);
        let before_ns = time("parked_before", filter.parked_before);
        for (index, rule) in filter.types.iter().enumerate() {
            let wrong = check_type(rule);
            let field = format!("filter.types[{index}]");
            violations.extend(wrong.map(|what| Violation::new(field, what)));
        }
        if !violations.is_empty() {
            return Err(DeliveryError::Invalid(violations));
        }
        let orders = filter.correlation_ids.into_iter().collect();
        let reason = filter.reason_contains.to_lowercase();
        Ok(Self { orders, types: filter.types, since_ns, before_ns, reason })
    }

    fn says_nothing(&self) -> bool {
        self.orders.is_empty()
            && self.types.is_empty()
            && self.since_ns.is_none()
            && self.before_ns.is_none()
            && self.reason.is_empty()
    }

    fn means(&self, parked: &ParkedAt, since_ns: u64) -> bool {
        let since_ns = signed(since_ns);
        (self.orders.is_empty() || self.orders.contains(&parked.correlation_id))
            && (self.types.is_empty()
                || self.types.iter().any(|rule| type_matches(rule, &parked.r#type)))
            && self.since_ns.is_none_or(|from| since_ns >= from)
            && self.before_ns.is_none_or(|to| since_ns < to)
            && parked.reason.to_lowercase().contains(&self.reason)
    }

    /// Those of a consumer that are meant.
    fn of_all(&self, all: &AllParked) -> Vec<(OrderName, ParkedAt)> {
        let meant = all.orders.iter().filter(|(_, (parked, since))| self.means(parked, *since));
        meant.map(|(order, (parked, _))| (Arc::clone(order), parked.clone())).collect()
    }
}

impl Consumers {
    /// The orders that are parked, those that wait longest first, page by page.
    ///
    /// # Errors
    /// [`DeliveryError::Invalid`], [`DeliveryError::UnknownConsumer`], a token of another request,
    /// and where the ledger cannot be read.
    pub async fn list_parked(
        &self,
        request: &ListParkedRequest,
    ) -> Result<ListParkedResponse, DeliveryError> {
        let selection = Selection::of(request.filter.as_ref())?;
        let mut violations = Vec::new();
        let rows = page_rows(request.page_size, &mut violations);
        if !violations.is_empty() {
            return Err(DeliveryError::Invalid(violations));
        }
        let ledger = Arc::clone(self.ledger());
        let ListParkedRequest { consumer, filter, .. } = request;
        let about = format!("{} parked {consumer:?} {filter:?}", ledger.id());
        let after = token_of(&request.page_token, &about)?.map(row_of).transpose()?;
        let names = if consumer.is_empty() { self.names().await? } else { vec![consumer.clone()] };
        let (mut found, mut of_consumers) = (Vec::new(), Vec::new());
        for name in names {
            let all = match self.ask(&name, Asked::Parked).await {
                // It was deleted.
                Err(DeliveryError::UnknownConsumer(_)) if consumer.is_empty() => continue,
                all => all?,
            };
            for (parked, since_ns) in all.orders.values() {
                if selection.means(parked, *since_ns) {
                    let row: Row = (*since_ns, parked.offset, name.clone());
                    found.push((row, parked.clone(), of_consumers.len()));
                }
            }
            of_consumers.push(all);
        }
        found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let total = u64_from(found.len());
        found.retain(|(row, ..)| after.as_ref().is_none_or(|after| row > after));
        let has_more = found.len() > rows;
        found.truncate(rows);
        let last = found.last().filter(|_| has_more).map(|(row, ..)| text_of(row));
        let orders = blocking(move || {
            let shown = found.into_iter().map(|(row, parked, index)| {
                let all = of_consumers.get(index);
                let waiting = all.map_or(Ok(0), |all| all.waiting(&ledger, &parked))?;
                let status = ledger.status_of(&parked.correlation_id)?;
                let (since_ns, _, consumer) = row;
                Ok(ParkedOrder {
                    consumer,
                    parked: Some(parked),
                    parked_at: Some(timestamp(signed(since_ns))),
                    waiting_events: waiting,
                    status,
                })
            });
            shown.collect::<Result<Vec<_>, QueryError>>()
        });
        let next_page_token = last.map_or_else(String::new, |last| token(&about, &last));
        Ok(ListParkedResponse { orders: orders.await?, next_page_token, total })
    }

    /// Has parked orders delivered again, from the event that each stands at; or only counts them.
    ///
    /// # Errors
    /// As [`Consumers::list_parked`], and what appends say.
    pub async fn replay_parked(
        &self,
        request: &ReplayParkedRequest,
    ) -> Result<ReplayParkedResponse, DeliveryError> {
        let selection = Selection::of(request.filter.as_ref())?;
        let (meant, event_count) = self.meant(&request.consumer, &selection).await?;
        let mut order_count = u64_from(meant.len());
        if !request.dry_run {
            let said = Said::by(&request.actor)?;
            let replay = |reply| Asked::Replay(meant, said, reply);
            order_count = self.ask(&request.consumer, replay).await?;
        }
        Ok(ReplayParkedResponse { order_count, event_count })
    }

    /// Leaves out the event that each of some parked orders stands at, or all that waits of it; or
    /// only counts them. Who answers for it and why are required, and so is a condition.
    ///
    /// # Errors
    /// As [`Consumers::list_parked`], and what appends say.
    pub async fn skip_parked(
        &self,
        request: &SkipParkedRequest,
    ) -> Result<SkipParkedResponse, DeliveryError> {
        let said = Said::answerable(&request.actor, &request.reason)?;
        let selection = Selection::of(request.filter.as_ref())?;
        if selection.says_nothing() {
            let what = "says nothing, and would mean every parked order; say which orders, types, \
                        times or reasons are meant";
            return Err(DeliveryError::invalid("filter", what));
        }
        let (orders, waiting) = self.meant(&request.consumer, &selection).await?;
        let order_count = u64_from(orders.len());
        let all_waiting = request.all_waiting;
        let mut event_count = if all_waiting { waiting } else { order_count };
        if !request.dry_run {
            let skip = |reply| Asked::Skip { orders, all_waiting, said, reply };
            event_count = self.ask(&request.consumer, skip).await?;
        }
        Ok(SkipParkedResponse { order_count, event_count })
    }

    /// The orders of a consumer that are meant, each with the offset that it stands at, and how
    /// many events of them wait.
    async fn meant(
        &self,
        consumer: &str,
        selection: &Selection,
    ) -> Result<(Vec<(OrderName, u64)>, u64), DeliveryError> {
        let all = self.ask(consumer, Asked::Parked).await?;
        let mut meant = selection.of_all(&all);
        meant.sort_by_key(|(_, parked)| parked.offset);
        let ledger = Arc::clone(self.ledger());
        let orders = meant.iter().map(|(order, parked)| (Arc::clone(order), parked.offset));
        let orders = orders.collect();
        let count = blocking(move || count_waiting(&ledger, &all, &meant));
        Ok((orders, count.await?))
    }
}

fn count_waiting(
    ledger: &Ledger,
    all: &AllParked,
    meant: &[(OrderName, ParkedAt)],
) -> Result<u64, QueryError> {
    meant.iter().map(|(_, parked)| all.waiting(ledger, parked)).sum()
}

/// A row as a token has it.
fn text_of((since_ns, offset, consumer): &Row) -> String {
    format!("{since_ns}.{offset}.{consumer}")
}

fn row_of(text: &str) -> Result<Row, QueryError> {
    let mut parts = text.splitn(3, '.');
    let mut number = || parts.next().and_then(|part| part.parse().ok());
    let (since_ns, offset) = number().zip(number()).ok_or(QueryError::PageToken)?;
    let consumer = parts.next().ok_or(QueryError::PageToken)?;
    Ok((since_ns, offset, consumer.to_owned()))
}
