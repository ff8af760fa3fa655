//! Writes the tail into the views behind the appends, in a thread of its own.
//! Does not know what it writes, nor how the log grows.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{GenerationSize, PASS_SIZE, ViewError, Views};

/// How long entries stay in the tail while few come.
const IDLE_PASS_AFTER: Duration = Duration::from_secs(2);
/// How long to wait after a failed pass.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The thread that moves the tail into the views.
#[derive(Debug)]
pub(crate) struct Indexer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    views: Arc<Views>,
    state: Mutex<State>,
    /// A pass is due, or the end has come.
    asked: Condvar,
    /// A pass has ended.
    passed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: bool,
    stop: bool,
    /// Why the last pass failed.
    failure: Option<String>,
    /// It failed at the file, which has to be opened again.
    reopen: bool,
}

impl Indexer {
    pub(crate) fn start(views: Arc<Views>) -> std::io::Result<Self> {
        let (state, asked, passed) = (Mutex::default(), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { views, state, asked, passed });
        let running = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("view-index".into()).spawn(move || running.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Lets others ask for passes.
    pub(crate) fn passes(&self) -> Passes {
        Passes { shared: Arc::clone(&self.shared) }
    }

    /// Says that the current generation has become so large.
    pub(crate) fn grown(&self, size: GenerationSize) {
        if size.exceeds(PASS_SIZE) {
            self.shared.ask(&mut self.shared.state());
        }
    }

    /// Waits until the tail has fewer entries than `max`.
    ///
    /// # Errors
    /// Why it has not, where the views cannot be written.
    pub(crate) fn wait_for_room(&self, max: usize) -> Result<(), String> {
        let mut state = self.shared.state();
        loop {
            let (sealed, current) = self.shared.views.tail().entry_count();
            if sealed + current < max {
                return Ok(());
            }
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            self.shared.ask(&mut state);
            state = wait(&self.shared.passed, state, RETRY_AFTER);
        }
    }
}

/// Asks for passes, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Passes {
    shared: Arc<Shared>,
}

impl Passes {
    /// Asks for a pass now, where the views do not go up to `offset`; whether they do.
    pub(crate) fn ask(&self, offset: u64) -> bool {
        if *self.shared.views.reached().borrow() >= offset {
            return true;
        }
        self.shared.ask(&mut self.shared.state());
        false
    }

    /// Waits until the views go up to `offset`, at most so long; whether they do.
    pub(crate) fn wait(&self, offset: u64, most: Duration) -> bool {
        let begin = Instant::now();
        let mut state = self.shared.state();
        loop {
            if *self.shared.views.reached().borrow() >= offset {
                return true;
            }
            let left = most.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return false;
            }
            self.shared.ask(&mut state);
            state = wait(&self.shared.passed, state, left);
        }
    }

    /// Why the last pass failed, where it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.state().failure.clone()
    }
}

impl Drop for Indexer {
    /// Writes what is left, so that the next opening finds nothing to do.
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.asked.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, state: &mut State) {
        if !std::mem::replace(&mut state.due, true) {
            self.asked.notify_one();
        }
    }

    fn run(&self) {
        loop {
            let mut state = self.state();
            if !state.due && !state.stop {
                state = wait(&self.asked, state, IDLE_PASS_AFTER);
            }
            state.due = false;
            let (stop, failed_before) = (state.stop, state.failure.is_some());
            let reopen = state.reopen;
            drop(state);
            let passed = self.pass((failed_before, reopen), stop);
            if let (Err(reason), false) = (&passed, failed_before) {
                tracing::error!(%reason, "the views cannot be written; trying again");
            }
            let mut state = self.state();
            state.reopen = matches!(passed, Err(ViewError::Io(_) | ViewError::Damaged(_)));
            state.failure = passed.err().map(|error| error.to_string());
            self.passed.notify_all();
            if stop {
                return;
            }
            let retry_at = Instant::now() + RETRY_AFTER;
            while state.failure.is_some() && !state.stop && Instant::now() < retry_at {
                // Who asks meanwhile does not make it sooner.
                state = wait(&self.asked, state, RETRY_AFTER);
            }
        }
    }

    /// Writes the sealed generation, or else the current one; behind a failure both, and before the
    /// end all there is.
    fn pass(
        &self,
        (failed_before, reopen): (bool, bool),
        to_the_end: bool,
    ) -> Result<(), ViewError> {
        if reopen {
            self.views.reopen()?;
        }
        if failed_before {
            self.views.pass()?;
        }
        loop {
            self.views.pass()?;
            if !to_the_end || self.views.tail().entry_count() == (0, 0) {
                return Ok(());
            }
        }
    }
}

fn wait<'s>(
    condition: &Condvar,
    state: MutexGuard<'s, State>,
    most: Duration,
) -> MutexGuard<'s, State> {
    condition.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
}
