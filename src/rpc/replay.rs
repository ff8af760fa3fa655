//! `Replay`: the log as a stream, then live; one loop. Does not know where the log is kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::encode::ChunkEncoder;
use super::query::blocking;
use super::service::Shutdown;
use super::status::{IntoStatus as _, invalid, status};
use super::wire;
use super::wire::replay_response::Message;
use crate::event::Violation;
use crate::ledger::{FailureClass, Ledger, QueryError, Replay};
use crate::time::ns_from_parts;

/// Bytes of events in a message, about.
const MESSAGE_BYTES: usize = 256 * 1024;
/// Messages that wait for a slow reader; the log is not read beyond them.
const MESSAGES_AHEAD: usize = 2;
/// How often an idle stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(5);

type Messages = mpsc::Sender<Result<wire::ReplayResponse, Status>>;

/// Starts a replay; its first message says where it stands.
pub(super) async fn replay(
    ledger: &Arc<Ledger>,
    request: wire::ReplayRequest,
    shutdown: Shutdown,
) -> Result<ReceiverStream<Result<wire::ReplayResponse, Status>>, Status> {
    let from_recorded = from_recorded(&request)?;
    let replay = blocking(ledger, move |ledger| {
        let from = match from_recorded {
            Some(at) => at.checked_sub(1).map_or(Ok(0), |before| ledger.offset_after(before))?,
            None => request.from_offset,
        };
        let mut replay = ledger.replay(from)?;
        if !request.follow {
            replay.end_at_head();
        }
        Ok(replay)
    })
    .await?;
    let (messages, receiver) = mpsc::channel(MESSAGES_AHEAD);
    let encoder = ChunkEncoder::new(request.include_hashes);
    let left = if request.limit == 0 { u64::MAX } else { request.limit };
    let stream = Stream { replay, encoder, left, follow: request.follow, messages, shutdown };
    tokio::spawn(stream.run());
    Ok(ReceiverStream::new(receiver))
}

fn from_recorded(request: &wire::ReplayRequest) -> Result<Option<u64>, Status> {
    let Some(time) = &request.from_recorded else {
        return Ok(None);
    };
    let violation = |what: &str| invalid(&[Violation::new("from_recorded", what)]);
    if request.from_offset > 0 {
        return Err(violation("given beside from_offset; a replay starts at one of them"));
    }
    let ns = ns_from_parts(time.seconds, time.nanos)
        .ok_or_else(|| violation("out of range; allowed is 1677-09-21 .. 2262-04-11"))?;
    Ok(Some(u64::try_from(ns).unwrap_or(0)))
}

/// One reader's stream.
struct Stream {
    replay: Replay,
    encoder: ChunkEncoder,
    /// Events that may still be sent.
    left: u64,
    follow: bool,
    messages: Messages,
    shutdown: Shutdown,
}

/// Why a stream goes no further.
enum End {
    Closed(wire::ReplayClosedReason),
    Failed(Status),
    /// The reader is gone.
    Left,
}

impl Stream {
    async fn run(mut self) {
        let begin = self.progress();
        let end = match self.messages.send(Ok(begin)).await {
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

    async fn stream(&mut self) -> End {
        loop {
            match self.send_what_is_there().await {
                Ok(()) => {}
                Err(end) => return end,
            }
            let head = self.replay.next_offset();
            let caught_up = message(Message::CaughtUp(wire::ReplayCaughtUp { head }));
            if self.messages.send(Ok(caught_up)).await.is_err() {
                return End::Left;
            }
            if !self.follow {
                return End::Closed(wire::ReplayClosedReason::HeadReached);
            }
            if let Err(end) = self.wait().await {
                return end;
            }
        }
    }

    /// Sends all that is below the head, chunk by chunk.
    async fn send_what_is_there(&mut self) -> Result<(), End> {
        loop {
            if self.left == 0 {
                return Err(End::Closed(wire::ReplayClosedReason::LimitReached));
            }
            if self.shutdown.has_begun() {
                return Err(End::Closed(wire::ReplayClosedReason::ShuttingDown));
            }
            let chunks = self.read().await?;
            if chunks.is_empty() {
                return Ok(());
            }
            for chunk in chunks {
                if self.messages.send(Ok(message(Message::Events(chunk)))).await.is_err() {
                    return Err(End::Left);
                }
            }
        }
    }

    /// Reads the next chunk and encodes it, on a thread that may wait for the disk.
    async fn read(&mut self) -> Result<Vec<bytes::Bytes>, End> {
        let mut replay = self.replay.clone();
        let mut encoder = std::mem::take(&mut self.encoder);
        let left = self.left;
        let read = tokio::task::spawn_blocking(move || {
            let chunks = encode_next(&mut replay, &mut encoder, left);
            (replay, encoder, chunks)
        });
        let (replay, encoder, chunks) = read.await.map_err(|error| {
            let message = error.to_string();
            End::Failed(status(Code::Internal, "INTERNAL", FailureClass::Refused, message))
        })?;
        (self.replay, self.encoder) = (replay, encoder);
        let (chunks, count) = chunks.map_err(|error| End::Failed(error.into_status()))?;
        self.left -= count;
        Ok(chunks)
    }

    /// Waits at the head until something comes; says meanwhile that the stream lives.
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
            let progress = self.progress();
            self.messages.send(Ok(progress)).await.map_err(|_| End::Left)?;
        }
    }

    fn progress(&self) -> wire::ReplayResponse {
        message(Message::Progress(wire::ReplayProgress {
            scanned_to: self.replay.next_offset(),
            head: self.replay.head(),
        }))
    }
}

/// The next chunk as messages, and how many events they hold.
fn encode_next(
    replay: &mut Replay,
    encoder: &mut ChunkEncoder,
    limit: u64,
) -> Result<(Vec<bytes::Bytes>, u64), QueryError> {
    let chunk = replay.next_chunk()?;
    let mut messages = Vec::new();
    let mut count = 0;
    chunk.each(|placed| {
        if count == limit {
            return;
        }
        encoder.push(&placed.entry);
        count += 1;
        if encoder.len() >= MESSAGE_BYTES {
            messages.push(encoder.take());
        }
    })?;
    if encoder.len() > 0 {
        messages.push(encoder.take());
    }
    replay.rewind_to(chunk.from() + count);
    Ok((messages, count))
}

fn message(message: Message) -> wire::ReplayResponse {
    wire::ReplayResponse { message: Some(message) }
}
