//! The parts of the load program. Does not know which rows there are: each file of `rows` does.

pub(crate) mod args;
pub(crate) mod callers;
pub(crate) mod child;
pub(crate) mod client;
pub(crate) mod echo;
pub(crate) mod machine;
pub(crate) mod pipeline;
pub(crate) mod report;
pub(crate) mod rows;
