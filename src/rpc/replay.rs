//! `Replay`: the log as a stream. Does not know where the log is kept, nor how a stream goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::encode::ChunkEncoder;
use super::service::Shutdown;
use super::status::invalid;
use super::stream::{Begin, Feed, Mark, Step, start};
use super::wire;
use super::wire::replay_response::Message;
use crate::event::Violation;
use crate::ledger::{Ledger, QueryError, Replay};
use crate::time::ns_from_parts;

/// Bytes of events in a message, about.
const MESSAGE_BYTES: usize = 256 * 1024;

/// Starts a replay.
pub(super) async fn replay(
    ledger: &Arc<Ledger>,
    request: wire::ReplayRequest,
    shutdown: Shutdown,
) -> Result<ReceiverStream<Result<wire::ReplayResponse, Status>>, Status> {
    let from_recorded = from_recorded(&request)?;
    let encoder = ChunkEncoder::new(request.include_hashes);
    let left = if request.limit == 0 { u64::MAX } else { request.limit };
    let begin = move |ledger: &Ledger| {
        let from_offset = match from_recorded {
            Some(at) => at.checked_sub(1).map_or(Ok(0), |before| ledger.offset_after(before))?,
            None => request.from_offset,
        };
        Ok(Begin { from_offset, follow: request.follow })
    };
    start(ledger, begin, Events { encoder, left, ready: VecDeque::new() }, shutdown).await
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

/// Events as they are stored.
struct Events {
    encoder: ChunkEncoder,
    /// Events that may still be sent.
    left: u64,
    /// Chunks that are ready, each with the offset behind it.
    ready: VecDeque<(Bytes, u64)>,
}

impl Feed for Events {
    type Message = wire::ReplayResponse;

    fn next(
        &mut self,
        replay: &mut Replay,
    ) -> Result<Option<Step<wire::ReplayResponse>>, QueryError> {
        if self.ready.is_empty() {
            self.read(replay)?;
        }
        let ready = self.ready.pop_front();
        Ok(ready
            .map(|(events, reached)| Step { message: message(Message::Events(events)), reached }))
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.ready.is_empty()
    }
}

impl Events {
    fn read(&mut self, replay: &mut Replay) -> Result<(), QueryError> {
        let chunk = replay.next_chunk()?;
        let mut reached = chunk.from();
        chunk.each(|placed| {
            if self.left == 0 {
                return;
            }
            self.encoder.push(&placed.entry);
            self.left -= 1;
            reached = placed.entry.offset + 1;
            if self.encoder.len() >= MESSAGE_BYTES {
                self.ready.push_back((self.encoder.take(), reached));
            }
        })?;
        if self.encoder.len() > 0 {
            self.ready.push_back((self.encoder.take(), reached));
        }
        Ok(())
    }
}

impl From<Mark> for wire::ReplayResponse {
    fn from(mark: Mark) -> Self {
        message(match mark {
            Mark::Progress(progress) => Message::Progress(progress),
            Mark::CaughtUp(caught_up) => Message::CaughtUp(caught_up),
            Mark::Closed(closed) => Message::Closed(closed),
        })
    }
}

fn message(message: Message) -> wire::ReplayResponse {
    wire::ReplayResponse { message: Some(message) }
}
