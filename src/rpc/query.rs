//! Queries about one order. Does not know how a timeline is made.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};

use super::convert::{as_of, receipt, recorded_event};
use super::status::{IntoStatus as _, invalid, status};
use super::wire;
use crate::event::Violation;
use crate::ledger::{
    AsOf, FailureClass, Ledger, QueryError, SourceWatermark, Timeline, TimelineQuery,
};
use crate::order::differences;
use crate::proto;
use crate::time::{signed, timestamp};

/// How long a query waits for the head that it asks for.
const AT_LEAST_WAIT: Duration = Duration::from_secs(5);
/// Rows of a page where the request does not say.
const PAGE_ROWS: usize = 1_000;
/// Bytes of events in a page, so that it fits into a message.
const PAGE_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Runs a query where it may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    query: impl FnOnce(&Ledger) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, Status> {
    let ledger = Arc::clone(ledger);
    let answer = tokio::task::spawn_blocking(move || query(&ledger)).await;
    let answer = answer.map_err(|error| {
        status(Code::Internal, "INTERNAL", FailureClass::Refused, error.to_string())
    })?;
    answer.map_err(QueryError::into_status)
}

/// Waits for the head that a basis asks for.
pub(super) async fn reach(ledger: &Ledger, basis: Option<&proto::Basis>) -> Result<(), Status> {
    let at_least = basis.map_or(0, |basis| basis.at_least);
    if ledger.head() >= at_least {
        return Ok(());
    }
    let reached = tokio::time::timeout(AT_LEAST_WAIT, ledger.head_at_least(at_least)).await;
    match reached {
        Ok(head) if head >= at_least => Ok(()),
        _ => Err(status(
            Code::Unavailable,
            "BASIS_NOT_REACHED",
            FailureClass::NotWritten,
            format!(
                "the head is {} and did not reach basis.at_least = {at_least} within {} s",
                ledger.head(),
                AT_LEAST_WAIT.as_secs()
            ),
        )),
    }
}

/// An order's name must be given.
pub(super) fn named(correlation_id: &str) -> Result<(), Status> {
    if correlation_id.is_empty() {
        let what = "missing; the request is about one order";
        return Err(invalid(&[Violation::new("correlation_id", what)]));
    }
    Ok(())
}

pub(super) async fn get_order(
    ledger: &Arc<Ledger>,
    request: wire::GetOrderRequest,
) -> Result<wire::GetOrderResponse, Status> {
    named(&request.correlation_id)?;
    let as_of = as_of(request.basis.as_ref(), request.as_of_occurred.as_ref())
        .map_err(|violations| invalid(&violations))?;
    reach(ledger, request.basis.as_ref()).await?;
    let other = match &request.compare_with {
        None => None,
        Some(other) => {
            let as_of = super::convert::as_of(other.basis.as_ref(), other.as_of_occurred.as_ref());
            reach(ledger, other.basis.as_ref()).await?;
            let within = |violation: Violation| violation.within("compare_with");
            Some(as_of.map_err(|violations| {
                invalid(&violations.into_iter().map(within).collect::<Vec<_>>())
            })?)
        }
    };
    let id = request.correlation_id;
    let short = if other.is_some() { Ok(None) } else { ledger.get_short_order(&id, as_of) };
    if let Some(found) = short.map_err(QueryError::into_status)? {
        let (order, basis) = (Some(found.state), found.basis);
        return Ok(wire::GetOrderResponse { order, basis, ..wire::GetOrderResponse::default() });
    }
    blocking(ledger, move |ledger| {
        let found = ledger.get_order(&id, as_of)?;
        let compared = other.map(|other| ledger.get_order(&id, other)).transpose();
        let compared = compared.map_err(of_compared)?;
        let differences = compared.as_ref().map(|one| differences(&one.state, &found.state));
        Ok(wire::GetOrderResponse {
            order: Some(found.state),
            basis: found.basis,
            differences: differences.unwrap_or_default(),
            compared_basis: compared.map(|one| one.basis),
        })
    })
    .await
}

/// An error of the state that is compared with, named as the request names it.
fn of_compared(error: QueryError) -> QueryError {
    if let QueryError::InFuture { field, asked_ns, latest_ns } = error {
        let field = format!("compare_with.{field}");
        return QueryError::InFuture { field, asked_ns, latest_ns };
    }
    error
}

pub(super) async fn get_append_outcome(
    ledger: &Arc<Ledger>,
    request: wire::GetAppendOutcomeRequest,
) -> Result<wire::GetAppendOutcomeResponse, Status> {
    named(&request.correlation_id)?;
    blocking(ledger, move |ledger| {
        let wire::GetAppendOutcomeRequest { correlation_id, source, event_id } = request;
        let (found, basis) = ledger.get_append_outcome(&correlation_id, &source, &event_id)?;
        let receipt = found.as_ref().map(receipt);
        Ok(wire::GetAppendOutcomeResponse { receipt, basis })
    })
    .await
}

