//! `StreamOrders`: each order that changed, with its state, part by part of the log.
//! Does not know how a state is folded, nor how a stream goes on.

use std::sync::Arc;

use prost::Message as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::service::Pace;
use super::stream::{Begin, Feed, Mark, Step, start};
use super::wire;
use super::wire::stream_orders_response::Message;
use crate::ledger::{AsOf, Ledger, QueryError, Replay};

/// Bytes of orders in a message, about; a large order may exceed it alone.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// Starts a stream of orders.
pub(super) async fn stream_orders(
    ledger: &Arc<Ledger>,
    request: wire::StreamOrdersRequest,
    pace: Pace,
) -> Result<ReceiverStream<Result<wire::StreamOrdersResponse, Status>>, Status> {
    let wire::StreamOrdersRequest { from_offset, follow } = request;
    let (filters, with_ledger_entries) = (Vec::new(), false);
    let begin = move |_: &Ledger| Ok(Begin { from_offset, filters, with_ledger_entries, follow });
    start(ledger, begin, Orders { ledger: Arc::clone(ledger), part: None }, pace).await
}

/// Orders that a part of the log changed, at the end of that part.
struct Orders {
    ledger: Arc<Ledger>,
    /// The part that is being sent.
    part: Option<Part>,
}

/// A part of the log, with the orders in it that were not sent yet.
struct Part {
    begin: u64,
    basis: u64,
    orders: std::vec::IntoIter<String>,
}

impl Feed for Orders {
    type Message = wire::StreamOrdersResponse;

    fn next(
        &mut self,
        replay: &mut Replay,
    ) -> Result<Option<Step<wire::StreamOrdersResponse>>, QueryError> {
        if self.part.is_none() {
            self.part = self.next_part(replay)?;
        }
        let Some(part) = &mut self.part else {
            return Ok(None);
        };
        let as_of = AsOf { offset: Some(part.basis), ..AsOf::default() };
        let (mut orders, mut length) = (Vec::new(), 0);
        while length < MESSAGE_BYTES
            && let Some(order) = part.orders.next()
        {
            let state = self.ledger.get_order(&order, as_of)?.state;
            length += state.encoded_len();
            orders.push(wire::ChangedOrder { order: Some(state), basis: part.basis });
        }
        // Who resumes in the middle of a part begins it again.
        let is_last = part.orders.len() == 0;
        let reached = if is_last { part.basis } else { part.begin };
        if is_last {
            self.part = None;
        }
        let message = message(Message::Orders(wire::OrderChunk { orders, scanned_to: reached }));
        Ok(Some(Step { message: Some(message), reached }))
    }

    fn is_done(&self) -> bool {
        false
    }
}

impl Orders {
    fn next_part(&self, replay: &mut Replay) -> Result<Option<Part>, QueryError> {
        let begin = replay.next_offset();
        let chunk = replay.next_chunk()?;
        if chunk.is_empty() {
            return Ok(None);
        }
        let basis = chunk.to();
        let orders = self.ledger.changed_orders(&chunk, basis)?.into_iter();
        Ok(Some(Part { begin, basis, orders }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::ledger::{Batch, Options};
    use crate::proto::{Line, OrderEvent};

    fn event(order: usize) -> Event {
        let line =
            |n| Line { line_id: format!("{n:0>60}"), quantity: "1".into(), ..Line::default() };
        let event = OrderEvent {
            correlation_id: format!("erp/{order}"),
            source: "wms".into(),
            event_id: "1".into(),
            r#type: "pick.confirmed".into(),
            lines: (0..400).map(line).collect(),
            ..OrderEvent::default()
        };
        Event::new(&event).unwrap()
    }

    #[test]
    fn a_part_of_large_orders_is_made_message_by_message() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::open(&folder, Options::default()).unwrap());
        ledger.append(Batch::of((0..60).map(event))).unwrap();
        let mut feed = Orders { ledger: Arc::clone(&ledger), part: None };
        let mut replay = ledger.replay(0).unwrap();
        let mut steps = Vec::new();
        while let Some(step) = feed.next(&mut replay).unwrap() {
            let Some(Message::Orders(chunk)) = step.message.unwrap().message else { panic!() };
            assert_eq!(chunk.scanned_to, step.reached);
            steps.push((chunk.orders.len(), step.reached));
        }
        let (last, before) = steps.split_last().unwrap();
        assert!(before.len() > 1, "one part, several messages: {steps:?}");
        assert!(before.iter().all(|(count, reached)| (1..40).contains(count) && *reached == 0));
        assert_eq!(last.1, 60);
        assert_eq!(steps.iter().map(|(count, _)| count).sum::<usize>(), 60);
    }
}
