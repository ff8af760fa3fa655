//! The one thread that owns the end of the log: gathers batches into a block, has them admitted,
//! commits the block, publishes the head, and answers. It never waits on a timer.
//! Does not know how batches are decided.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use super::admission::{Admission, LookedUp};
use super::batch::{Appended, Outcome, Prepared};
use super::error::AppendError;
use super::leaves::LeafFeed;
use super::queue::Queue;
use crate::log::{BLOCK_ALIGNMENT, LogError, LogWriter, Point};
use crate::time::now_ns;
use crate::view::{Indexer, Mark, Views};

/// A block takes no further batch when it has so many bytes.
const BLOCK_LEN_TARGET: usize = 1024 * 1024;

/// How far the log goes, durably, and when its newest entry was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) point: Point,
    /// Nanoseconds of the Unix epoch; 0 in an empty ledger.
    pub(crate) recorded_at: u64,
}

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Append(Box<Submission>),
    /// Answered when everything that was submitted before is decided and durable, or in doubt.
    Settle(oneshot::Sender<()>),
    Close,
}

/// A batch on its way, and who waits for it.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) batch: Prepared,
    pub(super) looked_up: LookedUp,
    pub(super) reply: Reply,
}

/// Where an answer goes. Nobody may be there any more.
pub(super) type Reply = oneshot::Sender<Result<Appended, AppendError>>;

/// The writer's own.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) log: LogWriter,
    pub(super) views: Arc<Views>,
    pub(super) indexer: Indexer,
    pub(super) head: watch::Sender<Head>,
    pub(super) queue: Arc<Queue>,
    pub(super) leaves: Arc<LeafFeed>,
    pub(super) commands: Receiver<Command>,
    pub(super) tail_entries_max: usize,
    pub(super) admission: Admission,
    pub(super) answers: Vec<(Reply, Result<Vec<Outcome>, AppendError>)>,
    /// Who waits for the block to be decided.
    pub(super) settling: Vec<oneshot::Sender<()>>,
    /// A batch that the block before had no room for.
    pub(super) deferred: Option<Box<Submission>>,
}

/// Why a block takes no further batch.
enum Gathered {
    Enough,
    Closing,
}

impl Writer {
    /// Runs on a thread of its own until the ledger is closed. A panic there poisons the ledger.
    pub(super) fn start(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("log-write".into()).spawn(move || self.run())
    }

    fn run(mut self) {
        let mut guard = PoisonGuard { queue: Arc::clone(&self.queue), armed: true };
        loop {
            let first = match self.deferred.take() {
                Some(deferred) => deferred,
                None => match self.commands.recv() {
                    Ok(Command::Append(submission)) => submission,
                    Ok(Command::Settle(settled)) => {
                        let _ = settled.send(());
                        continue;
                    }
                    Ok(Command::Close) | Err(_) => break,
                },
            };
            self.begin_block();
            let gathered = self.gather(first);
            self.finish_block();
            if matches!(gathered, Gathered::Closing) {
                break;
            }
        }
        self.queue.close();
        self.refuse_the_rest();
        guard.armed = false;
    }

    fn begin_block(&mut self) {
        let recorded_at = now_ns().max(self.head.borrow().recorded_at);
        self.admission.begin_block(self.log.end(), recorded_at);
    }

    /// Admits a batch, and then what waits, up to the size of a block.
    fn gather(&mut self, first: Box<Submission>) -> Gathered {
        let mut next = first;
        loop {
            self.queue.left(next.batch.body_len);
            self.admit(next);
            if self.deferred.is_some() || self.admission.block_len() >= BLOCK_LEN_TARGET {
                return Gathered::Enough;
            }
            next = match self.commands.try_recv() {
                Ok(Command::Append(submission)) => submission,
                Ok(Command::Settle(settled)) => {
                    self.settling.push(settled);
                    return Gathered::Enough;
                }
                Ok(Command::Close) | Err(TryRecvError::Disconnected) => return Gathered::Closing,
                Err(TryRecvError::Empty) => return Gathered::Enough,
            };
        }
    }