pub(super) async fn get_head(
    ledger: &Arc<Ledger>,
    include_sources: bool,
) -> Result<wire::GetHeadResponse, Status> {
    blocking(ledger, move |ledger| {
        let sizes = ledger.sizes()?;
        // The views may go on between the two: both sides of the answer are of one state of them.
        let (sources, view_basis) = if include_sources {
            ledger.source_watermarks()?
        } else {
            (Vec::new(), sizes.view_basis)
        };
        Ok(wire::GetHeadResponse {
            segment_count: sizes.segment_count,
            log_bytes: sizes.log_bytes,
            view_bytes: sizes.view_bytes,
            view_basis,
            head: ledger.head(),
            ledger_id: ledger.id().to_owned(),
            recorded_at: ledger.recorded_at_ns().map(|ns| timestamp(signed(ns))),
            order_count: ledger.order_count()?,
            sources: sources.into_iter().map(watermark).collect(),
        })
    })
    .await
}

pub(super) async fn get_timeline(
    ledger: &Arc<Ledger>,
    request: wire::GetTimelineRequest,
) -> Result<wire::GetTimelineResponse, Status> {
    named(&request.correlation_id)?;
    let as_of = as_of(request.basis.as_ref(), request.as_of_occurred.as_ref())
        .map_err(|violations| invalid(&violations))?;
    reach(ledger, request.basis.as_ref()).await?;
    let rows_max = ledger.limits().page_rows_max;
    let asked = usize::try_from(request.page_size).unwrap_or(usize::MAX);
    let limit = if asked == 0 { PAGE_ROWS } else { asked }.min(rows_max);
    let page = Page::of(ledger.id(), &request, as_of)?;
    let query = TimelineQuery {
        correlation_id: request.correlation_id,
        as_of: page.as_of(as_of),
        skip: page.skip,
        limit: Some(limit),
        bytes_max: Some(PAGE_BYTES_MAX),
        omit_effects: request.omit_effects,
    };
    let include_hashes = request.include_hashes;
    let short = ledger.get_short_timeline(&query).map_err(QueryError::into_status)?;
    let timeline = if let Some(timeline) = short {
        timeline
    } else {
        let query = query.clone();
        blocking(ledger, move |ledger| ledger.get_timeline(&query)).await?
    };
    Ok(timeline_response(&timeline, page.after(&query, &timeline), include_hashes))
}

fn watermark(source: SourceWatermark) -> wire::SourceWatermark {
    wire::SourceWatermark {
        source: source.source,
        event_count: source.event_count,
        occurred_at: source.occurred_at_ns.map(timestamp),
        recorded_at: Some(timestamp(signed(source.recorded_at_ns))),
        offset: source.offset,
    }
}

fn timeline_response(
    timeline: &Timeline,
    next: Page,
    include_hashes: bool,
) -> wire::GetTimelineResponse {
    let rows = timeline.rows.iter().map(|row| wire::TimelineRow {
        event: Some(recorded_event(&row.recorded, include_hashes)),
        late_by: (row.late_ns > 0).then(|| duration(row.late_ns)),
        effects: row.effects.clone(),
        linked_from: row.linked_from.clone().unwrap_or_default(),
    });
    wire::GetTimelineResponse {
        rows: rows.collect(),
        revision: timeline.revision,
        basis: timeline.basis,
        next_page_token: if timeline.has_more { next.token() } else { String::new() },
    }
}

fn duration(ns: u64) -> prost_types::Duration {
    let parts = timestamp(signed(ns));
    prost_types::Duration { seconds: parts.seconds, nanos: parts.nanos }
}

/// Where a page begins. Its token names the ledger and the request that it belongs to.
#[derive(Clone, Copy)]
struct Page {
    request: u32,
    basis: Option<u64>,
    skip: usize,
}

impl Page {
    fn of(
        ledger_id: &str,
        request: &wire::GetTimelineRequest,
        as_of: AsOf,
    ) -> Result<Self, Status> {
        let about = format!("{ledger_id} {} {as_of:?}", request.correlation_id);
        let first = Self { request: crc32fast::hash(about.as_bytes()), basis: None, skip: 0 };
        if request.page_token.is_empty() {
            return Ok(first);
        }
        let mut parts = request.page_token.splitn(3, '.');
        let mut part = |radix| parts.next().and_then(|part| u64::from_str_radix(part, radix).ok());
        match (part(16), part(10), part(10)) {
            (Some(about), Some(basis), Some(skip)) if about == u64::from(first.request) => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                Ok(Self { basis: Some(basis), skip, ..first })
            }
            _ => Err(QueryError::PageToken.into_status()),
        }
    }

    /// Later pages are answered at the basis of the first.
    fn as_of(&self, as_of: AsOf) -> AsOf {
        AsOf { offset: self.basis.or(as_of.offset), ..as_of }
    }

    fn after(self, query: &TimelineQuery, timeline: &Timeline) -> Self {
        Self { basis: Some(timeline.basis), skip: query.skip + timeline.rows.len(), ..self }
    }

    fn token(&self) -> String {
        format!("{:08x}.{}.{}", self.request, self.basis.unwrap_or(0), self.skip)
    }
}
