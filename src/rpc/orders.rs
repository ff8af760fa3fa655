//! Lists of orders and look-ups by reference. Does not know how orders are found.

use std::sync::Arc;

use tonic::Status;

use super::query::{blocking, reach};
use super::status::{IntoStatus as _, invalid};
use super::wire;
use crate::event::{Violation, from_hex, to_hex};
use crate::ledger::{
    FindPosition, FindQuery, FoundOrder, Ledger, ListPosition, ListQuery, ListSort, OrderFilter,
    QueryError,
};
use crate::order::{Dimension, RULES};
use crate::proto::{StageAge, StatusDimension};
use crate::time::{now_ns, ns_from_parts, signed};

/// Rows that are looked up in less time than another thread takes to wake.
const SHORT_ROWS_MAX: usize = 4;
/// Rows of a page where the request does not say, and at most.
const PAGE_ROWS: u32 = 100;
const PAGE_ROWS_MAX: u32 = 1_000;

pub(super) async fn find_orders(
    ledger: &Arc<Ledger>,
    request: wire::FindOrdersRequest,
) -> Result<wire::FindOrdersResponse, Status> {
    let mut violations = Vec::new();
    if request.value.is_empty() {
        let what = "missing; the number or name that is looked for";
        violations.push(Violation::new("value", what));
    }
    let limit = page_rows(request.page_size, &mut violations);
    only_at_head(request.basis.as_ref(), &mut violations);
    refuse(&violations)?;
    let asked = (&request.value, &request.r#type, &request.issuer);
    let about = format!("{} {asked:?}", ledger.id());
    let after = match token_of(&request.page_token, &about)? {
        None => None,
        Some(rest) => Some(FindPosition(from_hex(rest).ok_or_else(bad_token)?)),
    };
    reach_views(ledger, request.basis.as_ref()).await?;
    let said = |text: String| (!text.is_empty()).then_some(text);
    let query = FindQuery {
        value: request.value,
        kind: said(request.r#type),
        issuer: said(request.issuer),
        limit,
        after,
    };
    let first = FindQuery { limit: limit.min(SHORT_ROWS_MAX), ..query.clone() };
    let mut found = ledger.find_orders(&first).map_err(QueryError::into_status)?;
    if found.next.is_some() && limit > SHORT_ROWS_MAX {
        found = blocking(ledger, move |ledger| ledger.find_orders(&query)).await?;
    }
    let next = found.next.map(|next| token(&about, &to_hex(&next.0)));
    Ok(wire::FindOrdersResponse {
        orders: found.rows.into_iter().map(found_order).collect(),
        basis: found.basis,
        next_page_token: next.unwrap_or_default(),
    })
}

/// Waits until the views go to the head that there is now, or that a basis asks for.
async fn reach_views(ledger: &Ledger, basis: Option<&wire::Basis>) -> Result<(), Status> {
    reach(ledger, basis).await?;
    ledger.views_reach(ledger.head()).await.map(drop).map_err(QueryError::into_status)
}

fn found_order(found: FoundOrder) -> wire::FoundOrder {
    wire::FoundOrder {
        order: Some(found.status.to_message(&found.correlation_id)),
        reference: Some(found.reference),
    }
}

pub(super) async fn list_orders(
    ledger: &Arc<Ledger>,
    request: wire::ListOrdersRequest,
) -> Result<wire::ListOrdersResponse, Status> {
    let mut violations = Vec::new();
    let limit = page_rows(request.page_size, &mut violations);
    only_at_head(request.basis.as_ref(), &mut violations);
    let asked = request.filter.clone().unwrap_or_default();
    let filter = filter_of(&asked, &mut violations);
    let sort = match wire::OrderSort::try_from(request.sort) {
        Ok(wire::OrderSort::Unspecified | wire::OrderSort::Updated) => ListSort::Updated,
        Ok(wire::OrderSort::FirstSeen) => ListSort::FirstSeen,
        Ok(wire::OrderSort::StageAge) => ListSort::StageAge(
            filter.stage_age.map_or(Dimension::Fulfillment, |(dimension, _)| dimension),
        ),
        Err(_) => {
            let what = "not a sort order; allowed are 1 (updated), 2 (first seen), 3 (stage age)";
            violations.push(Violation::new("sort", what));
            ListSort::Updated
        }
    };
    refuse(&violations)?;
    let about = format!("{} {asked:?} {sort:?} {}", ledger.id(), request.reverse);
    let after = match token_of(&request.page_token, &about)? {
        None => None,
        Some(rest) => Some(list_position(rest).ok_or_else(bad_token)?),
    };
    reach_views(ledger, request.basis.as_ref()).await?;
    let now_ns = signed(now_ns());
    let query = ListQuery { filter, sort, reverse: request.reverse, limit, after, now_ns };
    blocking(ledger, move |ledger| {
        let list = ledger.list_orders(&query)?;
        let next = list.next.map(|next| token(&about, &format!("{}.{}", next.rank, next.number)));
        Ok(wire::ListOrdersResponse {
            orders: list.rows.iter().map(|(order, status)| status.to_message(order)).collect(),
            basis: list.basis,
            next_page_token: next.unwrap_or_default(),
        })
    })
    .await
}

fn list_position(text: &str) -> Option<ListPosition> {
    let (rank, number) = text.split_once('.')?;
    Some(ListPosition { rank: rank.parse().ok()?, number: number.parse().ok()? })
}

fn filter_of(asked: &wire::OrderFilter, violations: &mut Vec<Violation>) -> OrderFilter {
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

fn page_rows(asked: u32, violations: &mut Vec<Violation>) -> usize {
    if asked > PAGE_ROWS_MAX {
        let what = format!("{asked}; allowed is at most {PAGE_ROWS_MAX}");
        violations.push(Violation::new("page_size", what));
    }
    let rows = if asked == 0 { PAGE_ROWS } else { asked };
    crate::num::usize_from(rows)
}

/// Lists are kept for the head alone.
fn only_at_head(basis: Option<&wire::Basis>, violations: &mut Vec<Violation>) {
    let Some(basis) = basis else { return };
    let older = [
        ("basis.as_of_offset", basis.as_of_offset.is_some()),
        ("basis.as_of_recorded", basis.as_of_recorded.is_some()),
    ];
    for (field, given) in older {
        if given {
            let what = "not kept for lists; allowed is at_least, and GetOrder has older states";
            violations.push(Violation::new(field, what));
        }
    }
}

fn refuse(violations: &[Violation]) -> Result<(), Status> {
    if violations.is_empty() { Ok(()) } else { Err(invalid(violations)) }
}

/// A token names the ledger and the request that it belongs to.
fn token(about: &str, rest: &str) -> String {
    format!("{:08x}.{rest}", crc32fast::hash(about.as_bytes()))
}

fn token_of<'t>(token: &'t str, about: &str) -> Result<Option<&'t str>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let (request, rest) = token.split_once('.').ok_or_else(bad_token)?;
    let request = u32::from_str_radix(request, 16).ok();
    if request == Some(crc32fast::hash(about.as_bytes())) {
        Ok(Some(rest))
    } else {
        Err(bad_token())
    }
}

fn bad_token() -> Status {
    QueryError::PageToken.into_status()
}
