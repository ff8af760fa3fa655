//! The one thread that keeps the tree, signs checkpoints and has seals made. Appends never wait for
//! it. Does not know who asks, nor how proofs are made.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::AuditError;
use super::archive::{Archive, ArchivePlaces, KeptCheckpoint, SignedCheckpoint};
use super::checkpoint::Checkpoint;
use super::directory::DirectoryPlace;
use super::note::{SignerKey, VerifierKey};
use super::period::{Closing, Period};
use super::seal::{Made, Sealed, Sealer};
use super::stored_tree::{StoredTree, TreeWriter};
use crate::ledger::Ledger;

/// Leaves are gathered for so long, where nobody waits for a checkpoint.
const GATHER: Duration = Duration::from_millis(50);
/// A seal rests so many times as long as it took: in a ledger of very many orders it comes less
/// often than it was asked for, and costs a twentieth of a core.
const REST_FACTOR: u32 = 20;
/// After a failure nothing is tried again before.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where the audit stands, for all who ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// The newest checkpoint.
    pub(super) signed: Option<Arc<SignedCheckpoint>>,
    /// The newest seal.
    pub(super) sealed: Option<Arc<Sealed>>,
    /// Leaves in the tree, and entries in the log, while it is being made.
    pub(super) behind: Option<(u64, u64)>,
    /// Why nothing new comes.
    pub(super) trouble: Option<Trouble>,
}

/// Why nothing new is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The log does not continue what was signed; for good.
    Refused(String),
    /// The last checkpoint could not be written; it is tried again.
    Storage(String),
    /// The thread has ended.
    Stopped(String),
}

/// The seal that was made, and the period that it closed.
type SealReply = Result<(Arc<Sealed>, Option<Period>), AuditError>;

/// What is wanted of a seal.
#[derive(Debug)]
pub(super) struct SealWanted {
    pub(super) closing: Option<Closing>,
    /// The number of entries that it has to cover.
    pub(super) covers: u64,
    pub(super) reply: oneshot::Sender<SealReply>,
}

/// What others want of the thread.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    state: Mutex<WantedState>,
}

#[derive(Debug, Default)]
struct WantedState {
    /// A checkpoint has to cover so many entries.
    checkpoint: u64,
    seals: Vec<SealWanted>,
    /// Since when the audit is to be closed.
    closing: Option<Instant>,
    /// Whether the thread has ended, and nobody makes seals any more.
    ended: bool,
}

impl Wanted {
    fn state(&self) -> MutexGuard<'_, WantedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn checkpoint(&self, at_least: u64) {
        let mut state = self.state();
        state.checkpoint = state.checkpoint.max(at_least);
    }

    /// Asks for a seal. Where the thread has ended, the reply is dropped at once.
    pub(super) fn seal(&self, wanted: SealWanted) {
        let mut state = self.state();
        if !state.ended {
            state.seals.push(wanted);
        }
    }

    pub(super) fn close(&self) {
        self.state().closing.get_or_insert_with(Instant::now);
    }

    /// For how long the audit has been about to be closed.
    pub(super) fn closing_for(&self) -> Option<Duration> {
        self.state().closing.map(|since| since.elapsed())
    }

    /// Tells all who wait for a seal that none comes now.
    pub(super) fn give_up(&self, why: &str) {
        let seals = std::mem::take(&mut self.state().seals);
        for wanted in seals {
            let _ = wanted.reply.send(Err(AuditError::Storage(why.to_owned())));
        }
    }

    /// Says that the thread has ended: replies that wait, and that are asked for later, are
    /// dropped.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.seals.clear();
    }
}

/// What stays as it is while the audit is open.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) ledger: Arc<Ledger>,
    pub(super) origin: String,
    pub(super) keys: Vec<SignerKey>,
    pub(super) verifier_keys: Vec<VerifierKey>,
    pub(super) places: ArchivePlaces,
    pub(super) tree: Arc<StoredTree>,
    pub(super) directory: DirectoryPlace,
    pub(super) wanted: Arc<Wanted>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) checkpoint_interval: Duration,
    pub(super) seal_interval: Option<Duration>,
}

