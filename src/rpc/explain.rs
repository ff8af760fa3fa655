//! Gives details to the errors that arise before a method runs: bytes that are no protobuf, a
//! message over the limit, a method that is not there. Does not know the methods.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::status::status;
use crate::ledger::FailureClass;

/// A layer that explains errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Explain;

/// A service whose errors are explained.
#[derive(Clone, Debug)]
pub(super) struct Explained<S>(S);

impl<S> Layer<S> for Explain {
    type Service = Explained<S>;

    fn layer(&self, inner: S) -> Explained<S> {
        Explained(inner)
    }
}

impl<S> Service<Request<Body>> for Explained<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send + 'static>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let deadline = timeout(request.headers()).map(|after| Instant::now() + after);
        let answer = self.0.call(request);
        Box::pin(async move {
            let Some(deadline) = deadline else {
                return Ok(explained(answer.await?));
            };
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(answer) => Ok(explained(answer?)),
                Err(_) => Ok(deadline_exceeded().into_http()),
            }
        })
    }
}

/// How long the caller waits, less a moment: at that time the transport ends the call with
/// CANCELLED and no word of explanation.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    let after = match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    };
    Some(after.saturating_sub(Duration::from_millis(5)))
}

fn deadline_exceeded() -> Status {
    let message = "the deadline of the call has passed: if it appended, retry with the same event \
                   ids, or call GetAppendOutcome";
    let code = Code::DeadlineExceeded;
    status(code, "DEADLINE_EXCEEDED", FailureClass::InDoubt, message.to_owned())
}

fn explained(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok) {
        Some(bare) if bare.details().is_empty() => explain(&bare).into_http(),
        _ => response,
    }
}

/// What the transport says of bytes that are no request.
const MALFORMED: [&str; 4] = ["decode", "decoding", "compression flag", "Missing request"];

/// What the transport says, with reason and class. Nothing was written: no method has run.
pub(super) fn explain(bare: &Status) -> Status {
    let message = bare.message();
    let (code, reason, message) = match bare.code() {
        Code::OutOfRange if message.contains("message length too large") => {
            (Code::InvalidArgument, "MESSAGE_TOO_LARGE", format!("{message} (message_bytes_max)"))
        }
        Code::Internal if MALFORMED.iter().any(|said| message.contains(said)) => {
            (Code::InvalidArgument, "MALFORMED_REQUEST", format!("not a request: {message}"))
        }
        Code::Unimplemented if message.contains("compressed") => (
            Code::Unimplemented,
            "UNSUPPORTED_COMPRESSION",
            format!("{message}; send it uncompressed"),
        ),
        Code::Unimplemented => (
            Code::Unimplemented,
            "UNKNOWN_METHOD",
            format!("no such method; server reflection lists those there are. {message}"),
        ),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => (bare.code(), "TRANSPORT", message.to_owned()),
    };
    status(code, reason, FailureClass::Refused, message)
}
