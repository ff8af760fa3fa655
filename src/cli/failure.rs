//! How a command fails: a message, details, and an exit code. Does not know commands.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::audit::AuditError;
use crate::ledger::OpenError;
use crate::log::LogError;
use crate::rpc::{Code, Status, error_details};

/// How a command fails. Usage errors end with 2 before a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Failed,
    Usage,
    NotFound,
    Conflict,
    Integrity,
}

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
    details: Vec<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), details: Vec::new() }
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(super) fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// A further line below the message.
    pub(super) fn and(mut self, detail: String) -> Self {
        if !self.message.is_empty() {
            self.details.push(detail);
        }
        self
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// Says on standard error what went wrong; what is left is the exit code.
    pub(super) fn told(self) -> Self {
        if !self.message.is_empty() {
            eprintln!("error: {}", shown(&self.message));
        }
        for detail in self.details {
            eprintln!("  {}", shown(&detail));
        }
        Self::new(self.exit, "")
    }

    /// Says on standard error what went wrong, and ends.
    pub(super) fn report(self) -> ExitCode {
        ExitCode::from(match self.told().exit {
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::Conflict => 4,
            Exit::Integrity => 5,
        })
    }
}

/// Text with what would move the cursor or change the colours of a terminal as escapes. Lines stay.
pub(super) fn shown(text: &str) -> String {
    let hidden = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if hidden(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // Whoever read our output has seen enough.
        let message = if error.kind() == io::ErrorKind::BrokenPipe {
            String::new()
        } else {
            error.to_string()
        };
        Self::failed(message)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Log(LogError::Corrupt { .. }) => Exit::Integrity,
            OpenError::Format { path, found, .. } if is_damaged(path, found) => Exit::Integrity,
            OpenError::Log(LogError::DiskFull | LogError::Io { .. })
            | OpenError::Locked(_)
            | OpenError::Format { .. }
            | OpenError::Options(_)
            | OpenError::View(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

/// Whether a small file of a ledger is neither ours nor of another version. A policy is written
/// again when one is given.
fn is_damaged(path: &Path, found: &str) -> bool {
    let version = found.strip_prefix("order-ledger format ");
    let is_version = version.is_some_and(|version| version.parse::<u32>().is_ok());
    !is_version && path.file_name().is_none_or(|name| name != "policy.json")
}

/// Why the audit cannot be opened, or has no key to use.
impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        let exit = match &error {
            AuditError::Key { .. } | AuditError::Unproven(_) => Exit::Integrity,
            AuditError::OtherOrigin { .. }
            | AuditError::OriginEnded(_)
            | AuditError::KeyMissing { .. }
            | AuditError::KeyName { .. }
            | AuditError::KeyOrigin(_)
            | AuditError::AlreadyOpen
            | AuditError::SigningRefused(_) => Exit::Conflict,
            AuditError::Invalid(_) => Exit::Usage,
            AuditError::Behind { .. }
            | AuditError::PeriodExists { .. }
            | AuditError::UnknownPeriod(_)
            | AuditError::Closed
            | AuditError::Storage(_)
            | AuditError::Stopped(_)
            | AuditError::Io { .. }
            | AuditError::Directory(_)
            | AuditError::Query(_)
            | AuditError::Append(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let reason = reason_of(&status);
        let exit = match (status.code(), &*reason) {
            // What was typed is wrong; a batch is wrong by what is in a file.
            (_, "INVALID_REQUEST" | "IN_FUTURE" | "BEYOND_HEAD") => Exit::Usage,
            (Code::DataLoss, _) => Exit::Integrity,
            (Code::NotFound, _) => Exit::NotFound,
            (Code::AlreadyExists | Code::FailedPrecondition, _) => Exit::Conflict,
            _ => Exit::Failed,
        };
        let (message, details) = said_once(&status);
        Self::new(exit, message).with_details(details)
    }
}

/// The reason of a status; empty where it carries none.
pub(super) fn reason_of(status: &Status) -> String {
    let details = error_details(status);
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The message and the details of a status, each thing once.
fn said_once(status: &Status) -> (String, Vec<String>) {
    let (message, details) = (status.message(), detail_lines(status));
    let all = details.join("; ");
    match &*details {
        [one] if says(message, one) => (message.to_owned(), Vec::new()),
        [_, _, ..] if message.contains(&all) => {
            (message.replacen(&all, &format!("{} rules", details.len()), 1), details)
        }
        _ => (message.to_owned(), details),
    }
}

/// Whether a message has all of a detail: the end of its field's name, and what is wrong.
fn says(message: &str, detail: &str) -> bool {
    let (field, what) = detail.split_once(": ").unwrap_or(("", detail));
    let field = field.strip_prefix("basis.").unwrap_or(field);
    message.contains(field) && message.contains(what)
}

/// The violations that a status carries, a line each.
pub(super) fn detail_lines(status: &Status) -> Vec<String> {
    let details = error_details(status);
    let bad = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
    let bad = bad.map(|violation| join(&violation.field, &violation.description));
    let precondition =
        details.precondition_failure().into_iter().flat_map(|failure| &failure.violations);
    let precondition =
        precondition.map(|violation| join(&violation.subject, &violation.description));
    bad.chain(precondition).collect()
}

fn join(subject: &str, description: &str) -> String {
    if subject.is_empty() { description.to_owned() } else { format!("{subject}: {description}") }
}
