//! The rows of the table, by what they are about.

pub(crate) mod append;
pub(crate) mod consumers;
pub(crate) mod embedded;
pub(crate) mod followers;
mod hot;
pub(crate) mod limits;
pub(crate) mod orders;
pub(crate) mod read;
pub(crate) mod stored;
