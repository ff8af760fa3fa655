//! The origin of a ledger: the name that its checkpoints are signed under, kept in the log where it
//! is not the first one. Does not know what is signed.

use super::AuditError;
use super::checkpoint::TreeOrigin;
use super::options::NewOrigin;
use crate::event::Event;
use crate::ledger::{AppendError, Batch, Ledger, Outcome};
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

/// The origin that checkpoints are signed under from now on.
#[derive(Debug)]
pub(super) enum Decided {
    /// The one that the ledger has.
    Known(String),
    /// One that begins, and is logged.
    Begins { before: String, new: NewOrigin },
}

/// Decides the origin. One may be chosen as long as nothing was signed; later it has to be a new
/// one, openly. `was_used` says whether anything was signed under a name.
pub(super) fn decide(
    ledger: &Ledger,
    (asked, new): (Option<TreeOrigin>, Option<NewOrigin>),
    was_used: impl Fn(&str) -> Result<bool, AuditError>,
) -> Result<Decided, AuditError> {
    let is = current(ledger)?;
    if let Some(new) = new
        && new.origin.name() != is
    {
        for (field, text) in [("new_origin.actor", &new.actor), ("new_origin.reason", &new.reason)]
        {
            if text.is_empty() {
                return Err(AuditError::invalid(field, "missing; who begins an origin says so"));
            }
        }
        if new.origin.name() == first_origin(ledger.id()) {
            return Err(AuditError::OriginEnded(new.origin.name().to_owned()));
        }
        return Ok(Decided::Begins { before: is, new });
    }
    let Some(origin) = asked.filter(|asked| asked.name() != is) else {
        return Ok(Decided::Known(is));
    };
    if was_used(&is)? {
        return Err(AuditError::OtherOrigin { is, asked: origin.name().to_owned() });
    }
    let before = if ledger.head() == 0 { String::new() } else { is };
    let (actor, reason) = (String::new(), "nothing was signed before".to_owned());
    Ok(Decided::Begins { before, new: NewOrigin { origin, actor, reason } })
}

impl Decided {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Known(name) => name,
            Self::Begins { new, .. } => new.origin.name(),
        }
    }

    /// Logs one that begins. A name that has ended does not begin again.
    pub(super) fn log(self, ledger: &Ledger) -> Result<(), AuditError> {
        let Self::Begins { before, new } = self else { return Ok(()) };
        let NewOrigin { origin, actor, reason } = new;
        let name = origin.name().to_owned();
        let started = proto::TreeOrigin { name: name.clone(), before };
        let entry =
            proto::LedgerEntry { origin: Some(started), actor, reason, ..Default::default() };
        let id = (ORIGINS.to_owned(), name.clone());
        let batch = Batch::of([Event::of_ledger(id, (ORIGIN_STARTED, entry))]);
        match ledger.append(batch) {
            Err(AppendError::EventIdReused(_)) => Err(AuditError::OriginEnded(name)),
            Ok(appended) if !matches!(*appended.outcomes, [Outcome::Appended(_)]) => {
                Err(AuditError::OriginEnded(name))
            }
            Ok(_) => {
                tracing::info!(origin = %name, "checkpoints are signed under a new origin");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
