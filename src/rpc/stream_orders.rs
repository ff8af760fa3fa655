//! `StreamOrders`: each order that changed, with its state, part by part of the log.
//! Does not know how a state is folded, nor how a stream goes on.

use std::sync::Arc;

use prost::Message as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::service::Shutdown;
use super::stream::{Begin, Feed, Mark, start};
use super::wire;
use super::wire::stream_orders_response::Message;
use crate::ledger::{AsOf, Ledger, QueryError, Replay};

/// Bytes of orders in a message, about; a large order may exceed it alone.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// Starts a stream of orders.
pub(super) async fn stream_orders(
    ledger: &Arc<Ledger>,
    request: wire::StreamOrdersRequest,
    shutdown: Shutdown,
) -> Result<ReceiverStream<Result<wire::StreamOrdersResponse, Status>>, Status> {
    let begin =
        move |_: &Ledger| Ok(Begin { from_offset: request.from_offset, follow: request.follow });
    start(ledger, begin, Orders { ledger: Arc::clone(ledger) }, shutdown).await
}

/// Orders that a part of the log changed, at the end of that part.
struct Orders {
    ledger: Arc<Ledger>,
}

impl Feed for Orders {
    type Message = wire::StreamOrdersResponse;

    fn next(&mut self, replay: &mut Replay) -> Result<Vec<wire::StreamOrdersResponse>, QueryError> {
        let begin = replay.next_offset();
        let chunk = replay.next_chunk()?;
        if chunk.is_empty() {
            return Ok(Vec::new());
        }
        let basis = chunk.to();
        let as_of = AsOf { offset: Some(basis), ..AsOf::default() };
        let empty = || wire::OrderChunk { orders: Vec::new(), scanned_to: begin };
        let (mut messages, mut current, mut length) = (Vec::new(), empty(), 0);
        for order in self.ledger.changed_orders(&chunk, basis)? {
            let state = self.ledger.get_order(&order, as_of)?.state;
            length += state.encoded_len();
            current.orders.push(wire::ChangedOrder { order: Some(state), basis });
            if length >= MESSAGE_BYTES {
                let full = std::mem::replace(&mut current, empty());
                messages.push(message(Message::Orders(full)));
                length = 0;
            }
        }
        current.scanned_to = basis;
        messages.push(message(Message::Orders(current)));
        Ok(messages)
    }

    fn is_done(&self) -> bool {
        false
    }
}

impl From<Mark> for wire::StreamOrdersResponse {
    fn from(mark: Mark) -> Self {
        message(match mark {
            Mark::Progress(progress) => Message::Progress(progress),
            Mark::CaughtUp(caught_up) => Message::CaughtUp(caught_up),
            Mark::Closed(closed) => Message::Closed(closed),
        })
    }
}

fn message(message: Message) -> wire::StreamOrdersResponse {
    wire::StreamOrdersResponse { message: Some(message) }
}