    fn admit(&mut self, submission: Box<Submission>) {
        if let Some(reason) = self.queue.poisoned() {
            return self.answer_later(submission.reply, Err(AppendError::Poisoned(reason)));
        }
        let needed = self.admission.block_len() + submission.batch.log_len + BLOCK_ALIGNMENT;
        if needed > self.log.room() {
            if self.admission.entry_count() > 0 {
                self.queue.came(submission.batch.body_len);
                self.deferred = Some(submission);
                return;
            }
            if let Err(error) = self.next_segment() {
                return self.answer_later(submission.reply, Err(error));
            }
        }
        if let Err(reason) = self.indexer.wait_for_room(self.tail_entries_max) {
            return self.answer_later(submission.reply, Err(AppendError::ViewsBehind(reason)));
        }
        let Submission { mut batch, looked_up, reply } = *submission;
        let admitted = self.admission.admit(&mut batch, looked_up, &self.views);
        self.answer_later(reply, admitted);
    }

    fn next_segment(&mut self) -> Result<(), AppendError> {
        self.log.next_segment().map_err(|error| match error {
            LogError::DiskFull => AppendError::DiskFull,
            LogError::Corrupt { .. } | LogError::Io { .. } => {
                AppendError::Poisoned(self.poison(&error))
            }
        })?;
        self.admission.place_block(self.log.end());
        Ok(())
    }

    fn answer_later(&mut self, reply: Reply, result: Result<Vec<Outcome>, AppendError>) {
        self.answers.push((reply, result));
    }

    /// Commits the block, publishes it, and answers everybody.
    fn finish_block(&mut self) {
        let mut in_doubt = None;
        if self.admission.entry_count() > 0 {
            let begin = self.log.end();
            let entry_count = self.admission.entry_count();
            match self.log.commit(self.admission.finish(), entry_count) {
                Ok(()) => self.publish(begin),
                Err(error) => in_doubt = Some(self.poison(&error)),
            }
        }
        let head = self.log.end().offset;
        for (reply, result) in self.answers.drain(..) {
            let result = match (&in_doubt, result) {
                // What was decided in this block may rest on events that are in doubt.
                (Some(reason), _) => Err(AppendError::InDoubt(reason.clone())),
                (None, result) => result.map(|outcomes| Appended { outcomes, head }),
            };
            let _ = reply.send(result);
        }
        for settled in self.settling.drain(..) {
            let _ = settled.send(());
        }
    }

    fn publish(&mut self, begin: Point) {
        let (end, recorded_at) = (self.log.end(), self.admission.recorded_at());
        let mark = Mark { point: begin, recorded_at };
        let tail = self.views.tail().publish(mark, end, self.admission.tail_entries());
        self.indexer.grown(tail);
        self.head.send_replace(Head { point: end, recorded_at });
        self.leaves.extend(begin.offset, self.admission.leaves());
    }

    fn poison(&self, error: &LogError) -> String {
        let reason = error.to_string();
        tracing::error!(%reason, "a write failed; the ledger takes no more appends");
        self.queue.poison(reason.clone());
        reason
    }

    /// Answers what was submitted and not looked at.
    fn refuse_the_rest(&mut self) {
        let deferred = self.deferred.take().map(Command::Append);
        for command in deferred.into_iter().chain(self.commands.try_iter()) {
            if let Command::Append(submission) = command {
                let _ = submission.reply.send(Err(AppendError::Closed));
            }
        }
    }
}

/// Poisons the ledger when the writer panics: what it was about to answer is in doubt.
struct PoisonGuard {
    queue: Arc<Queue>,
    armed: bool,
}

impl Drop for PoisonGuard {
    fn drop(&mut self) {
        if self.armed {
            self.queue.poison("the writer panicked".to_owned());
        }
    }
}
