//! Lists orders, at the offset up to which the views have the log. Does not know how they are kept.

use std::time::Duration;

use super::Ledger;
use super::error::QueryError;
use super::page::{only_at_head, page_rows, refuse, token, token_of};
use crate::event::Violation;
use crate::order::{Dimension, RULES};
use crate::proto::{
    self, ListOrdersRequest, ListOrdersResponse, OrderSort, StageAge, StatusDimension,
};
use crate::time::{now_ns, ns_from_parts, signed};
use crate::view::{ListPosition, ListQuery, ListSort, OrderFilter, OrderList};

/// How long a list waits for the views.
const VIEWS_WAIT_MAX: Duration = Duration::from_secs(5);

/// A list that can be asked for.
#[derive(Clone, Debug)]
pub(crate) struct CheckedList {
    query: ListQuery,
    /// What its tokens are bound to.
    about: String,
}

impl Ledger {
    /// Lists orders, at the head when it is asked or a later one; waits for the views, for 5
    /// seconds at most.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
    /// use order_ledger::proto::{ListOrdersRequest, OrderFilter};
    ///
    /// let filter = OrderFilter { exception: vec!["blocked".into()], ..Default::default() };
    /// let request = ListOrdersRequest { filter: Some(filter), ..Default::default() };
    /// assert_eq!(ledger.list_orders(&request)?.orders, []);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueryError::Invalid`] with all that is wrong with the request, [`QueryError::PageToken`],
    /// [`QueryError::BeyondHead`], [`QueryError::ViewsBehind`], and where log or views cannot be
    /// read.
    pub fn list_orders(
        &self,
        request: &ListOrdersRequest,
    ) -> Result<ListOrdersResponse, QueryError> {
        let list = self.check_list(request)?;
        self.views_at(request.basis.as_ref())?;
        self.list_checked(&list)
    }

    pub(crate) fn check_list(
        &self,
        request: &ListOrdersRequest,
    ) -> Result<CheckedList, QueryError> {
        let mut violations = Vec::new();
        let limit = page_rows(request.page_size, &mut violations);
        only_at_head(request.basis.as_ref(), &mut violations);
        let asked = request.filter.clone().unwrap_or_default();
        let filter = filter_of(&asked, &mut violations);
        let sort = match OrderSort::try_from(request.sort) {
            Ok(OrderSort::Unspecified | OrderSort::Updated) => ListSort::Updated,
            Ok(OrderSort::FirstSeen) => ListSort::FirstSeen,
            Ok(OrderSort::StageAge) => ListSort::StageAge(
                filter.stage_age.map_or(Dimension::Fulfillment, |(dimension, _)| dimension),
            ),
            Err(_) => {
                let what =
                    "not a sort order; allowed are 1 (updated), 2 (first seen), 3 (stage age)";
                violations.push(Violation::new("sort", what));
                ListSort::Updated
            }
        };
        refuse(violations)?;
        let about = format!("{} {asked:?} {sort:?} {}", self.id(), request.reverse);
        let after = match token_of(&request.page_token, &about)? {
            None => None,
            Some(rest) => Some(list_position(rest).ok_or(QueryError::PageToken)?),
        };
        let (reverse, now_ns) = (request.reverse, signed(now_ns()));
        Ok(CheckedList { query: ListQuery { filter, sort, reverse, limit, after, now_ns }, about })
    }

    /// Lists as far as the views go.
    pub(crate) fn list_checked(
        &self,
        list: &CheckedList,
    ) -> Result<ListOrdersResponse, QueryError> {
        let CheckedList { query, about } = list;
        let list = self.list(query)?;
        let next = list.next.map(|next| token(about, &format!("{}.{}", next.rank, next.number)));
        Ok(ListOrdersResponse {
            orders: list.rows.iter().map(|(order, status)| status.to_message(order)).collect(),
            basis: list.basis,
            next_page_token: next.unwrap_or_default(),
        })
    }

    /// An order as lists show it, as far as the views go; `None` where they do not have it.
    pub(crate) fn status_of(
        &self,
        correlation_id: &str,
    ) -> Result<Option<proto::OrderStatus>, QueryError> {
        let status = self.views.status(correlation_id)?;
        Ok(status.map(|status| status.to_message(correlation_id)))
    }

    pub(super) fn list(&self, query: &ListQuery) -> Result<OrderList, QueryError> {
        let since = query.filter.updated_since_ns;
        // What was recorded at the time itself counts.
        let before = since.map(|since| since.checked_sub(1));
        let updated_from = before.map(|before| before.map_or(Ok(0), |at| self.offset_after(at)));
        Ok(self.views.list(query, updated_from.transpose()?)?)
    }

