//! Delivery: consumers that keep their place in the log, and dead letters. All that it keeps is
//! entries of the ledger's own. Does not know gRPC or the command line.
//!
//! A consumer is one task, the engine, to which everybody sends:
//!
//! ```text
//! log -> scan -> dispatch -> member        events, in order for each order
//!        answers -> dispatch -> journal    what is parked, and once a second where it stands
//! ```

mod answers;
mod asked;
mod consumers;
mod dead_letters;
mod dispatch;
mod engine;
mod error;
mod journal;
mod lane;
mod member;
mod park_orders;
mod parked;
mod parking;
mod report;
mod said;
mod scan;
mod settings;
mod state;
mod worker;

pub(crate) use consumers::recorded_start;
pub use consumers::{Consumers, Start};
pub use dead_letters::{
    DeadLetterClosed, DeadLetterError, DeadLetters, DeadLettersFull, Keeping, RawBatch, Redriven,
    Refused,
};
pub use error::DeliveryError;
pub use member::{Delivered, Member, Told, Voice};

use crate::ledger::QueryError;

/// Runs what may wait for the disk where it keeps nobody else waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, DeliveryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => Ok(answer?),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(DeliveryError::Closed),
    }
}
