//! Waiting for the writer's answer, in a task or in a thread. Does not know what is answered.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::oneshot;

use super::batch::Appended;
use super::error::AppendError;

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
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
