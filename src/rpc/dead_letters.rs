//! The delivery service's methods about dead letters, and the statuses of their errors.
//! Does not know how letters are kept.

use tonic::{Code, Status};

use super::convert::event_outcome;
use super::status::{IntoStatus, invalid, refused_with, status, with_more};
use super::wire;
use crate::delivery::{DeadLetterError, DeadLetters, Refused};
use crate::event::Violation;
use crate::ledger::FailureClass;
use crate::proto::{DeadLetterFormat, ListDeadLettersRequest, ListDeadLettersResponse};

pub(super) async fn keep(
    letters: &DeadLetters,
    request: wire::KeepDeadLetterRequest,
) -> Result<wire::KeepDeadLetterResponse, Status> {
    let format = request.format;
    let format = DeadLetterFormat::try_from(format).map_err(|_| {
        let what = format!("{format} is not known; allowed are 1 (protobuf), 2 (NDJSON)");
        invalid(&[Violation::new("format", what)])
    })?;
    let reasons = request.reasons.into_iter();
    let reasons = reasons.map(|reason| Violation::new(reason.field, reason.description)).collect();
    let refused = Refused { raw: request.raw, format, origin: request.origin, reasons };
    blocking(letters, move |letters| {
        let offset = letters.keep(refused)?.offset;
        Ok(wire::KeepDeadLetterResponse { offset })
    })
    .await
}

pub(super) async fn list(
    letters: &DeadLetters,
    request: ListDeadLettersRequest,
) -> Result<ListDeadLettersResponse, Status> {
    blocking(letters, move |letters| letters.list(&request)).await
}

pub(super) async fn redrive(
    letters: &DeadLetters,
    request: wire::RedriveDeadLetterRequest,
) -> Result<wire::RedriveDeadLetterResponse, Status> {
    blocking(letters, move |letters| {
        let wire::RedriveDeadLetterRequest { offset, corrected, actor } = request;
        let redriven = letters.redrive(offset, corrected, &actor)?;
        let outcome = Some(event_outcome(&redriven.outcome));
        Ok(wire::RedriveDeadLetterResponse { outcome, head: redriven.head })
    })
    .await
}

pub(super) async fn discard(
    letters: &DeadLetters,
    request: wire::DiscardDeadLetterRequest,
) -> Result<wire::DiscardDeadLetterResponse, Status> {
    blocking(letters, move |letters| {
        letters.discard(request.offset, &request.actor, &request.reason)?;
        Ok(wire::DiscardDeadLetterResponse {})
    })
    .await
}

async fn blocking<T: Send + 'static>(
    letters: &DeadLetters,
    work: impl FnOnce(&DeadLetters) -> Result<T, DeadLetterError> + Send + 'static,
) -> Result<T, Status> {
    let letters = letters.clone();
    let answer = tokio::task::spawn_blocking(move || work(&letters)).await;
    let answer = answer.map_err(|error| {
        status(Code::Internal, "INTERNAL", FailureClass::InDoubt, error.to_string())
    })?;
    answer.map_err(DeadLetterError::into_status)
}

impl IntoStatus for DeadLetterError {
    fn into_status(self) -> Status {
        let message = self.to_string();
        let plain = |code, reason, advice: &str| {
            status(code, reason, FailureClass::Refused, format!("{message}: {advice}"))
        };
        match self {
            Self::Invalid(violations) => invalid(&violations),
            Self::Unknown(_) => plain(
                Code::NotFound,
                "UNKNOWN_DEAD_LETTER",
                "ListDeadLetters names those there are",
            ),
            Self::Closed(_) => plain(
                Code::FailedPrecondition,
                "DEAD_LETTER_CLOSED",
                "nothing was done, and nothing is left to do",
            ),
            Self::StillInvalid { violations, .. } => {
                let advice = "give a corrected event, or discard it";
                let kind = (Code::InvalidArgument, "STILL_INVALID");
                refused_with(kind, &violations, (message, advice))
            }
            Self::Full(_) => plain(
                Code::FailedPrecondition,
                "DEAD_LETTERS_FULL",
                "ListDeadLetters with the source names them",
            ),
            Self::NotKept { refusal, full } => {
                let more = format!("it was not kept as a dead letter: {full}");
                with_more(&refusal.into_status(), &more)
            }
            Self::Append(error) => error.into_status(),
            Self::Query(error) => error.into_status(),
        }
    }
}
