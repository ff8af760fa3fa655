//! The rows of the table, by what they are about. Knows no peer by itself.

pub(crate) mod append;
pub(crate) mod durability;
pub(crate) mod embedded;
pub(crate) mod growth;
pub(crate) mod limits;
pub(crate) mod stored;
pub(crate) mod written;
