//! Dead letters: what was refused, kept whole until somebody deals with it. Does not know gRPC or
//! the command line.
//!
//! A dead letter is an entry of the ledger's own in the history `$dead-letters/SOURCE`, and so is
//! what closes it. There is nothing else: what is in memory is folded from these histories.

mod close;
mod error;
mod keep;
mod letter;
mod list;
mod state;

use std::sync::Arc;

use bytes::Bytes;

pub use close::Redriven;
pub use error::{DeadLetterClosed, DeadLetterError, DeadLettersFull};
pub use keep::{Keeping, RawBatch};

use crate::event::Violation;
use crate::ledger::Ledger;
use crate::proto::DeadLetterFormat;
use state::{Reservations, State};

/// The dead letters of a ledger. Clones share what they know, and so keep the bounds of a source
/// together; all methods may be called from any thread, and may wait for the disk.
///
/// ```
/// use std::sync::Arc;
///
/// use order_ledger::proto::{ListDeadLettersRequest, OrderEvent};
/// use order_ledger::{DeadLetters, Ledger, Options, Outcome, RawBatch};
/// use prost::Message as _;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let ledger = Arc::new(Ledger::open(&folder, Options::default())?);
/// let letters = DeadLetters::of(Arc::clone(&ledger));
///
/// // A good event, and one that forgets to say its order.
/// let good = OrderEvent {
///     correlation_id: "erp/7".into(),
///     source: "wms:dc1".into(),
///     event_id: "p-1".into(),
///     r#type: "pick.confirmed".into(),
///     ..Default::default()
/// };
/// let bad =
///     OrderEvent { correlation_id: String::new(), event_id: "p-2".into(), ..good.clone() };
/// let events = [good.encode_to_vec(), bad.encode_to_vec()];
/// let appended = letters.append(RawBatch::of(events.clone()))?;
/// assert!(matches!(appended.outcomes[0], Outcome::Appended(_)));
/// let Outcome::DeadLettered(kept) = appended.outcomes[1] else { panic!("it is refused") };
///
/// // A blind retry makes no second letter.
/// assert_eq!(*letters.append(RawBatch::of(events))?.outcomes[1].receipt(), kept);
/// let listed = letters.list(&ListDeadLettersRequest::default())?;
/// let letter = listed.letters[0].letter.clone().unwrap_or_default();
/// assert_eq!((listed.open_count, letter.raw), (1, bad.encode_to_vec()));
/// assert_eq!(letter.reasons[0].field, "correlation_id");
///
/// // Corrected, it becomes an event; the letter is closed, and both stay visible.
/// let corrected = OrderEvent { correlation_id: "erp/7".into(), ..bad };
/// let corrected = Some(corrected.encode_to_vec().into());
/// let redriven = letters.redrive(kept.offset, corrected, "anna")?;
/// assert_eq!(redriven.outcome.receipt().revision, 1);
/// assert_eq!(letters.list(&ListDeadLettersRequest::default())?.open_count, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DeadLetters {
    ledger: Arc<Ledger>,
    state: Arc<State>,
}

/// Something that was refused before it could become an event.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// The bytes as they came.
    pub raw: Bytes,
    /// What they are.
    pub format: DeadLetterFormat,
    /// Where they came from, such as a file and a line; empty: not said.
    pub origin: String,
    /// Why they were refused. Empty: what the ledger finds wrong with them.
    pub reasons: Vec<Violation>,
}

impl DeadLetters {
    /// The dead letters of a ledger. Nothing is read yet.
    #[must_use]
    pub fn of(ledger: Arc<Ledger>) -> Self {
        Self { ledger, state: Arc::default() }
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    fn reservations(&self) -> Arc<Reservations> {
        Arc::new(Reservations::new(Arc::clone(&self.state), self.ledger.limits()))
    }
}
