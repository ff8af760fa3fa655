//! What an entry's own bytes say about it: its hashes, and whether its event is one. Computed on
//! as many threads as the machine has, and handed out in order. Does not know what came before an
//! entry.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::event::{Event, RecordedEvent, is_ledgers_own, listed};
use crate::limits::Limits;
use crate::log::{Blocks, Defect, Hash, LogError, Placed, order_hash};

/// Beyond this many, one thread cannot follow what the others compute.
const THREADS_MAX: usize = 8;
/// Pieces that a thread has before it.
const PIECES_EACH: usize = 3;

/// What an entry's own bytes say about it.
#[derive(Debug)]
pub(super) struct Digest {
    pub(super) offset: u64,
    /// Position in the segment.
    pub(super) position: u32,
    pub(super) block_position: u32,
    pub(super) begins_block: bool,
    pub(super) recorded_at: u64,
    pub(super) revision: u64,
    pub(super) previous: Hash,
    pub(super) order: Hash,
    pub(super) leaf: Hash,
    /// Bytes of the correlation id.
    pub(super) id_len: usize,
    /// The entry itself, where it is one of the ledger's own.
    pub(super) own: Option<Box<RecordedEvent>>,
    pub(super) defect: Option<Defect>,
}

impl Digest {
    /// Computes it; `body` is that of the entry.
    pub(super) fn of(placed: &Placed<'_>, body: Bytes, unlimited: &Limits) -> Self {
        let entry = &placed.entry;
        let order = order_hash(entry.correlation_id);
        let is_own = is_ledgers_own(entry.correlation_id);
        let own = is_own.then(|| Box::new(entry.recorded(body.clone())));
        let parsed =
            if is_own { Event::parse_ledgers_own(&body) } else { Event::parse(body, unlimited) };
        let (leaf, defect) = match parsed {
            Ok(event) => {
                let occurred_at = event.occurred_at_ns().unwrap_or(0);
                let leaf = entry.leaf_hash_with(&order, occurred_at);
                (leaf, name_defect(entry.correlation_id, &event))
            }
            Err(violations) => {
                (entry.leaf_hash_of(&order), Some(Defect::Event(listed(&violations))))
            }
        };
        Self {
            offset: entry.offset,
            position: placed.position,
            block_position: placed.block_position,
            begins_block: placed.begins_block(),
            recorded_at: entry.recorded_at,
            revision: entry.revision,
            previous: *entry.previous,
            order,
            leaf,
            id_len: entry.correlation_id.len(),
            own,
            defect,
        }
    }
}

fn name_defect(correlation_id: &[u8], event: &Event) -> Option<Defect> {
    let name = event.correlation_id();
    (name.as_bytes() != correlation_id)
        .then(|| Defect::Event(format!("it is about order {name}, its entry is not")))
}

/// The limits of a ledger that another one may have been given when it was written.
pub(super) fn unlimited() -> Limits {
    Limits {
        event_bytes_max: usize::MAX,
        event_lines_max: usize::MAX,
        id_bytes_max: usize::MAX,
        ..Limits::default()
    }
}

/// Whole blocks, and the digests of their entries; damage where one of them is not sound.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) blocks: Blocks,
    pub(super) digests: Result<Vec<Digest>, LogError>,
}

impl Piece {
    fn of(blocks: Blocks, unlimited: &Limits) -> Self {
        let mut digests = Vec::with_capacity(blocks.entry_count());
        let read = blocks.each(|placed| {
            digests.push(Digest::of(&placed, blocks.share(placed.entry.body), unlimited));
        });
        let digests = read.map(|()| digests);
        Self { blocks, digests }
    }
}

type Job = (Blocks, SyncSender<Piece>);

/// Threads that compute digests. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Digesters {
    /// `None` when they are to end.
    jobs: Option<Sender<Job>>,
    /// What was given to them, in order.
    waiting: VecDeque<Receiver<Piece>>,
    threads: Vec<JoinHandle<()>>,
}

impl Digesters {
    pub(super) fn start() -> std::io::Result<Self> {
        let (jobs, incoming) = channel::<Job>();
        let incoming = Arc::new(Mutex::new(incoming));
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        let start = |_| {
            let incoming = Arc::clone(&incoming);
            let thread = std::thread::Builder::new().name("verify".into());
            thread.spawn(move || work(&incoming))
        };
        let threads = (0..count).map(start).collect::<Result<_, _>>()?;
        Ok(Self { jobs: Some(jobs), waiting: VecDeque::new(), threads })
    }

    /// Whether they have room for another piece.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < self.threads.len() * PIECES_EACH
    }

    pub(super) fn give(&mut self, blocks: Blocks) {
        let (reply, answer) = sync_channel(1);
        self.waiting.push_back(answer);
        // Where all threads have panicked, the answer does not come.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send((blocks, reply)));
    }

    /// The next piece, in the order in which they were given; `None` where there is none, and where
    /// a thread has panicked.
    pub(super) fn take(&mut self) -> Option<Piece> {
        self.waiting.pop_front()?.recv().ok()
    }

    /// Forgets all pieces that were given.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }
}

impl Drop for Digesters {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(incoming: &Mutex<Receiver<Job>>) {
    let unlimited = unlimited();
    loop {
        let job = incoming.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((blocks, reply)) = job else { return };
        // Who does not want it any more has found damage before it.
        let _ = reply.send(Piece::of(blocks, &unlimited));
    }
}
