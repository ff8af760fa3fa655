//! What a report asks the ledger. All answers of one report are about one head. Does not know what
//! is made of them.

use bytes::Bytes;
use prost::Message as _;
use prost_types::Timestamp;

use super::order::{Answers, Known, Then, say_unknown};
use super::period::{LateOrder, PeriodReport};
use crate::cli::as_of::basis;
use crate::cli::failure::{Exit, Failure};
use crate::proto::{self, Basis, Order};
use crate::rpc::wire::replay_response::Message;
use crate::rpc::{AuditClient, LedgerClient, SILENCE_MAX, heard, wire};

/// The state of one order.
fn request(order: &str, basis: Basis, occurred: Option<Timestamp>) -> wire::GetOrderRequest {
    wire::GetOrderRequest {
        correlation_id: order.to_owned(),
        basis: Some(basis),
        as_of_occurred: occurred,
        compare_with: None,
    }
}

/// What is known of one order now, compared with what was known then.
async fn compared(
    client: &mut LedgerClient,
    (order, then): (&str, &Then),
    now: Option<u64>,
) -> Result<(wire::GetOrderResponse, u64), Failure> {
    let occurred = Some(then.occurred_by());
    let other = wire::OrderBasis { basis: Some(then.basis()), as_of_occurred: occurred };
    let mut asked = request(order, basis(now, None), occurred);
    asked.compare_with = Some(other);
    let answer = client.get_order(asked).await?.into_inner();
    match answer.compared_basis {
        Some(before) => Ok((answer, before)),
        None => Err(Failure::failed("the server did not compare")),
    }
}

/// All that a report of one order is made of.
pub(super) async fn order(
    client: &mut LedgerClient,
    order: &str,
    then: &Then,
) -> Result<Answers, Failure> {
    let occurred = Some(then.occurred_by());
    let (answer, before) = compared(client, (order, then), None).await?;
    let now = Known { basis: answer.basis, order: answer.order.unwrap_or_default() };
    let at_then = state(client, request(order, basis(Some(before), None), occurred)).await?;
    let all = state(client, request(order, basis(Some(now.basis), None), None)).await?;
    Ok(Answers {
        then: Known { basis: before, order: at_then },
        differences: answer.differences,
        counted: timeline(client, (order, occurred), now.basis).await?,
        all: timeline(client, (order, None), now.basis).await?,
        corrections: all.corrections,
        now,
    })
}

async fn state(
    client: &mut LedgerClient,
    request: wire::GetOrderRequest,
) -> Result<Order, Failure> {
    Ok(client.get_order(request).await?.into_inner().order.unwrap_or_default())
}

/// The timeline of one order, all pages of it.
async fn timeline(
    client: &mut LedgerClient,
    (order, occurred): (&str, Option<Timestamp>),
    head: u64,
) -> Result<Vec<wire::TimelineRow>, Failure> {
    let mut request = wire::GetTimelineRequest {
        correlation_id: order.to_owned(),
        basis: Some(basis(Some(head), None)),
        as_of_occurred: occurred,
        ..Default::default()
    };
    let mut rows = Vec::new();
    loop {
        let page = client.get_timeline(request.clone()).await?.into_inner();
        rows.extend(page.rows);
        if page.next_page_token.is_empty() {
            return Ok(rows);
        }
        request.page_token = page.next_page_token;
    }
}

/// The period of a label; where there is none, the labels that there are.
pub(super) async fn period(
    client: &mut AuditClient,
    label: &str,
) -> Result<proto::Period, Failure> {
    let all = client.list_periods(proto::ListPeriodsRequest::default()).await?.into_inner();
    let labels: Vec<&str> = all.periods.iter().map(|period| period.label.as_str()).collect();
    let labels = match labels.join(", ") {
        none if none.is_empty() => "no period was closed".to_owned(),
        labels => format!("closed are: {labels}"),
    };
    let found = all.periods.into_iter().find(|period| period.label == label);
    found.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("no period {label}")).with_details(vec![labels])
    })
}

/// Fills a report from the log behind what the period covers.
pub(super) async fn read_log(
    client: &mut LedgerClient,
    report: &mut PeriodReport,
) -> Result<(), Failure> {
    let request = wire::ReplayRequest { from_offset: report.period.covered, ..Default::default() };
    let mut messages = client.replay(request).await?.into_inner();
    loop {
        let next = heard(&mut messages, SILENCE_MAX).await?;
        let Some(next) = next else {
            return Err(Failure::failed("the stream ended without a word of why"));
        };
        match next.message {
            Some(Message::Events(chunk)) => {
                events_of(chunk)?.iter().for_each(|recorded| report.take(recorded));
            }
            Some(Message::Closed(closed)) => {
                if closed.reason() == wire::ReplayClosedReason::ShuttingDown {
                    return Err(Failure::failed("the server shuts down; ask again"));
                }
                report.head = closed.resume_from;
                return Ok(());
            }
            Some(Message::Progress(_) | Message::CaughtUp(_)) | None => {}
        }
    }
}

fn events_of(chunk: Bytes) -> Result<Vec<wire::RecordedEvent>, Failure> {
    let chunk = wire::EventChunk::decode(chunk);
    let chunk = chunk.map_err(|error| Failure::failed(format!("not an event chunk: {error}")))?;
    Ok(chunk.events)
}

/// What the late events of one order change.
pub(super) async fn changes(
    client: &mut LedgerClient,
    (order, then): (&mut LateOrder, &Then),
    head: u64,
) -> Result<(), Failure> {
    let id = order.correlation_id.clone();
    let (answer, _) = compared(client, (&id, then), Some(head)).await?;
    order.differences = answer.differences;
    let mut fields = order.differences.iter();
    if fields.any(|one| one.field == "revision" && matches!(&*one.before, "" | "0")) {
        say_unknown(&mut order.differences);
    }
    let rows = timeline(client, (&id, Some(then.occurred_by())), head).await?;
    order.heed(&rows);
    Ok(())
}
