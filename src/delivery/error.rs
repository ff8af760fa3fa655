//! Why something about consumers or dead letters cannot be done. Does not know how it is told.

use crate::event::{Violation, listed};
use crate::ledger::{AppendError, FailureClass, QueryError};

/// Why something about consumers or dead letters cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// What was asked breaks rules.
    #[error("the request breaks {}", listed(.0))]
    Invalid(Vec<Violation>),
    /// There is no consumer of this name.
    #[error("there is no consumer {0:?}")]
    UnknownConsumer(String),
    /// A consumer of this name has other settings.
    #[error("consumer {name:?} exists with other settings: {differences}")]
    ConsumerExists {
        /// The consumer.
        name: String,
        /// What differs, each with both values.
        differences: String,
    },
    /// The consumers of the ledger are open already.
    #[error("the consumers of this ledger are open already, in this process")]
    AlreadyOpen,
    /// A consumer cannot go on.
    #[error("the consumer has stopped: {0}")]
    Stopped(String),
    /// The consumers were closed.
    #[error("the consumers are closed")]
    Closed,
    /// An entry of the ledger's own could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl DeliveryError {
    /// What a caller may conclude.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Invalid(_)
            | Self::UnknownConsumer(_)
            | Self::ConsumerExists { .. }
            | Self::AlreadyOpen => FailureClass::Refused,
            Self::Closed | Self::Stopped(_) => FailureClass::NotWritten,
            Self::Append(error) => error.class(),
            Self::Query(error) => error.class(),
        }
    }

    /// What is wrong with one field of a request.
    pub(crate) fn invalid(field: &str, what: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(field, what)])
    }
}
