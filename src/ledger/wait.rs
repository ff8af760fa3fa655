//! Waiting for the writer's answer, in a task or in a thread. Does not know what is answered.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::batch::Appended;
use super::error::AppendError;

/// A long time, but one that the clock of every system can still tell.
const LONG_TIME: Duration = Duration::from_secs(3_600);

/// A batch that is on its way. Await it, or [`Pending::wait`] for it. Dropping it does not stop the
/// batch.
#[derive(Debug)]
#[must_use = "only the answer says whether the batch was appended"]
pub struct Pending {
    answer: oneshot::Receiver<Result<Appended, AppendError>>,
}

impl Pending {
    pub(super) fn new(answer: oneshot::Receiver<Result<Appended, AppendError>>) -> Self {
        Self { answer }
    }

    /// Blocks this thread until the batch is durable or refused.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn wait(self) -> Result<Appended, AppendError> {
        block_on(self)
    }
}

impl Future for Pending {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|answer| {
            answer.unwrap_or_else(|_| {
                Err(AppendError::InDoubt("the writer ended before it answered".to_owned()))
            })
        })
    }
}

/// Runs a future on this thread, inside of a runtime or not. A task's budget does not count here:
/// it is not renewed while its thread waits.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        let until = Instant::now() + LONG_TIME;
        if let Some(output) = block_on_until(future.as_mut(), until) {
            return output;
        }
    }
}

/// The same, but not for longer than that; `None` where it is not ready by then.
pub(crate) fn block_on_until<F: Future>(future: F, until: Instant) -> Option<F::Output> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(tokio::task::coop::unconstrained(future));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                std::thread::park_timeout(left);
            }
        }
    }
}
