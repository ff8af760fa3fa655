//! `Append` and `AppendStream`. Does not know how a batch is decided.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::Stream;
use tonic::{Code, Status, Streaming};

use super::audit::Audits;
use super::convert::{append_response, batch, raw_batch};
use super::explain::explain;
use super::service::Shutdown;
use super::status::{IntoStatus as _, class_of, invalid, status};
use super::wire;
use crate::delivery::{DeadLetterError, DeadLetters, Keeping};
use crate::event::Violation;
use crate::ledger::{AppendError, FailureClass, Ledger, Pending};

/// Batches of more events are prepared on a thread that may take its time.
const INLINE_EVENTS_MAX: usize = 16;
/// So many of them at once: more would share the same processors, and each fill its own memory.
static PREPARING: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));
/// Requests of one stream that are under way; the client is not read from beyond them.
const IN_FLIGHT_MAX: usize = 1024;

/// Appends one batch.
pub(super) async fn append(
    of: (&DeadLetters, &Audits),
    request: wire::AppendRequest,
) -> Result<wire::AppendResponse, Status> {
    submit(of, request).await?.await
}

/// A batch on its way: what is refused of it is kept, or refuses it.
enum Submitted {
    Strict(Pending),
    Keeping(Keeping),
    /// With a checkpoint that covers it.
    Covered(Pin<Box<dyn Future<Output = Result<wire::AppendResponse, Status>> + Send>>),
}

impl Future for Submitted {
    type Output = Result<wire::AppendResponse, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let appended = match &mut *self {
            Self::Strict(pending) => {
                ready!(Pin::new(pending).poll(context)).map_err(AppendError::into_status)
            }
            Self::Keeping(keeping) => {
                ready!(Pin::new(keeping).poll(context)).map_err(DeadLetterError::into_status)
            }
            Self::Covered(covered) => return covered.as_mut().poll(context),
        };
        Poll::Ready(appended.map(|appended| append_response(&appended)))
    }
}

/// The answer to a batch together with a checkpoint. Where none can be signed the batch is appended
/// all the same, so that is no error.
async fn cover(submitted: Submitted, audits: Audits) -> Result<wire::AppendResponse, Status> {
    let mut answer = submitted.await?;
    let head = answer.head;
    match audits.ask(move |audit| audit.checkpoint(head)).await {
        Ok(signed) => answer.checkpoint.clone_from(&signed.note),
        Err(error) => tracing::warn!(%error, "no checkpoint for an append that asked for one"),
    }
    Ok(answer)
}

/// Validates a batch, looks up its orders and sends it to the writer.
async fn submit(
    (letters, audits): (&DeadLetters, &Audits),
    request: wire::AppendRequest,
) -> Result<Submitted, Status> {
    let with_checkpoint = request.with_checkpoint;
    let submitted = send(letters, request).await?;
    if with_checkpoint {
        return Ok(Submitted::Covered(Box::pin(cover(submitted, audits.clone()))));
    }
    Ok(submitted)
}

async fn send(letters: &DeadLetters, request: wire::AppendRequest) -> Result<Submitted, Status> {
    let keeps = keeps(request.on_refusal)?;
    let is_short = request.events.len() <= INLINE_EVENTS_MAX;
    if is_short && (!keeps || letters.knows_sources_of(&request.events)) {
        return submit_now(letters, request, keeps);
    }
    let letters = letters.clone();
    // Held until the batch is prepared; it is never closed.
    let turn = PREPARING.acquire().await.ok();
    let submitted = tokio::task::spawn_blocking(move || submit_now(&letters, request, keeps)).await;
    drop(turn);
    submitted.unwrap_or_else(|error| {
        Err(status(Code::Internal, "INTERNAL", FailureClass::NotWritten, error.to_string()))
    })
}

