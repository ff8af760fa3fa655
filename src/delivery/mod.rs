//! Delivery: consumers that keep their place in the log, and dead letters. All that it knows is
//! entries of the ledger's own. Does not know gRPC or the command line.

mod dead_letters;
mod error;

pub use dead_letters::{
    DeadLetterClosed, DeadLetterError, DeadLetters, DeadLettersFull, Keeping, RawBatch, Redriven,
    Refused,
};
pub use error::DeliveryError;
