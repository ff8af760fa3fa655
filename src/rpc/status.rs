//! Errors as gRPC statuses with google.rpc details, all in one place.
//! Does not know which method failed.
//!
//! Every status carries `ErrorInfo` with domain `orderledger`, a reason, and in its metadata the
//! class of the failure.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::delivery::DeliveryError;
use crate::event::{Violation, listed, to_hex};
use crate::ledger::{AppendError, FailureClass, QueryError, ReusedId, WrongRevision};
use crate::view::ViewError;

/// The domain of every `ErrorInfo`.
const ERROR_DOMAIN: &str = "orderledger";

/// Details travel in a header, which clients bound; what does not fit is counted in the last one.
const DETAIL_TEXT_BYTES_MAX: usize = 3_000;

const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(1);

/// The details of an error, for people who show them.
pub(crate) fn error_details(status: &Status) -> ErrorDetails {
    status.get_error_details()
}

/// A status with its reason and class.
pub(super) fn status(code: Code, reason: &str, class: FailureClass, message: String) -> Status {
    let mut details = details(reason, class);
    if class == FailureClass::NotWritten {
        set_retry(&mut details, LATER);
    }
    Status::with_error_details(code, message, details)
}

/// A refused question, with all that is wrong with it.
pub(super) fn invalid(violations: &[Violation]) -> Status {
    let mut message = format!("the request breaks {}", listed(violations));
    truncate(&mut message, DETAIL_TEXT_BYTES_MAX / 2);
    let mut details = details("INVALID_REQUEST", FailureClass::Refused);
    add_violations(&mut details, violations);
    let message = format!("{message}: correct the request");
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A refusal of a code and reason, with all that is wrong with an event.
pub(super) fn refused_with(
    (code, reason): (Code, &str),
    violations: &[Violation],
    (mut message, advice): (String, &str),
) -> Status {
    truncate(&mut message, DETAIL_TEXT_BYTES_MAX / 2);
    let message = format!("{message}: {advice}");
    let mut details = details(reason, FailureClass::Refused);
    add_violations(&mut details, violations);
    Status::with_error_details(code, message, details)
}

/// The same status, with something more in its message.
pub(super) fn with_more(of: &Status, more: &str) -> Status {
    let message = format!("{}; {more}", of.message());
    Status::with_error_details(of.code(), message, of.get_error_details())
}

/// The class that a status carries; in doubt where it carries none.
pub(crate) fn class_of(status: &Status) -> FailureClass {
    let info = status.get_details_error_info();
    let class = info.as_ref().and_then(|info| info.metadata.get("class"));
    [FailureClass::Refused, FailureClass::NotWritten]
        .into_iter()
        .find(|known| class.is_some_and(|class| class == class_word(*known)))
        .unwrap_or(FailureClass::InDoubt)
}

/// The status of an error, which also says its class.
pub(super) trait IntoStatus {
    fn into_status(self) -> Status;
}

impl IntoStatus for AppendError {
    fn into_status(self) -> Status {
        let class = self.class();
        let (code, reason, advice) = match &self {
            Self::Invalid(_) => (Code::InvalidArgument, "INVALID_BATCH", "correct the request"),
            Self::WrongRevision(_) => {
                (Code::FailedPrecondition, "WRONG_REVISION", "read the orders and decide again")
            }
            Self::EventIdReused(_) => {
                (Code::AlreadyExists, "EVENT_ID_REUSED", "give other content another event_id")
            }
            Self::Overloaded { .. } => (Code::ResourceExhausted, "OVERLOADED", "retry later"),
            Self::DiskFull => (Code::ResourceExhausted, "DISK_FULL", "free space, then retry"),
            Self::ViewsBehind(_) => (Code::ResourceExhausted, "VIEWS_BEHIND", "retry later"),
            Self::Unreadable(_) => (
                Code::Unavailable,
                "UNREADABLE",
                "this attempt wrote nothing; look at the server's log",
            ),
            Self::Poisoned(_) => (
                Code::Unavailable,
                "POISONED",
                "this attempt wrote nothing; restart the server, then retry",
            ),
            Self::Closed => (Code::Unavailable, "SHUTTING_DOWN", "retry when the server is back"),
            Self::InDoubt(_) => (
                Code::Unknown,
                "IN_DOUBT",
                "retry with the same event ids, or call GetAppendOutcome",
            ),
        };
        let mut message = self.to_string();
        truncate(&mut message, DETAIL_TEXT_BYTES_MAX / 2);
        let mut details = details(reason, class);
        match self {
            Self::Invalid(violations) => add_violations(&mut details, &violations),
            Self::WrongRevision(wrong) => add_wrong_revisions(&mut details, &wrong),
            Self::EventIdReused(reused) => add_reused_ids(&mut details, &reused),
            Self::Overloaded { .. } => set_retry(&mut details, SOON),
            Self::DiskFull
            | Self::ViewsBehind(_)
            | Self::Unreadable(_)
            | Self::Poisoned(_)
            | Self::Closed => set_retry(&mut details, LATER),
            Self::InDoubt(_) => {}
        }
        Status::with_error_details(code, format!("{message}: {advice}"), details)
    }
}

impl IntoStatus for QueryError {
    fn into_status(self) -> Status {
        let refused = FailureClass::Refused;
        match &self {
            Self::BeyondHead { .. } => status(
                Code::OutOfRange,
                "BEYOND_HEAD",
                refused,
                format!(
                    "{self}: the caller knows a future that this ledger has not had; was it \
                         restored from a backup?"
                ),
            ),
            Self::InDoubt(_) => status(
                Code::Unknown,
                "IN_DOUBT",
                FailureClass::InDoubt,
                format!("{self}: ask again when the server was restarted, or retry the append"),
            ),
            Self::ViewsBehind { .. } => status(
                Code::Unavailable,
                "VIEWS_BEHIND",
                self.class(),
                format!("{self}: ask again later"),
            ),
            Self::InFuture { field, .. } => {
                let what = self.to_string();
                let what = what.strip_prefix(field.as_str()).unwrap_or_default().trim_start();
                let mut details = details("IN_FUTURE", refused);
                let field = field.replace("as_of_recorded", "basis.as_of_recorded");
                add_violations(&mut details, &[Violation::new(field, what)]);
                Status::with_error_details(Code::InvalidArgument, self.to_string(), details)
            }
            Self::Invalid(violations) => invalid(violations),
            Self::PageToken => {
                status(Code::InvalidArgument, "PAGE_TOKEN", refused, self.to_string())
            }
            Self::View(ViewError::Io(_)) => {
                tracing::error!(error = %self, "the views cannot be read");
                let message = format!("{self}: ask again later; look at the server's log");
                status(Code::Unavailable, "UNREADABLE", self.class(), message)
            }
            Self::Log(_) | Self::View(_) => {
                tracing::error!(error = %self, "a query failed");
                status(Code::DataLoss, "UNREADABLE", refused, self.to_string())
            }
        }
    }
}

impl IntoStatus for DeliveryError {
    fn into_status(self) -> Status {
        let class = self.class();
        match self {
            Self::Invalid(violations) => invalid(&violations),
            Self::UnknownConsumer(_) => status(
                Code::NotFound,
                "UNKNOWN_CONSUMER",
                class,
                format!("{self}: create it, or look at ListConsumers"),
            ),
            Self::ConsumerExists { .. } => status(
                Code::AlreadyExists,
                "CONSUMER_EXISTS",
                class,
                format!("{self}: change it with UpdateConsumer, or choose another name"),
            ),
            Self::AlreadyOpen => {
                status(Code::FailedPrecondition, "ALREADY_OPEN", class, self.to_string())
            }
            Self::Stopped(_) => status(
                Code::Unavailable,
                "CONSUMER_STOPPED",
                class,
                format!("{self}: join again later; look at the server's log"),
            ),
            Self::Closed => status(
                Code::Unavailable,
                "SHUTTING_DOWN",
                class,
                format!("{self}: retry when the server is back"),
            ),
            Self::Append(error) => error.into_status(),
            Self::Query(error) => error.into_status(),
        }
    }
}

/// The word of a class in `ErrorInfo`.
fn class_word(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Refused => "refused",
        FailureClass::NotWritten => "not_written",
        FailureClass::InDoubt => "in_doubt",
    }
}

