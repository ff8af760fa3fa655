//! The loop of every stream that reads the log: what is there, caught up, then live; one loop.
//! Does not know what is made of the log.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::query::blocking;
use super::service::Pace;
use super::status::{IntoStatus as _, status};
use super::wire;
use crate::ledger::{FailureClass, Ledger, Lookout, QueryError, Replay};
use crate::proto::EventFilter;

/// Messages that wait for a slow reader; the log is not read beyond them.
const MESSAGES_AHEAD: usize = 2;
/// For so long what was read beyond these messages is kept for a slow reader.
const PATIENCE: Duration = Duration::from_millis(100);

/// A stream that only passes over what comes says about so often how far it is.
const SAID_AGAIN: Duration = Duration::from_secs(1);

/// What is made of the log for one reader.
pub(super) trait Feed: Send + Sync + 'static {
    /// A message of the stream.
    type Message: Send + From<Mark>;

    /// The next step, one at a time; none at the head. It runs where it may wait for the disk.
    fn next(&mut self, replay: &mut Replay) -> Result<Option<Step<Self::Message>>, QueryError>;

    /// Whether the reader has all that it asked for.
    fn is_done(&self) -> bool;

    /// Lets go of all that it holds of the log, because nothing goes on for a while; `reached` is
    /// where the next step then begins.
    fn rest(&mut self, _replay: &mut Replay, _reached: u64) {}
}

/// A message, and where to resume for whoever has read it: before what else the same part of the
/// log brings. Without a message, that part brings nothing.
#[derive(Debug)]
pub(super) struct Step<M> {
    pub(super) message: Option<M>,
    pub(super) reached: u64,
}

/// What every stream says beside what it brings.
pub(super) enum Mark {
    Progress(wire::ReplayProgress),
    CaughtUp(wire::ReplayCaughtUp),
    Closed(wire::ReplayClosed),
}

/// Where a stream begins, what of the log it reads, and whether it goes on live.
pub(super) struct Begin {
    pub(super) from_offset: u64,
    pub(super) filters: Vec<EventFilter>,
    pub(super) with_ledger_entries: bool,
    pub(super) follow: bool,
}

/// Starts a stream; its first message says where it stands.
pub(super) async fn start<F: Feed>(
    ledger: &Arc<Ledger>,
    begin: impl FnOnce(&Ledger) -> Result<Begin, QueryError> + Send + 'static,
    feed: F,
    pace: Pace,
) -> Result<ReceiverStream<Result<F::Message, Status>>, Status> {
    let (replay, follow) = blocking(ledger, move |ledger| {
        let Begin { from_offset, filters, with_ledger_entries, follow } = begin(ledger)?;
        let mut replay = ledger.replay(from_offset)?;
        if with_ledger_entries {
            replay = replay.with_ledger_entries();
        }
        let mut replay = replay.only(&filters)?;
        if !follow {
            replay.end_at_head();
        }
        Ok((replay, follow))
    })
    .await?;
    let (messages, receiver) = mpsc::channel(MESSAGES_AHEAD);
    let reached = replay.next_offset();
    let (feed, lookout, said) = (Some(feed), ledger.lookout().clone(), Instant::now());
    let stream = Stream { replay, lookout, reached, feed, follow, messages, said, pace };
    tokio::spawn(stream.run());
    Ok(ReceiverStream::new(receiver))
}

/// One reader's stream.
struct Stream<F: Feed> {
    replay: Replay,
    /// Where it waits for what is new.
    lookout: Lookout,
    /// Where to resume for a reader of all that was sent.
    reached: u64,
    /// Away while it reads, on another thread.
    feed: Option<F>,
    follow: bool,
    messages: mpsc::Sender<Result<F::Message, Status>>,
    /// When the last message went out.
    said: Instant,
    pace: Pace,
}

/// Why a stream goes no further.
enum End {
    Closed(wire::ReplayClosedReason),
    Failed(Status),
    /// The reader is gone.
    Left,
}

impl<F: Feed> Stream<F> {
    async fn run(mut self) {
        let end = match self.send_progress().await {
            Ok(()) => self.stream().await,
            Err(_) => return,
        };
        let last = match end {
            End::Closed(reason) => Ok(F::Message::from(Mark::Closed(wire::ReplayClosed {
                reason: reason.into(),
                resume_from: self.reached,
            }))),
            End::Failed(status) => Err(status),
            End::Left => return,
        };
        let _ = self.messages.send(last).await;
    }

    async fn send(&mut self, message: impl Into<F::Message>) -> Result<(), End> {
        self.messages.send(Ok(message.into())).await.map_err(|_| End::Left)?;
        self.said = Instant::now();
        Ok(())
    }

