//! The origin of a ledger: the name that its checkpoints are signed under, kept in the log where it
//! is not the first one. Does not know what is signed.

use super::AuditError;
use super::checkpoint::TreeOrigin;
use super::options::NewOrigin;
use crate::event::Event;
use crate::ledger::{Batch, Ledger};
use crate::proto;

/// The history of origins.
pub(super) const ORIGINS: &str = "$origins";
/// The type of the entry that begins one.
pub(super) const ORIGIN_STARTED: &str = "origin.started";

/// The origin that a ledger has from its beginning, where nobody gives it another.
pub(super) fn first_origin(ledger_id: &str) -> String {
    format!("order-ledger/{ledger_id}")
}

/// The origin of a ledger now.
pub(super) fn current(ledger: &Ledger) -> Result<String, AuditError> {
    let said = ledger.last_of_history(ORIGINS)?;
    let said = said.and_then(|last| last.event.ledger_entry()?.origin);
    Ok(said.map_or_else(|| first_origin(ledger.id()), |origin| origin.name))
}

/// The origin that checkpoints are signed under from now on. One that is given with the first entry
/// of a ledger, and one that is new, is logged.
pub(super) fn settle(
    ledger: &Ledger,
    asked: Option<TreeOrigin>,
    new: Option<NewOrigin>,
) -> Result<String, AuditError> {
    let is = current(ledger)?;
    if let Some(NewOrigin { origin, actor, reason }) = new
        && origin.name() != is
    {
        for (field, text) in [("new_origin.actor", &actor), ("new_origin.reason", &reason)] {
            if text.is_empty() {
                return Err(AuditError::invalid(field, "missing; who begins an origin says so"));
            }
        }
        return start(ledger, (is, origin), (actor, reason));
    }
    match asked {
        Some(asked) if asked.name() != is && ledger.head() == 0 => {
            let said = (String::new(), "the ledger is new".to_owned());
            start(ledger, (String::new(), asked), said)
        }
        Some(asked) if asked.name() != is => {
            Err(AuditError::OtherOrigin { is, asked: asked.name().to_owned() })
        }
        _ => Ok(is),
    }
}

fn start(
    ledger: &Ledger,
    (before, origin): (String, TreeOrigin),
    (actor, reason): (String, String),
) -> Result<String, AuditError> {
    let name = origin.name().to_owned();
    let started = proto::TreeOrigin { name: name.clone(), before };
    let entry = proto::LedgerEntry { origin: Some(started), actor, reason, ..Default::default() };
    let id = (ORIGINS.to_owned(), name.clone());
    ledger.append(Batch::of([Event::of_ledger(id, (ORIGIN_STARTED, entry))]))?;
    tracing::info!(origin = %name, "checkpoints are signed under a new origin");
    Ok(name)
}