/// What the thread works with. Where it fails it is made again, as after a crash.
#[derive(Debug)]
pub(super) struct Keeper<'s> {
    pub(super) setup: &'s Setup,
    pub(super) archive: Archive,
    pub(super) tree: TreeWriter,
    pub(super) sealer: Sealer,
    /// Who waits for the seal that is being made.
    pub(super) sealing: Vec<SealWanted>,
    pub(super) times: Times,
}

/// When something was done, and is due again.
#[derive(Debug)]
pub(super) struct Times {
    signed: Instant,
    seal_began: Instant,
    seal_due: Option<Instant>,
    /// The size of the tree when nothing but the last seal was in it.
    quiet_size: u64,
}

impl Times {
    pub(super) fn starting(seal_interval: Option<Duration>, quiet_size: u64) -> Self {
        let now = Instant::now();
        Self {
            signed: now,
            seal_began: now,
            seal_due: seal_interval.map(|interval| now + interval),
            quiet_size,
        }
    }
}

impl Keeper<'_> {
    /// Runs until it is told to close, or cannot go on. Before, [`super::open`] has compared the
    /// tree with what was signed.
    ///
    /// # Errors
    /// [`AuditError::SigningRefused`], and what may be over when it is tried again.
    pub(super) fn run(mut self) -> Result<(), AuditError> {
        let ended = self.rounds();
        if let Err(error) = &ended {
            for wanted in self.sealing.drain(..) {
                let _ = wanted.reply.send(Err(AuditError::Storage(error.to_string())));
            }
        }
        ended
    }

    fn rounds(&mut self) -> Result<(), AuditError> {
        loop {
            let closing = self.setup.wanted.closing_for().is_some();
            if self.round(closing)? {
                return Ok(());
            }
            self.wait();
        }
    }

    /// One round: takes what came, signs, and sees to seals. Answers whether it was the last.
    fn round(&mut self, closing: bool) -> Result<bool, AuditError> {
        self.take_leaves()?;
        self.finish_seal(closing)?;
        if self.checkpoint_is_due(closing) {
            self.sign(None)?;
        }
        if closing {
            return Ok(true);
        }
        if self.sealer.catch_up(self.tree.size())? {
            self.begin_seal()?;
        }
        Ok(false)
    }

    fn wait(&self) {
        let now = Instant::now();
        if !self.sealer.is_busy() && self.sealer.lags(self.tree.size()) {
            return;
        }
        let size = self.tree.size();
        let unsigned = self.signed_size() != Some(size);
        let sign_at = unsigned.then(|| self.times.signed + self.setup.checkpoint_interval);
        let changed = size > self.times.quiet_size && !self.sealer.is_busy();
        let seal_at = self.times.seal_due.filter(|_| changed);
        let retry_at = self.has_trouble().then_some(now + RETRY_AFTER);
        let until = [sign_at, seal_at, retry_at].into_iter().flatten().min();
        if !self.setup.ledger.wait_for_leaves(until) {
            // More comes together; whoever waits for a checkpoint pokes.
            let gathered = now + GATHER.min(self.setup.checkpoint_interval);
            self.setup.ledger.wait_for_poke(gathered);
        }
    }

    fn has_trouble(&self) -> bool {
        self.setup.standing.borrow().trouble.is_some()
    }

    fn signed_size(&self) -> Option<u64> {
        self.setup.standing.borrow().signed.as_ref().map(|signed| signed.checkpoint.size)
    }

    /// Takes all leaves that there are.
    fn take_leaves(&mut self) -> Result<(), AuditError> {
        while self.take_some()? {}
        Ok(())
    }

    /// Takes a part of the leaves that there are; answers whether there were any.
    pub(super) fn take_some(&mut self) -> Result<bool, AuditError> {
        let from = self.tree.size();
        let (tree, sealer) = (&mut self.tree, &mut self.sealer);
        let mut failed = Ok(());
        self.setup.ledger.take_leaves(from, |leaf| {
            if failed.is_ok() {
                failed = sealer.take(tree.size(), &leaf);
            }
            tree.push(leaf.leaf);
        })?;
        failed?;
        let head = self.setup.ledger.head();
        let size = self.tree.size();
        self.setup.standing.send_if_modified(|standing| {
            let behind = standing.behind.is_some();
            standing.behind = behind.then_some((size, head));
            behind
        });
        Ok(size > from)
    }

    fn checkpoint_is_due(&self, closing: bool) -> bool {
        let size = self.tree.size();
        let signed = self.signed_size();
        if signed == Some(size) && !self.has_trouble() {
            return false;
        }
        let asked =
            signed.is_none_or(|signed| signed < self.setup.wanted.state().checkpoint.min(size));
        let usual = self.setup.checkpoint_interval;
        let interval = if self.has_trouble() { RETRY_AFTER } else { usual };
        asked && !self.has_trouble() || closing || self.times.signed.elapsed() >= interval
    }

    /// Signs the tree as it is; `day` is given where the checkpoint covers a seal.
    pub(super) fn sign(&mut self, day: Option<&str>) -> Result<(), AuditError> {
        let root = self.tree.settle()?;
        let Setup { origin, keys, standing, .. } = self.setup;
        let checkpoint = Checkpoint { origin: origin.clone(), size: self.tree.size(), root };
        let note = checkpoint.sign(keys);
        self.times.signed = Instant::now();
        // Durable before anybody sees it: after a crash nothing smaller can be signed.
        let fits = |found: &KeptCheckpoint| self.setup.fits(found, checkpoint.size);
        let kept = self.archive.keep(&note, day, fits);
        if let Err(AuditError::SigningRefused(why)) = kept {
            return Err(AuditError::SigningRefused(why));
        }
        standing.send_modify(|standing| match kept {
            Ok(()) => {
                standing.signed = Some(Arc::new(SignedCheckpoint { note, checkpoint }));
                (standing.trouble, standing.behind) = (None, None);
            }
            Err(error) => {
                tracing::error!(%error, "a checkpoint could not be kept");
                standing.trouble = Some(Trouble::Storage(error.to_string()));
            }
        });
        Ok(())
    }

    fn begin_seal(&mut self) -> Result<(), AuditError> {
        let size = self.tree.size();
        if self.sealer.is_busy() || size == 0 {
            return Ok(());
        }
        let wanted = self.next_wanted(size);
        let due = self.times.seal_due.is_some_and(|due| due <= Instant::now());
        if wanted.is_empty() && !(due && size > self.times.quiet_size) {
            return Ok(());
        }
        let closing = wanted.iter().find_map(|wanted| wanted.closing.clone());
        self.sealing = wanted;
        self.times.seal_began = Instant::now();
        self.sealer.begin(closing)
    }

    /// Those whom the next seal answers: all that want none of their own, and one that does.
    fn next_wanted(&self, size: u64) -> Vec<SealWanted> {
        let mut state = self.setup.wanted.state();
        let (mut now, mut later) = (Vec::new(), Vec::new());
        let mut has_closing = false;
        for wanted in state.seals.drain(..) {
            let own = wanted.closing.is_some();
            if wanted.covers > size || own && has_closing {
                later.push(wanted);
            } else {
                has_closing |= own;
                now.push(wanted);
            }
        }
        state.seals = later;
        now
    }

    fn finish_seal(&mut self, wait: bool) -> Result<(), AuditError> {
        let Some(made) = self.sealer.finish(wait) else {
            return Ok(());
        };
        let took = self.times.seal_began.elapsed();
        let rest = self.setup.seal_interval.map(|interval| interval.max(took * REST_FACTOR));
        self.times.seal_due = rest.map(|rest| Instant::now() + rest);
        let waiting = std::mem::take(&mut self.sealing);
        let Made { sealed, period, end } = match made {
            Ok(made) => made,
            Err(error) => {
                tracing::error!(%error, "the log could not be sealed");
                let what = error.to_string();
                for wanted in waiting {
                    let _ = wanted.reply.send(Err(AuditError::Directory(what.clone())));
                }
                return Ok(());
            }
        };
        self.take_leaves()?;
        self.times.quiet_size = end;
        let day = self.sealer.day().to_owned();
        self.sign(Some(&day))?;
        let newest = Arc::clone(&sealed);
        self.setup.standing.send_modify(|standing| standing.sealed = Some(newest));
        for wanted in waiting {
            let period = period.clone().filter(|_| wanted.closing.is_some());
            let _ = wanted.reply.send(Ok((Arc::clone(&sealed), period)));
        }
        Ok(())
    }
}
