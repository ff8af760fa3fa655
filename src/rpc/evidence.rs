//! `ExportEvidence`: which orders, and the bytes of the file as a stream.
//! Does not know what the file is made of.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::audit::{Audits, blocking as audited};
use super::convert::as_of;
use super::orders::list_orders;
use super::query::{blocking, reach};
use super::reads::Reader;
use super::status::{IntoStatus as _, invalid, status};
use super::wire;
use crate::audit::{AuditError, EvidenceQuery, Exported};
use crate::event::Violation;
use crate::ledger::{AsOf, FailureClass, Ledger, QueryError};
use crate::proto::{ListOrdersRequest, OrderFilter};

/// Orders in a file that were asked for.
const ORDERS_MAX: usize = 1_000;
/// Bytes of the file in a message.
const CHUNK_BYTES: usize = 128 * 1024;
/// Messages that wait for a slow reader.
const CHUNKS_WAITING: usize = 4;

type Chunks = ReceiverStream<Result<wire::ExportEvidenceResponse, Status>>;

/// Makes the file, and sends it. Nothing more is done for a client that has gone. Who reads is
/// recorded when the request is known to be sound, and of histories that nobody named before they
/// are shown.
pub(super) async fn export_evidence(
    audits: &Audits,
    request: wire::ExportEvidenceRequest,
    reader: Option<Reader>,
) -> Result<Chunks, Status> {
    let as_of = basis_of(audits.ledger(), request.as_of.unwrap_or_default()).await?;
    let (named, found) =
        orders_of(audits.ledger(), request.correlation_ids, request.filter).await?;
    if let Some(reader) = &reader {
        reader.reads_each(named.iter().map(String::as_str), "").await?;
        reader.reads_each(found.iter().map(String::as_str), "passes a filter").await?;
    }
    let correlation_ids = [named, found].concat();
    let query = EvidenceQuery { correlation_ids, as_of, covers: request.covers };
    let audit = Arc::clone(audits.open().await.map_err(AuditError::into_status)?);
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    tokio::spawn(async move {
        let client = sender.clone();
        let made = audited(move || audit.evidence_while(&query, || !client.is_closed()));
        let file = match recorded(made.await, reader).await {
            Ok(file) => Bytes::from(file),
            Err(status) => {
                let _ = sender.send(Err(status)).await;
                return;
            }
        };
        let parts = (0..file.len()).step_by(CHUNK_BYTES);
        for part in parts.map(|at| file.slice(at..file.len().min(at + CHUNK_BYTES))) {
            let message = wire::ExportEvidenceResponse { data: part };
            if sender.send(Ok(message)).await.is_err() {
                return;
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// The bytes of a file, when it is recorded who reads the histories that came along.
async fn recorded(
    made: Result<Exported, Status>,
    reader: Option<Reader>,
) -> Result<Vec<u8>, Status> {
    let Exported { file, linked } = made?;
    if let Some(reader) = reader {
        reader.reads_each(linked.iter().map(String::as_str), "linked").await?;
    }
    Ok(file)
}

/// As of when orders are shown; a state that is not there yet is refused, as a question about one
/// order is.
async fn basis_of(ledger: &Arc<Ledger>, asked: wire::OrderBasis) -> Result<AsOf, Status> {
    let found = as_of(asked.basis.as_ref(), asked.as_of_occurred.as_ref());
    let within = |violation: Violation| violation.within("as_of");
    let as_of = found
        .map_err(|violations| invalid(&violations.into_iter().map(within).collect::<Vec<_>>()))?;
    reach(ledger, asked.basis.as_ref()).await?;
    blocking(ledger, move |ledger| ledger.basis(as_of).map_err(of_as_of)).await?;
    Ok(as_of)
}

/// An error of the basis, named as the request names it.
fn of_as_of(error: QueryError) -> QueryError {
    if let QueryError::InFuture { field, asked_ns, latest_ns } = error {
        return QueryError::InFuture { field: format!("as_of.{field}"), asked_ns, latest_ns };
    }
    error
}

/// The orders that are named, and beside them those that pass the filter, each one once.
async fn orders_of(
    ledger: &Arc<Ledger>,
    mut named: Vec<String>,
    filter: Option<OrderFilter>,
) -> Result<(Vec<String>, Vec<String>), Status> {
    let refused = |field: &str, what: String| Err(invalid(&[Violation::new(field, what)]));
    let most = || format!("more than {ORDERS_MAX} orders; a file has at most so many");
    if let Some(index) = named.iter().position(String::is_empty) {
        return refused(&format!("correlation_ids[{index}]"), "missing; name an order".to_owned());
    }
    let mut seen = HashSet::new();
    named.retain(|order| seen.insert(order.clone()));
    if named.len() > ORDERS_MAX {
        return refused("correlation_ids", most());
    }
    let has_filter = filter.is_some();
    let mut request = ListOrdersRequest { filter, ..ListOrdersRequest::default() };
    let (mut found, mut more) = (Vec::new(), has_filter);
    while more {
        let page = list_orders(ledger, request.clone()).await?;
        let passing = page.orders.into_iter().map(|order| order.correlation_id);
        found.extend(passing.filter(|order| seen.insert(order.clone())));
        if seen.len() > ORDERS_MAX {
            return refused("filter", most());
        }
        more = !page.next_page_token.is_empty();
        request.page_token = page.next_page_token;
    }
    match (seen.is_empty(), has_filter) {
        (false, _) => Ok((named, found)),
        (true, true) => {
            let what = "no order passes the filter; a file has at least one".to_owned();
            Err(status(Code::NotFound, "NO_ORDER", FailureClass::Refused, what))
        }
        (true, false) => {
            refused("correlation_ids", "missing; a file has at least one order".to_owned())
        }
    }
}
