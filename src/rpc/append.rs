//! `Append` and `AppendStream`. Does not know how a batch is decided.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::{Code, Status, Streaming};

use super::convert::{append_response, batch};
use super::explain::explain;
use super::service::Shutdown;
use super::status::{IntoStatus as _, class_of, status};
use super::wire;
use crate::ledger::{AppendError, FailureClass, Ledger, Pending};

/// Batches of more events are prepared on a thread that may take its time.
const INLINE_EVENTS_MAX: usize = 16;
/// Requests of one stream that are under way; the client is not read from beyond them.
const IN_FLIGHT_MAX: usize = 1024;

/// Appends one batch.
pub(super) async fn append(
    ledger: &Arc<Ledger>,
    request: wire::AppendRequest,
) -> Result<wire::AppendResponse, Status> {
    let appended = submit(ledger, request).await?.await;
    Ok(append_response(&appended.map_err(AppendError::into_status)?))
}

/// Validates a batch, looks up its orders and sends it to the writer.
async fn submit(ledger: &Arc<Ledger>, request: wire::AppendRequest) -> Result<Pending, Status> {
    if request.events.len() <= INLINE_EVENTS_MAX {
        return submit_now(ledger, request);
    }
    let ledger = Arc::clone(ledger);
    let submitted = tokio::task::spawn_blocking(move || submit_now(&ledger, request)).await;
    submitted.unwrap_or_else(|error| {
        Err(status(Code::Internal, "INTERNAL", FailureClass::NotWritten, error.to_string()))
    })
}

fn submit_now(ledger: &Ledger, request: wire::AppendRequest) -> Result<Pending, Status> {
    let batch = batch(request, ledger.limits()).map_err(AppendError::Invalid);
    batch.and_then(|batch| ledger.submit(batch)).map_err(AppendError::into_status)
}

/// A request of a stream, on its way through the writer.
struct UnderWay {
    request_id: u64,
    submitted: Result<Pending, Status>,
}

/// The answers of a stream of appends, in the order of the requests.
pub(super) struct Answers {
    under_way: mpsc::Receiver<Result<UnderWay, Status>>,
    next: Option<UnderWay>,
}

/// Reads requests until the client has no more, or the server shuts down.
pub(super) fn append_stream(
    ledger: Arc<Ledger>,
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
                    let submitted = submit(&ledger, batch).await;
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
            Ok(pending) => match ready!(Pin::new(pending).poll(context)) {
                Ok(appended) => Ok(append_response(&appended)),
                Err(error) => Err(error.into_status()),
            },
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
