//! Why something about dead letters cannot be done. Does not know how it is told.

use std::fmt;

use crate::event::{Violation, listed};
use crate::ledger::{AppendError, FailureClass, QueryError};
use crate::proto::DeadLetterState;
use crate::time::{rfc3339, signed, timestamp};

/// Why something about dead letters cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// What was asked breaks rules.
    #[error("the request breaks {}", listed(.0))]
    Invalid(Vec<Violation>),
    /// There is no dead letter at this offset.
    #[error("there is no dead letter at offset {0}")]
    Unknown(u64),
    /// Somebody has dealt with it.
    #[error("{0}")]
    Closed(DeadLetterClosed),
    /// What was refused is refused now, too. The letter stays open.
    #[error("the dead letter at offset {offset} is still not valid: {}", listed(.violations))]
    StillInvalid {
        /// The dead letter.
        offset: u64,
        /// All that is wrong with it, by path from the event on.
        violations: Vec<Violation>,
    },
    /// A source has as many open dead letters as it may.
    #[error("not kept: {0}")]
    Full(DeadLettersFull),
    /// A batch was refused, and what was refused could not be kept.
    #[error("{refusal}; it was not kept as a dead letter: {full}")]
    NotKept {
        /// Why it was refused.
        refusal: AppendError,
        /// Why it was not kept.
        full: DeadLettersFull,
    },
    /// The ledger did not append it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl DeadLetterError {
    /// What a caller may conclude.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Invalid(_)
            | Self::Unknown(_)
            | Self::Closed(_)
            | Self::StillInvalid { .. }
            | Self::Full(_)
            | Self::NotKept { .. } => FailureClass::Refused,
            Self::Append(error) => error.class(),
            Self::Query(error) => error.class(),
        }
    }
}

/// Who dealt with a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterClosed {
    /// The dead letter.
    pub offset: u64,
    /// What became of it.
    pub state: DeadLetterState,
    /// Who; empty where nobody was named.
    pub actor: String,
    /// When, in nanoseconds of the Unix epoch.
    pub closed_at_ns: u64,
}

impl fmt::Display for DeadLetterClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.state {
            DeadLetterState::Redriven => "redriven",
            DeadLetterState::Discarded => "discarded",
            DeadLetterState::Open | DeadLetterState::Unspecified => "closed",
        };
        let actor = if self.actor.is_empty() { "somebody unnamed" } else { &self.actor };
        let when = rfc3339(&timestamp(signed(self.closed_at_ns)), None);
        write!(f, "the dead letter at offset {} was {how} by {actor} at {when}", self.offset)
    }
}

/// A source has as many open dead letters as it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLettersFull {
    /// The source; empty where what was refused names none.
    pub of_source: String,
    /// Its open dead letters, those on their way included.
    pub open_count: u64,
    /// Their bytes.
    pub open_bytes: u64,
    /// The limit that was met, with its value.
    pub limit: String,
}

impl fmt::Display for DeadLettersFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of_source, open_count, open_bytes, limit } = self;
        write!(
            f,
            "source {of_source:?} has {open_count} open dead letters of {open_bytes} bytes \
             ({limit}); redrive or discard some of them"
        )
    }
}