    /// Waits until the views have the log up to `offset`, having asked for it; blocks this thread
    /// for 5 seconds at most. Answers the offset up to which they have it.
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`] and [`QueryError::ViewsBehind`].
    pub fn views_at_least(&self, offset: u64) -> Result<u64, QueryError> {
        self.check_reachable(offset)?;
        if self.passes.wait(offset, VIEWS_WAIT_MAX) {
            return Ok(*self.views.reached().borrow());
        }
        Err(self.views_behind(offset))
    }

    /// As [`Ledger::views_at_least`], without blocking a thread.
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`] and [`QueryError::ViewsBehind`].
    pub async fn views_reach(&self, offset: u64) -> Result<u64, QueryError> {
        self.check_reachable(offset)?;
        let mut reached = self.views.reached();
        if !self.passes.ask(offset) {
            let there = reached.wait_for(|reached| *reached >= offset);
            if tokio::time::timeout(VIEWS_WAIT_MAX, there).await.is_err() {
                return Err(self.views_behind(offset));
            }
        }
        Ok(*self.views.reached().borrow())
    }

    fn check_reachable(&self, offset: u64) -> Result<(), QueryError> {
        let head = self.head();
        if offset > head { Err(QueryError::BeyondHead { offset, head }) } else { Ok(()) }
    }

    fn views_behind(&self, needed: u64) -> QueryError {
        let views = *self.views.reached().borrow();
        let failure = self.passes.failure();
        QueryError::ViewsBehind { needed, views, head: self.head(), failure }
    }
}

fn list_position(text: &str) -> Option<ListPosition> {
    let (rank, number) = text.split_once('.')?;
    Some(ListPosition { rank: rank.parse().ok()?, number: number.parse().ok()? })
}

fn filter_of(asked: &proto::OrderFilter, violations: &mut Vec<Violation>) -> OrderFilter {
    let words = [
        (Dimension::Commercial, &asked.commercial),
        (Dimension::Fulfillment, &asked.fulfillment),
        (Dimension::Shipment, &asked.shipment),
        (Dimension::Exception, &asked.exception),
        (Dimension::Return, &asked.return_status),
    ];
    let mut wanted = Vec::new();
    for (dimension, texts) in words {
        let mut of_dimension = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if let Some(word) = dimension.word(text) {
                of_dimension.push(word);
                continue;
            }
            let field = format!("filter.{}[{index}]", dimension.name());
            let allowed = dimension.words().join(", ");
            let what = format!("{text:?} is no such word; allowed are {allowed}");
            violations.push(Violation::new(field, what));
        }
        if !of_dimension.is_empty() {
            wanted.push((dimension, of_dimension));
        }
    }
    let since = asked.updated_since.as_ref();
    let updated_since_ns = since.and_then(|time| {
        let ns = ns_from_parts(time.seconds, time.nanos);
        if ns.is_none() {
            let what = "out of range; allowed is 1677-09-21 .. 2262-04-11";
            violations.push(Violation::new("filter.updated_since", what));
        }
        ns.map(|ns| u64::try_from(ns).unwrap_or(0))
    });
    for (index, rule) in asked.anomaly_rules.iter().enumerate() {
        if !RULES.iter().any(|known| known.id == rule) {
            let allowed: Vec<&str> = RULES.iter().map(|known| known.id).collect();
            let what = format!("{rule:?} is no such rule; allowed are {}", allowed.join(", "));
            violations.push(Violation::new(format!("filter.anomaly_rules[{index}]"), what));
        }
    }
    OrderFilter {
        words: wanted,
        open_reasons: asked.open_reasons.clone(),
        has_open_exception: asked.has_open_exception,
        warehouses: asked.warehouses.clone(),
        sources: asked.sources.clone(),
        updated_since_ns,
        stage_age: asked.stage_age.as_ref().and_then(|age| stage_age(age, violations)),
        anomaly_rules: asked.anomaly_rules.clone(),
    }
}

fn stage_age(age: &StageAge, violations: &mut Vec<Violation>) -> Option<(Dimension, u64)> {
    let named = StatusDimension::try_from(age.dimension).ok().and_then(Dimension::of);
    let least = age.at_least.unwrap_or_default();
    let ns = ns_from_parts(least.seconds, least.nanos).and_then(|ns| u64::try_from(ns).ok());
    if named.is_none() {
        let what = "not said; allowed are 1 (commercial) to 5 (return)";
        violations.push(Violation::new("filter.stage_age.dimension", what));
    }
    if ns.is_none() {
        let what = "out of range; allowed is 0 s to 292 years";
        violations.push(Violation::new("filter.stage_age.at_least", what));
    }
    named.zip(ns)
}