    async fn send_progress(&mut self) -> Result<(), End> {
        let (scanned_to, head) = (self.reached, self.replay.head());
        self.send(Mark::Progress(wire::ReplayProgress { scanned_to, head })).await
    }

    async fn stream(&mut self) -> End {
        loop {
            if let Err(end) = self.send_what_is_there().await {
                return end;
            }
            let head = self.reached;
            if let Err(end) = self.send(Mark::CaughtUp(wire::ReplayCaughtUp { head })).await {
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

    /// Sends all that is below the head, message by message.
    async fn send_what_is_there(&mut self) -> Result<(), End> {
        loop {
            if self.feed.as_ref().is_none_or(Feed::is_done) {
                return Err(End::Closed(wire::ReplayClosedReason::LimitReached));
            }
            if self.pace.shutdown.has_begun() {
                return Err(End::Closed(wire::ReplayClosedReason::ShuttingDown));
            }
            self.wait_for_the_reader().await?;
            let Some(Step { message, reached }) = self.read().await? else {
                return Ok(());
            };
            if let Some(message) = message {
                self.send(message).await?;
            }
            self.reached = reached;
        }
    }

    /// Waits until there is room for a message. Nothing is read before, and of what was read
    /// nothing is kept for long.
    async fn wait_for_the_reader(&mut self) -> Result<(), End> {
        if self.messages.capacity() > 0 {
            return Ok(());
        }
        if let Ok(room) = tokio::time::timeout(PATIENCE, self.messages.reserve()).await {
            return room.map(drop).map_err(|_| End::Left);
        }
        self.rest();
        tokio::select! {
            room = self.messages.reserve() => room.map(drop).map_err(|_| End::Left),
            () = self.pace.shutdown.begun() => {
                Err(End::Closed(wire::ReplayClosedReason::ShuttingDown))
            }
        }
    }

    fn rest(&mut self) {
        if let Some(feed) = &mut self.feed {
            feed.rest(&mut self.replay, self.reached);
        }
    }

    /// Reads the next step; says meanwhile that the stream lives, also where many steps bring
    /// nothing.
    async fn read(&mut self) -> Result<Option<Step<F::Message>>, End> {
        let (mut replay, feed) = (self.replay.clone(), self.feed.take());
        let mut read = tokio::task::spawn_blocking(move || {
            let mut feed = feed;
            let read = feed.as_mut().map_or(Ok(None), |feed| feed.next(&mut replay));
            (replay, feed, read)
        });
        let read = loop {
            tokio::select! {
                read = &mut read => break read,
                () = self.messages.closed() => return Err(End::Left),
                () = tokio::time::sleep_until(self.said + self.pace.heartbeat) => {}
            }
            self.send_progress().await?;
        };
        let (replay, feed, read) = read.map_err(|error| {
            let message = error.to_string();
            End::Failed(status(Code::Internal, "INTERNAL", FailureClass::Refused, message))
        })?;
        (self.replay, self.feed) = (replay, feed);
        read.map_err(|error| End::Failed(error.into_status()))
    }

    /// Waits at the head until something comes that may be for the reader; says meanwhile that the
    /// stream lives, and how far it is where it only passes over what comes.
    async fn wait(&mut self) -> Result<(), End> {
        self.rest();
        let tick = SAID_AGAIN.min(self.pace.heartbeat);
        while !self.replay.has_ended() {
            let mut wait = self.lookout.wait(&self.replay);
            let called = tokio::select! {
                () = wait.called() => true,
                () = self.pace.shutdown.begun() => break,
                () = self.messages.closed() => return Err(End::Left),
                () = tokio::time::sleep(tick) => false,
            };
            wait.reached(&mut self.replay);
            drop(wait);
            let was = std::mem::replace(&mut self.reached, self.replay.next_offset());
            if called && !self.replay.has_ended() {
                return Ok(());
            }
            let head = self.reached;
            if head > was {
                self.send(Mark::CaughtUp(wire::ReplayCaughtUp { head })).await?;
            } else if self.said.elapsed() >= self.pace.heartbeat {
                self.send_progress().await?;
            }
        }
        Err(End::Closed(wire::ReplayClosedReason::ShuttingDown))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::ledger::Options;
    use crate::rpc::service::Shutdown;
    use crate::rpc::wire::stream_orders_response::Message;

    /// Takes a long time for each of two messages, which are of one part.
    struct Slow(u64);

    impl Feed for Slow {
        type Message = wire::StreamOrdersResponse;

        fn next(&mut self, _: &mut Replay) -> Result<Option<Step<Self::Message>>, QueryError> {
            self.0 += 1;
            if self.0 > 2 {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(500));
            let message = Some(wire::StreamOrdersResponse { message: None });
            Ok(Some(Step { message, reached: self.0 - 1 }))
        }

        fn is_done(&self) -> bool {
            false
        }
    }

    /// Passes over a part in less time than a heartbeat, many times.
    struct Barren(u64);

    impl Feed for Barren {
        type Message = wire::StreamOrdersResponse;

        fn next(&mut self, _: &mut Replay) -> Result<Option<Step<Self::Message>>, QueryError> {
            std::thread::sleep(Duration::from_millis(20));
            self.0 += 1;
            Ok((self.0 <= 30).then_some(Step { message: None, reached: self.0 }))
        }

        fn is_done(&self) -> bool {
            false
        }
    }

    /// Brings a message whenever it is asked, and counts how often it had to let go.
    struct Quick(Arc<AtomicU64>);

    impl Feed for Quick {
        type Message = wire::StreamOrdersResponse;

        fn next(&mut self, _: &mut Replay) -> Result<Option<Step<Self::Message>>, QueryError> {
            let message = Some(wire::StreamOrdersResponse { message: None });
            Ok(Some(Step { message, reached: 0 }))
        }

        fn is_done(&self) -> bool {
            false
        }

        fn rest(&mut self, _: &mut Replay, _: u64) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn stream<F: Feed>(
        ledger: &Ledger,
        feed: F,
        messages: mpsc::Sender<Result<F::Message, Status>>,
    ) -> Stream<F> {
        Stream {
            replay: ledger.replay(0).unwrap(),
            lookout: ledger.lookout().clone(),
            reached: 0,
            feed: Some(feed),
            follow: false,
            messages,
            said: Instant::now(),
            pace: Pace { shutdown: Shutdown::never(), heartbeat: Duration::from_millis(50) },
        }
    }

    /// Seen red with a clock that begins anew at each part.
    #[tokio::test]
    async fn a_stream_says_how_far_it_is_while_many_parts_bring_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let (messages, mut received) = mpsc::channel(100);
        tokio::spawn(stream(&ledger, Barren(0), messages).run());
        let mut stands = Vec::new();
        while let Some(one) = received.recv().await {
            match one.unwrap().message.unwrap() {
                Message::Progress(progress) => stands.push(progress.scanned_to),
                Message::CaughtUp(caught_up) => assert_eq!(caught_up.head, 30),
                Message::Closed(closed) => assert_eq!(closed.resume_from, 30),
                Message::Orders(orders) => panic!("{orders:?}"),
            }
        }
        assert!(stands.len() > 4 && stands.is_sorted(), "{stands:?}");
        assert!(stands.iter().any(|at| (5..25).contains(at)), "on the way: {stands:?}");
    }

    /// Seen red with a stream that keeps what it has while it waits for room.
    #[tokio::test]
    async fn a_stream_holds_nothing_of_the_log_while_its_reader_stands_still() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let (messages, mut received) = mpsc::channel(MESSAGES_AHEAD);
        let rests = Arc::new(AtomicU64::new(0));
        tokio::spawn(stream(&ledger, Quick(Arc::clone(&rests)), messages).run());
        for stall in 1..4 {
            tokio::time::sleep(PATIENCE * 4).await;
            assert_eq!(rests.load(Relaxed), stall, "once in each stall, not while it flows");
            for _ in 0..50 {
                received.recv().await.unwrap().unwrap();
            }
        }
    }

    /// Seen red with a read that is awaited without a clock beside it.
    #[tokio::test]
    async fn a_stream_says_that_it_lives_while_a_message_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let (messages, mut received) = mpsc::channel(100);
        tokio::spawn(stream(&ledger, Slow(0), messages).run());
        let mut said = Vec::new();
        while let Some(one) = received.recv().await {
            said.push(one.unwrap().message);
        }
        let brought = |one: &Option<Message>| one.is_none();
        let parts: Vec<&[Option<Message>]> = said.split(brought).collect();
        assert_eq!(parts.len(), 3, "two messages: {said:?}");
        for (part, reached) in parts[..2].iter().zip([0, 0]) {
            assert!(part.len() > 3, "progress while nothing else is sent: {said:?}");
            let stands = wire::ReplayProgress { scanned_to: reached, head: 0 };
            assert!(part.iter().all(|one| *one == Some(Message::Progress(stands))), "{said:?}");
        }
        let Some(Some(Message::Closed(closed))) = said.last() else { panic!("{said:?}") };
        assert_eq!(closed.resume_from, 1, "all that was sent, and no more");
    }
}
