//! How serious something is. Does not know what.

use crate::proto;

/// How serious something is, and what it does to the exception side of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Information,
    Warning,
    Error,
    /// The goods are gone.
    Loss,
}

impl Severity {
    /// The severity of a number on the wire; `None` where it says nothing.
    pub(crate) fn of(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Information),
            2 => Some(Self::Warning),
            3 => Some(Self::Error),
            _ => None,
        }
    }

    pub(crate) fn to_message(self) -> proto::Severity {
        match self {
            Self::Information => proto::Severity::Info,
            Self::Warning => proto::Severity::Warning,
            Self::Error | Self::Loss => proto::Severity::Error,
        }
    }

    /// The word of the exception side while it is open.
    pub(crate) fn word(self) -> super::words::Word {
        let place = match self {
            Self::Information | Self::Warning => 1,
            Self::Error => 2,
            Self::Loss => 3,
        };
        super::words::Word(place)
    }
}
