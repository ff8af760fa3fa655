//! Periods: a label for a seal, given once, so that later reports can say what was known when the
//! period was closed. Does not know how a seal is made.

use super::AuditError;
use crate::event::{Event, RecordedEvent};
use crate::ledger::{Ledger, Receipt};
use crate::proto::{LedgerEntry, Seal};

/// Where the histories of periods begin.
pub(super) const PERIODS: &str = "$periods/";
/// The type of the entry that closes one.
pub(super) const PERIOD_CLOSED: &str = "period.closed";
const LABEL_LEN_MAX: usize = 64;
const ACTOR_LEN_MAX: usize = 128;
const REASON_LEN_MAX: usize = 1_000;

/// A period that is to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    label: String,
    actor: String,
    reason: String,
}

/// A period that was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its label.
    pub label: String,
    /// The number of entries that were known when it was closed.
    pub covered: u64,
    /// The offset of the entry that closed it.
    pub offset: u64,
    /// When it was closed, in nanoseconds of the Unix epoch.
    pub closed_at_ns: u64,
    /// Who closed it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl Period {
    /// The period of a label. No audit has to be open for that.
    ///
    /// # Errors
    /// [`AuditError::UnknownPeriod`], and where the ledger cannot be read.
    pub fn find(ledger: &Ledger, label: &str) -> Result<Self, AuditError> {
        Self::closed_as(ledger, label)?.ok_or_else(|| AuditError::UnknownPeriod(label.to_owned()))
    }

    /// All periods, by label.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn all(ledger: &Ledger) -> Result<Vec<Self>, AuditError> {
        let mut found = Vec::new();
        for history in ledger.own_histories(PERIODS)? {
            found.extend(ledger.last_of_history(&history)?.as_ref().and_then(Self::of));
        }
        Ok(found)
    }

    fn closed_as(ledger: &Ledger, label: &str) -> Result<Option<Self>, AuditError> {
        let last = ledger.last_of_history(&format!("{PERIODS}{label}"))?;
        Ok(last.as_ref().and_then(Self::of))
    }

    fn of(entry: &RecordedEvent) -> Option<Self> {
        let said = entry.event.ledger_entry()?;
        Some(Self {
            label: said.period,
            covered: said.seal?.covered,
            offset: entry.offset,
            closed_at_ns: entry.recorded_at_ns,
            actor: said.actor,
            reason: said.reason,
        })
    }
}

impl Closing {
    /// Checks what somebody says who closes a period; none where no label is given.
    pub(super) fn of(label: &str, actor: &str, reason: &str) -> Result<Option<Self>, AuditError> {
        let mut violations = Vec::new();
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if label.len() > LABEL_LEN_MAX || !label.chars().all(allowed) {
            let what = "allowed are 1 to 64 of A to Z, a to z, 0 to 9, '.', '_' and '-'";
            violations.push(("label", what.to_owned()));
        }
        let said = [("actor", actor, ACTOR_LEN_MAX), ("reason", reason, REASON_LEN_MAX)];
        for (field, text, max) in said {
            if text.len() > max {
                violations.push((field, format!("{} bytes; allowed are {max}", text.len())));
            } else if text.is_empty() && !label.is_empty() {
                violations.push((field, "missing; who closes a period says so".to_owned()));
            }
        }
        if !violations.is_empty() {
            let violation = |(field, what)| crate::event::Violation::new(field, what);
            return Err(AuditError::Invalid(violations.into_iter().map(violation).collect()));
        }
        let (label, actor, reason) = (label.to_owned(), actor.to_owned(), reason.to_owned());
        Ok((!label.is_empty()).then_some(Self { label, actor, reason }))
    }

    /// The period, where it was closed already by the same one for the same reason: a retry.
    pub(super) fn known(&self, ledger: &Ledger) -> Result<Option<Period>, AuditError> {
        match Period::closed_as(ledger, &self.label)? {
            Some(known) if known.actor == self.actor && known.reason == self.reason => {
                Ok(Some(known))
            }
            Some(Period { label, offset, actor, .. }) => {
                Err(AuditError::PeriodExists { label, offset, actor })
            }
            None => Ok(None),
        }
    }

    /// The entry that closes it.
    pub(super) fn event(&self, seal: Seal) -> Event {
        let Self { label, actor, reason } = self.clone();
        let history = format!("{PERIODS}{label}");
        let entry =
            LedgerEntry { period: label, seal: Some(seal), actor, reason, ..Default::default() };
        Event::of_ledger((history, "closed".to_owned()), (PERIOD_CLOSED, entry))
    }

    pub(super) fn closed(self, covered: u64, receipt: &Receipt) -> Period {
        let Self { label, actor, reason } = self;
        let (offset, closed_at_ns) = (receipt.offset, receipt.recorded_at_ns);
        Period { label, covered, offset, closed_at_ns, actor, reason }
    }
}
