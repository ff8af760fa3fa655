//! `ExportEvidence`: which orders, and the bytes of the file as a stream. Does not know what the file
//! is made of.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::audit::Audits;
use super::convert::as_of;
use super::orders::list_orders;
use super::query::{blocking, reach};
use super::status::{IntoStatus as _, invalid};
use super::wire;
use crate::audit::{AuditError, EvidenceQuery};
use crate::event::Violation;
use crate::ledger::{AsOf, Ledger, QueryError};
use crate::proto::{ListOrdersRequest, OrderFilter};

/// Orders in a file that were asked for.
const ORDERS_MAX: usize = 1_000;
/// Bytes of the file in a message.
const CHUNK_BYTES: usize = 128 * 1024;
/// Messages that wait for a slow reader.
const CHUNKS_WAITING: usize = 4;

type Chunks = ReceiverStream<Result<wire::ExportEvidenceResponse, Status>>;

/// Makes the file, and sends it. Nothing more is done for a client that has gone.
pub(super) async fn export_evidence(
    audits: &Audits,
    request: wire::ExportEvidenceRequest,
) -> Result<Chunks, Status> {
    let as_of = basis_of(audits.ledger(), request.as_of.unwrap_or_default()).await?;
    let correlation_ids =
        orders_of(audits.ledger(), request.correlation_ids, request.filter).await?;
    let query = EvidenceQuery { correlation_ids, as_of, covers: request.covers };
    let audit = Arc::clone(audits.open().await.map_err(AuditError::into_status)?);
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let file = match audit.evidence_while(&query, || !sender.is_closed()) {
            Ok(file) => Bytes::from(file),
            Err(error) => {
                let _ = sender.blocking_send(Err(error.into_status()));
                return;
            }
        };
        let parts = (0..file.len()).step_by(CHUNK_BYTES);
        for part in parts.map(|at| file.slice(at..file.len().min(at + CHUNK_BYTES))) {
            let message = wire::ExportEvidenceResponse { data: part };
            if sender.blocking_send(Ok(message)).is_err() {
                return;
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
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

/// The orders that are named, and behind them those that pass the filter, each one once.
async fn orders_of(
    ledger: &Arc<Ledger>,
    named: Vec<String>,
    filter: Option<OrderFilter>,
) -> Result<Vec<String>, Status> {
    let refused = |field: &str, what: String| Err(invalid(&[Violation::new(field, what)]));
    let most = || format!("more than {ORDERS_MAX} orders; a file has at most so many");
    if let Some(index) = named.iter().position(String::is_empty) {
        return refused(&format!("correlation_ids[{index}]"), "missing; name an order".to_owned());
    }
    let mut seen = HashSet::new();
    let mut orders: Vec<String> = named;
    orders.retain(|order| seen.insert(order.clone()));
    if orders.len() > ORDERS_MAX {
        return refused("correlation_ids", most());
    }
    let has_filter = filter.is_some();
    let mut request = ListOrdersRequest { filter, ..ListOrdersRequest::default() };
    while has_filter {
        let page = list_orders(ledger, request.clone()).await?;
        let found = page.orders.into_iter().map(|order| order.correlation_id);
        orders.extend(found.filter(|order| seen.insert(order.clone())));
        if orders.len() > ORDERS_MAX {
            return refused("filter", most());
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    match (orders.is_empty(), has_filter) {
        (false, _) => Ok(orders),
        (true, true) => refused("filter", "no order passes; a file has at least one".to_owned()),
        (true, false) => {
            refused("correlation_ids", "missing; a file has at least one order".to_owned())
        }
    }
}
