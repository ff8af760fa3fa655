//! How a command fails: a message, details, and an exit code. Does not know commands.

use std::io;
use std::process::ExitCode;

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
            eprintln!("error: {}", self.message);
        }
        for detail in self.details {
            eprintln!("  {detail}");
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
        let exit = match error {
            OpenError::Log(LogError::Corrupt { .. }) => Exit::Integrity,
            OpenError::Log(LogError::DiskFull | LogError::Io { .. })
            | OpenError::Locked(_)
            | OpenError::Format { .. }
            | OpenError::Options(_)
            | OpenError::View(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let exit = if status.code() == Code::DataLoss {
            Exit::Integrity
        } else if status.code() == Code::NotFound {
            Exit::NotFound
        } else if [Code::AlreadyExists, Code::FailedPrecondition].contains(&status.code()) {
            Exit::Conflict
        } else {
            Exit::Failed
        };
        Self::new(exit, status.message()).with_details(detail_lines(&status))
    }
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
