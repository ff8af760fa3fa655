//! `StreamOrders`: each order that changed, with its state, chunk by chunk of the log, then live.
//! Does not know how a state is folded.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::query::blocking;
use super::service::Shutdown;
use super::status::{IntoStatus as _, status};
use super::wire;
use super::wire::stream_orders_response::Message;
use crate::ledger::{FailureClass, Ledger, QueryError, Replay};

/// Bytes of orders in a message, about; a large order may exceed it alone.
const MESSAGE_BYTES: usize = 1024 * 1024;
/// Messages that wait for a slow reader.
const MESSAGES_AHEAD: usize = 2;
/// How often an idle stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(5);

type Answer = Result<wire::StreamOrdersResponse, Status>;

/// Why a stream goes no further.
enum End {
    Closed(wire::ReplayClosedReason),
    Failed(Status),
    Left,
}

struct Stream {
    ledger: Arc<Ledger>,
    replay: Replay,
    follow: bool,
    messages: mpsc::Sender<Answer>,
    shutdown: Shutdown,
}

pub(super) async fn stream_orders(
    ledger: &Arc<Ledger>,
    request: wire::StreamOrdersRequest,
    shutdown: Shutdown,
) -> Result<ReceiverStream<Answer>, Status> {
    let replay = blocking(ledger, move |ledger| {
        let mut replay = ledger.replay(request.from_offset)?;
        if !request.follow {
            replay.end_at_head();
        }
        Ok(replay)
    })
    .await?;
    let (messages, receiver) = mpsc::channel(MESSAGES_AHEAD);
    let (ledger, follow) = (Arc::clone(ledger), request.follow);
    tokio::spawn(Stream { ledger, replay, follow, messages, shutdown }.run());
    Ok(ReceiverStream::new(receiver))
}

impl Stream {
    async fn run(mut self) {
        let end = match self.send(self.progress()).await {
            Ok(()) => self.stream().await,
            Err(_) => return,
        };
        let last = match end {
            End::Closed(reason) => Ok(message(Message::Closed(wire::ReplayClosed {
                reason: reason.into(),
                resume_from: self.replay.next_offset(),
            }))),
            End::Failed(status) => Err(status),
            End::Left => return,
        };
        let _ = self.messages.send(last).await;
    }

    async fn send(&self, message: wire::StreamOrdersResponse) -> Result<(), End> {
        self.messages.send(Ok(message)).await.map_err(|_| End::Left)
    }

    async fn stream(&mut self) -> End {
        loop {
            if let Err(end) = self.send_what_changed().await {
                return end;
            }
            let head = self.replay.next_offset();
            let caught_up = message(Message::CaughtUp(wire::ReplayCaughtUp { head }));
            if let Err(end) = self.send(caught_up).await {
                return end;
            }
            if !self.follow {
                return End::Closed(wire::ReplayClosedReason::HeadReached);
            }
            if let Err(end) = self.wait().await {
                return end;
            }
        }
    }

    async fn send_what_changed(&mut self) -> Result<(), End> {
        loop {
            if self.shutdown.has_begun() {
                return Err(End::Closed(wire::ReplayClosedReason::ShuttingDown));
            }
            let (ledger, mut replay) = (Arc::clone(&self.ledger), self.replay.clone());
            let read = tokio::task::spawn_blocking(move || {
                let chunks = changed_next(&ledger, &mut replay);
                (replay, chunks)
            });
            let (replay, chunks) = read.await.map_err(|error| {
                let message = error.to_string();
                End::Failed(status(Code::Internal, "INTERNAL", FailureClass::Refused, message))
            })?;
            let chunks = chunks.map_err(|error| End::Failed(error.into_status()))?;
            if chunks.is_empty() {
                self.replay = replay;
                return Ok(());
            }
            for chunk in chunks {
                self.send(message(Message::Orders(chunk))).await?;
            }
            // Only what was sent counts as reflected.
            self.replay = replay;
        }
    }

    async fn wait(&mut self) -> Result<(), End> {
        loop {
            tokio::select! {
                more = self.replay.changed() => {
                    let closed = End::Closed(wire::ReplayClosedReason::ShuttingDown);
                    return if more { Ok(()) } else { Err(closed) };
                }
                () = self.shutdown.begun() => {
                    return Err(End::Closed(wire::ReplayClosedReason::ShuttingDown));
                }
                () = self.messages.closed() => return Err(End::Left),
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
            self.send(self.progress()).await?;
        }
    }

    fn progress(&self) -> wire::StreamOrdersResponse {
        message(Message::Progress(wire::ReplayProgress {
            scanned_to: self.replay.next_offset(),
            head: self.replay.head(),
        }))
    }
}

/// The orders that the next part of the log changed, at the end of that part; none at the head.
fn changed_next(ledger: &Ledger, replay: &mut Replay) -> Result<Vec<wire::OrderChunk>, QueryError> {
    let begin = replay.next_offset();
    let chunk = replay.next_chunk()?;
    if chunk.is_empty() {
        return Ok(Vec::new());
    }
    let basis = chunk.to();
    let mut chunks = Vec::new();
    let mut current = wire::OrderChunk { orders: Vec::new(), scanned_to: begin };
    let mut length = 0;
    for order in ledger.changed_orders(&chunk, basis)? {
        let state = ledger.get_order(
            &order,
            crate::ledger::AsOf { offset: Some(basis), ..crate::ledger::AsOf::default() },
        )?;
        length += state.state.encoded_len();
        let changed = wire::ChangedOrder { order: Some(state.state), basis };
        current.orders.push(changed);
        if length >= MESSAGE_BYTES {
            let next = wire::OrderChunk { orders: Vec::new(), scanned_to: begin };
            chunks.push(std::mem::replace(&mut current, next));
            length = 0;
        }
    }
    current.scanned_to = basis;
    chunks.push(current);
    Ok(chunks)
}

fn message(message: Message) -> wire::StreamOrdersResponse {
    wire::StreamOrdersResponse { message: Some(message) }
}
