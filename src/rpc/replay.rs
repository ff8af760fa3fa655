//! `Replay`: the log as a stream. Does not know where the log is kept, nor how a stream goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::encode::ChunkEncoder;
use super::service::Pace;
use super::status::invalid;
use super::stream::{Begin, Feed, Mark, Step, start};
use super::wire;
use super::wire::replay_response::Message;
use crate::event::Violation;
use crate::ledger::{Ledger, Place, QueryError, Replay};
use crate::time::ns_from_parts;

/// Bytes of events in a message, about.
const MESSAGE_BYTES: usize = 256 * 1024;

/// Starts a replay.
pub(super) async fn replay(
    ledger: &Arc<Ledger>,
    request: wire::ReplayRequest,
    pace: Pace,
) -> Result<ReceiverStream<Result<wire::ReplayResponse, Status>>, Status> {
    let from_recorded = from_recorded(&request)?;
    let events = Events::new(&request, from_recorded.unwrap_or(0));
    let begin = move |ledger: &Ledger| {
        let from_offset = match from_recorded {
            Some(at) => at.checked_sub(1).map_or(Ok(0), |before| ledger.offset_after(before))?,
            None => request.from_offset,
        };
        Ok(Begin {
            from_offset,
            filters: request.filters,
            with_ledger_entries: request.include_ledger_entries,
            follow: request.follow,
        })
    };
    start(ledger, begin, events, pace).await
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
    /// Entries recorded before are passed over, in nanoseconds of the Unix epoch: a replay may
    /// begin at a time that has not come yet.
    since_ns: u64,
    /// Chunks that are ready, all of one part of the log.
    ready: VecDeque<Ready>,
    /// The place of that part.
    part: Option<Place>,
}

/// Events that wait to be sent.
struct Ready {
    events: Bytes,
    count: u64,
    /// The offset behind them, and behind what is passed over before the next one.
    reached: u64,
}

impl Feed for Events {
    type Message = wire::ReplayResponse;

    fn next(
        &mut self,
        replay: &mut Replay,
    ) -> Result<Option<Step<wire::ReplayResponse>>, QueryError> {
        if self.ready.is_empty()
            && let Some(reached) = self.read(replay)?
            && self.ready.is_empty()
        {
            return Ok(Some(Step { message: None, reached }));
        }
        Ok(self.ready.pop_front().map(|Ready { events, count, reached }| {
            self.left = self.left.saturating_sub(count);
            Step { message: Some(message(Message::Events(events))), reached }
        }))
    }

    fn is_done(&self) -> bool {
        self.left == 0
    }

    fn rest(&mut self, replay: &mut Replay, reached: u64) {
        if !std::mem::take(&mut self.ready).is_empty()
            && let Some(part) = self.part
        {
            replay.go_back(part, reached);
        }
        self.encoder.let_go();
    }
}

impl Events {
    fn new(request: &wire::ReplayRequest, since_ns: u64) -> Self {
        let encoder = ChunkEncoder::new(request.include_hashes);
        let left = if request.limit == 0 { u64::MAX } else { request.limit };
        Self { encoder, left, since_ns, ready: VecDeque::new(), part: None }
    }

    /// Makes the next part of the log ready, and answers where it ends; `None` at the head.
    fn read(&mut self, replay: &mut Replay) -> Result<Option<u64>, QueryError> {
        self.part = Some(replay.place());
        let chunk = replay.next_chunk()?;
        if chunk.is_empty() {
            return Ok(None);
        }
        let (mut left, mut count, mut reached) = (self.left, 0, chunk.from());
        chunk.each(|placed| {
            if left == 0 || placed.entry.recorded_at < self.since_ns {
                return;
            }
            self.encoder.push(&placed.entry);
            (left, count, reached) = (left - 1, count + 1, placed.entry.offset + 1);
            if self.encoder.len() >= MESSAGE_BYTES {
                let events = self.encoder.take();
                self.ready.push_back(Ready { events, count: std::mem::take(&mut count), reached });
            }
        })?;
        // Behind the last event that is wanted, the rest of the part is passed over.
        if left > 0 {
            reached = chunk.to();
        }
        if count > 0 {
            self.ready.push_back(Ready { events: self.encoder.take(), count, reached });
        } else if let Some(last) = self.ready.back_mut() {
            last.reached = reached;
        }
        Ok(Some(reached))
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

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::event::Event;
    use crate::ledger::{Batch, Options};
    use crate::proto::OrderEvent;

    fn large(id: usize) -> Event {
        let event = OrderEvent {
            correlation_id: format!("erp/{}", id % 3),
            source: "wms".into(),
            event_id: id.to_string(),
            r#type: "pick.confirmed".into(),
            attributes: [("filler".to_owned(), "x".repeat(20_000))].into(),
            ..OrderEvent::default()
        };
        Event::new(&event).unwrap()
    }

    fn offsets(step: Step<wire::ReplayResponse>) -> Vec<u64> {
        let Some(Message::Events(events)) = step.message.and_then(|one| one.message) else {
            return Vec::new();
        };
        let chunk = crate::proto::EventChunk::decode(events).unwrap();
        chunk.events.iter().map(|one| one.offset).collect()
    }

    /// Seen red with a feed that rests without going back, and with a limit that counts what was
    /// made ready.
    #[test]
    fn a_feed_that_let_go_of_a_large_block_goes_on_where_its_reader_is() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        for first in [0, 100] {
            ledger.append(Batch::of((first..first + 100).map(large))).unwrap();
        }
        let only = [crate::proto::EventFilter {
            correlation_ids: vec!["erp/0".into(), "erp/1".into()],
            ..Default::default()
        }];
        let all: Vec<u64> = (0..200).filter(|offset| offset % 3 != 2).collect();
        for (rests, limit) in [(1, 0), (2, 0), (3, 0), (1, 90), (2, 111), (u64::MAX, 0)] {
            let request = wire::ReplayRequest { limit, ..Default::default() };
            let mut feed = Events::new(&request, 0);
            let mut replay = ledger.replay(0).unwrap().only(&only).unwrap();
            let (mut read, mut steps, mut held) = (Vec::new(), 0, 0);
            while !feed.is_done()
                && let Some(step) = feed.next(&mut replay).unwrap()
            {
                let reached = step.reached;
                read.extend(offsets(step));
                held = held.max(feed.ready.len());
                steps += 1;
                if steps % rests == 0 {
                    feed.rest(&mut replay, reached);
                    assert!(feed.ready.is_empty(), "nothing of the log is held");
                }
            }
            assert!(held > 2, "a block is more than a message: {held}");
            let end = if limit == 0 { all.len() } else { usize::try_from(limit).unwrap() };
            assert_eq!(read, all[..end], "a rest each {rests} messages");
        }
    }
}
