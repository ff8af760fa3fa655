//! What can go wrong, an enum for each operation, with data instead of sentences.
//! Does not know gRPC.

use std::path::PathBuf;

use crate::event::{Violation, listed};
use crate::log::{Hash, LogError};
use crate::time::{rfc3339, timestamp};
use crate::view::ViewError;

/// Why a ledger could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the ledger open.
    #[error("{}: another process has this ledger open", .0.display())]
    Locked(PathBuf),
    /// The folder holds something else, or a format that this version does not read.
    #[error("{}: {found:?}; this version reads {expected:?}", path.display())]
    Format {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it would have to say.
        expected: &'static str,
    },
    /// The options cannot be met.
    #[error("{0}")]
    Options(String),
    /// The log cannot be read, or is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The views can be neither opened nor made.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// What a caller may conclude from a failed append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// Not appended, and will not be as it is.
    Refused,
    /// Not appended, for now: retry later.
    NotWritten,
    /// Perhaps appended: retry with the same event ids; exactly one copy results.
    InDoubt,
}

/// Why a batch was not appended, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The batch breaks rules of the contract. All violations, by path from the batch on.
    #[error("{}", sentence("the batch breaks", .0))]
    Invalid(Vec<Violation>),
    /// Orders are not at the revisions that were expected. All of them.
    #[error("{}", sentence("orders are at other revisions than expected:", .0))]
    WrongRevision(Vec<WrongRevision>),
    /// Events of these ids were appended before with other content. All of them.
    #[error("{}", sentence("event ids were used before for other content:", .0))]
    EventIdReused(Vec<ReusedId>),
    /// Too much waits for the writer.
    #[error("the queue is full: {batches} batches and {bytes} bytes wait ({limit})")]
    Overloaded {
        /// Batches that wait.
        batches: usize,
        /// Bytes of events that wait.
        bytes: usize,
        /// The limit that was met, with its value.
        limit: String,
    },
    /// There is no room for another log segment.
    #[error("the disk is full: there is no room for the next log segment")]
    DiskFull,
    /// The views cannot be written, and the tail is as long as it may get.
    #[error("the views are behind and cannot be written: {0}")]
    ViewsBehind(String),
    /// What is known of an order could not be read.
    #[error("an order of the batch could not be looked up: {0}")]
    Unreadable(String),
    /// The ledger stopped taking appends after a failed write; it has to be opened again.
    #[error("the ledger takes no appends since a write failed ({0}); open it again")]
    Poisoned(String),
    /// The ledger is closed.
    #[error("the ledger is closed")]
    Closed,
    /// The write or its sync failed: the batch may be in the ledger or not.
    #[error("the write failed, and the batch may be in the ledger or not: {0}")]
    InDoubt(String),
}

impl AppendError {
    /// What the caller may conclude.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Invalid(_) | Self::WrongRevision(_) | Self::EventIdReused(_) => {
                FailureClass::Refused
            }
            Self::Overloaded { .. }
            | Self::DiskFull
            | Self::ViewsBehind(_)
            | Self::Unreadable(_)
            | Self::Poisoned(_)
            | Self::Closed => FailureClass::NotWritten,
            Self::InDoubt(_) => FailureClass::InDoubt,
        }
    }
}

/// An order that is not where the caller expected it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRevision {
    /// The order.
    pub correlation_id: String,
    /// The number of events that the caller expected.
    pub expected: u64,
    /// The number of events that the order has.
    pub actual: u64,
}

impl std::fmt::Display for WrongRevision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { correlation_id, expected, actual } = self;
        write!(f, "{correlation_id} is at revision {actual}, expected {expected}")
    }
}

/// An event whose id was used before for other content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReusedId {
    /// Place of the event in the batch, from 0.
    pub index: usize,
    /// The order.
    pub correlation_id: String,
    /// The source.
    pub source: String,
    /// The id.
    pub event_id: String,
    /// The offset of the event that has the id.
    pub recorded_offset: u64,
    /// Body hash of the event that has the id.
    pub recorded_fingerprint: Hash,
    /// Body hash of the refused event.
    pub fingerprint: Hash,
}

impl std::fmt::Display for ReusedId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "events[{}]: ({}, {}, {}) is at offset {}",
            self.index, self.correlation_id, self.source, self.event_id, self.recorded_offset
        )
    }
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The question names an offset that the ledger has not reached.
    #[error("offset {offset} is beyond the head, which is {head}")]
    BeyondHead {
        /// The offset that was asked for.
        offset: u64,
        /// The head.
        head: u64,
    },
    /// The question is about a time that has not come yet.
    #[error(
        "{field} is {}, which has not come yet; allowed is at most {}, {} s ahead of this ledger",
        text_of(*asked_ns),
        text_of(*latest_ns),
        super::as_of::CLOCK_SKEW_SECONDS
    )]
    InFuture {
        /// Which time: `as_of_recorded` or `as_of_occurred`.
        field: String,
        /// The time that was asked for, in nanoseconds of the Unix epoch.
        asked_ns: i64,
        /// The latest time that is allowed, in nanoseconds of the Unix epoch.
        latest_ns: i64,
    },
    /// A write has failed, and what was asked for may be in the log behind the head.
    #[error("not found, but a write has failed, and it may be there: {0}")]
    InDoubt(String),
    /// The views do not go as far as the question needs, and did not come there in time.
    #[error(
        "the views go to offset {views} of {head}, and the answer needs {needed}{}",
        failure.as_ref().map_or_else(String::new, |why| format!("; they cannot be written: {why}"))
    )]
    ViewsBehind {
        /// The offset that the answer needs.
        needed: u64,
        /// The offset up to which the views have the log.
        views: u64,
        /// The head.
        head: u64,
        /// Why the views cannot be written, where they cannot.
        failure: Option<String>,
    },
    /// The request is not one that can be answered: all that is wrong with it.
    #[error("{}", sentence("the request breaks", .0))]
    Invalid(Vec<Violation>),
    /// The page token is not one that this ledger gave for this question.
    #[error(
        "the page token does not belong to this request on this ledger; allowed is the \
         next_page_token of the page before, with all else as it was asked there"
    )]
    PageToken,
    /// The log cannot be read, or is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The views cannot be read, or are damaged.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl QueryError {
    /// What the caller may conclude: whether asking again later can help.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::ViewsBehind { .. } | Self::View(ViewError::Io(_)) => FailureClass::NotWritten,
            Self::InDoubt(_) => FailureClass::InDoubt,
            Self::Invalid(_)
            | Self::BeyondHead { .. }
            | Self::InFuture { .. }
            | Self::PageToken
            | Self::Log(_)
            | Self::View(_) => FailureClass::Refused,
        }
    }
}

fn text_of(ns: i64) -> String {
    rfc3339(&timestamp(ns), None)
}

fn sentence(begin: &str, items: &[impl std::fmt::Display]) -> String {
    format!("{begin} {}", listed(items))
}