fn details(reason: &str, class: FailureClass) -> ErrorDetails {
    let metadata = HashMap::from([("class".to_owned(), class_word(class).to_owned())]);
    ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata)
}

fn set_retry(details: &mut ErrorDetails, after: Duration) {
    details.set_retry_info(Some(after));
}

/// As many as fit, and a last one that counts the rest.
fn add_fitting<T>(
    items: &[T],
    text: impl Fn(&T) -> (String, String),
    mut add: impl FnMut(String, String),
) {
    let mut room = DETAIL_TEXT_BYTES_MAX;
    for (index, item) in items.iter().enumerate() {
        let (subject, description) = text(item);
        let length = subject.len() + description.len();
        if length > room && index > 0 {
            let left = items.len() - index;
            return add(String::new(), format!("and {left} more, which do not fit here"));
        }
        room = room.saturating_sub(length);
        add(subject, description);
    }
}

fn add_violations(details: &mut ErrorDetails, violations: &[Violation]) {
    let text = |violation: &Violation| (violation.field.clone(), violation.description.clone());
    add_fitting(violations, text, |field, description| {
        details.add_bad_request_violation(field, description);
    });
}

fn add_wrong_revisions(details: &mut ErrorDetails, wrong: &[WrongRevision]) {
    let text = |wrong: &WrongRevision| {
        let what =
            format!("expected revision {}, actual revision {}", wrong.expected, wrong.actual);
        (wrong.correlation_id.clone(), what)
    };
    add_fitting(wrong, text, |subject, description| {
        details.add_precondition_failure_violation("REVISION", subject, description);
    });
}

fn add_reused_ids(details: &mut ErrorDetails, reused: &[ReusedId]) {
    let text = |reused: &ReusedId| {
        let what = format!(
            "source {}, event_id {} is at offset {} with fingerprint {}; this one has {}",
            reused.source,
            reused.event_id,
            reused.recorded_offset,
            to_hex(&reused.recorded_fingerprint),
            to_hex(&reused.fingerprint)
        );
        (format!("events[{}]", reused.index), what)
    };
    add_fitting(reused, text, |subject, description| {
        details.add_precondition_failure_violation("EVENT_ID", subject, description);
    });
}

fn truncate(message: &mut String, bytes_max: usize) {
    if message.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
        message.truncate(end);
        message.push_str(" ...");
    }
}
