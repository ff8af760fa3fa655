//! How far something is that takes long. Does not know who is told.

/// How far an opening or a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub what: &'static str,
    /// Bytes, segments or orders that are done.
    pub done: u64,
    /// All of them.
    pub total: u64,
}