fn submit_now(
    letters: &DeadLetters,
    request: wire::AppendRequest,
    keeps: bool,
) -> Result<Submitted, Status> {
    if keeps {
        let submitted = letters.submit(raw_batch(request));
        return submitted.map(Submitted::Keeping).map_err(DeadLetterError::into_status);
    }
    let ledger: &Ledger = letters.ledger();
    let batch = batch(request, ledger.limits()).map_err(AppendError::Invalid);
    let pending = batch.and_then(|batch| ledger.submit(batch));
    pending.map(Submitted::Strict).map_err(AppendError::into_status)
}

/// Whether what is refused is kept.
fn keeps(on_refusal: i32) -> Result<bool, Status> {
    match wire::OnRefusal::try_from(on_refusal) {
        Ok(wire::OnRefusal::DeadLetter) => Ok(true),
        Ok(wire::OnRefusal::Reject | wire::OnRefusal::Unspecified) => Ok(false),
        Err(_) => {
            let what =
                format!("{on_refusal} is not known; allowed are 1 (reject), 2 (dead letter)");
            Err(invalid(&[Violation::new("on_refusal", what)]))
        }
    }
}

/// A request of a stream, on its way through the writer.
struct UnderWay {
    request_id: u64,
    submitted: Result<Submitted, Status>,
}

/// The answers of a stream of appends, in the order of the requests.
pub(super) struct Answers {
    under_way: mpsc::Receiver<Result<UnderWay, Status>>,
    next: Option<UnderWay>,
}

/// Reads requests until the client has no more, or the server shuts down.
pub(super) fn append_stream(
    (letters, audits): (DeadLetters, Audits),
    mut requests: Streaming<wire::AppendStreamRequest>,
    mut shutdown: Shutdown,
) -> Answers {
    let (sender, under_way) = mpsc::channel(IN_FLIGHT_MAX);
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                next = requests.message() => next,
                () = shutdown.begun() => Err(shutting_down()),
            };
            let (item, last) = match next {
                Ok(None) => return,
                Ok(Some(request)) => {
                    let batch = request.append.unwrap_or_default();
                    let submitted = submit((&letters, &audits), batch).await;
                    (Ok(UnderWay { request_id: request.request_id, submitted }), false)
                }
                Err(error) => (Err(explained(error)), true),
            };
            if sender.send(item).await.is_err() || last {
                return;
            }
        }
    });
    Answers { under_way, next: None }
}

fn shutting_down() -> Status {
    AppendError::Closed.into_status()
}

fn explained(error: Status) -> Status {
    if error.details().is_empty() { explain(&error) } else { error }
}

impl Stream for Answers {
    type Item = Result<wire::AppendStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.next.is_none() {
            match ready!(self.under_way.poll_recv(context)) {
                Some(Ok(under_way)) => self.next = Some(under_way),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
        let Some(UnderWay { request_id, submitted }) = &mut self.next else {
            return Poll::Ready(None);
        };
        let result = match submitted {
            Ok(submitted) => ready!(Pin::new(submitted).poll(context)),
            Err(status) => Err(status.clone()),
        };
        let answer = answer(*request_id, result);
        self.next = None;
        Poll::Ready(Some(Ok(answer)))
    }
}

fn answer(
    request_id: u64,
    result: Result<wire::AppendResponse, Status>,
) -> wire::AppendStreamResponse {
    use wire::append_stream_response::Result as Wire;
    let result = match result {
        Ok(appended) => Wire::Appended(appended),
        Err(status) => Wire::Error(wire::AppendError {
            code: status.code().into(),
            message: status.message().to_owned(),
            failure_class: match class_of(&status) {
                FailureClass::Refused => wire::FailureClass::Refused,
                FailureClass::NotWritten => wire::FailureClass::NotWritten,
                FailureClass::InDoubt => wire::FailureClass::InDoubt,
            }
            .into(),
            details: status.details().to_vec().into(),
        }),
    };
    wire::AppendStreamResponse { request_id, result: Some(result) }
}
