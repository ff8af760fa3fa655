//! What ends a dead letter: its event is appended, or somebody says that it will not be.
//! Does not know how letters are listed.
//!
//! A letter has one id for its closing, whoever closes it and how. So the log itself takes only
//! one: of two that come at once, from wherever, the writer refuses the second, with all of its
//! batch.

use bytes::Bytes;

use super::letter::{DISCARDED, REDRIVEN, closing, parse};
use super::state::Closing;
use super::{DeadLetterClosed, DeadLetterError, DeadLetters};
use crate::event::{Event, RecordedEvent, Violation};
use crate::ledger::{AppendError, Appended, Batch, Outcome};
use crate::proto::{DeadLetter, DeadLetterState, EventName, LedgerEntry};

/// Bytes of a name, and of a reason.
const ACTOR_BYTES_MAX: usize = 128;
const REASON_BYTES_MAX: usize = 1_000;

/// What was refused is in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// What became of the event: a duplicate was in the ledger already.
    pub outcome: Outcome,
    /// The head after it.
    pub head: u64,
}

impl DeadLetters {
    /// Appends what was refused, as it is or corrected, and closes the letter, all in one batch.
    /// `actor` is for the record, and may be empty.
    ///
    /// # Errors
    /// [`DeadLetterError::Unknown`], [`DeadLetterError::Closed`]; where the event is not valid,
    /// [`DeadLetterError::StillInvalid`] or, where it is the corrected one,
    /// [`DeadLetterError::Invalid`]; and those of [`crate::Ledger::append`]. The letter stays open
    /// then.
    pub fn redrive(
        &self,
        offset: u64,
        corrected: Option<Bytes>,
        actor: &str,
    ) -> Result<Redriven, DeadLetterError> {
        let mut violations = Vec::new();
        check_length("actor", (actor, ACTOR_BYTES_MAX), &mut violations);
        let limits = self.ledger.limits();
        let corrected = corrected.and_then(|body| {
            let within = |one: Violation| one.within("corrected");
            let event = Event::parse(body, limits);
            event.map_err(|found| violations.extend(found.into_iter().map(within))).ok()
        });
        refuse(violations)?;
        let (recorded, letter) = self.open_letter(offset)?;
        let event = match corrected {
            Some(event) => event,
            None => parse(&letter, limits)
                .map_err(|violations| DeadLetterError::StillInvalid { offset, violations })?,
        };
        let name = EventName {
            correlation_id: event.correlation_id().to_owned(),
            source: event.source().to_owned(),
            event_id: event.event_id().to_owned(),
        };
        let entry =
            LedgerEntry { actor: actor.to_owned(), event: Some(name), ..LedgerEntry::default() };
        let closing = closing(&recorded.event, offset, (REDRIVEN, entry));
        let state = DeadLetterState::Redriven;
        let appended = self.close(&recorded, state, vec![event, closing])?;
        let outcome = appended.outcomes.first().copied();
        let outcome = outcome.ok_or(DeadLetterError::Unknown(offset))?;
        Ok(Redriven { outcome, head: appended.head })
    }

    /// Closes a letter without appending what was refused. Both `actor` and `reason` are required.
    ///
    /// # Errors
    /// [`DeadLetterError::Unknown`], [`DeadLetterError::Closed`], [`DeadLetterError::Invalid`], and
    /// those of [`crate::Ledger::append`].
    pub fn discard(&self, offset: u64, actor: &str, reason: &str) -> Result<(), DeadLetterError> {
        let mut violations = Vec::new();
        for (field, text, max) in
            [("actor", actor, ACTOR_BYTES_MAX), ("reason", reason, REASON_BYTES_MAX)]
        {
            if text.is_empty() {
                let what = "missing; nothing is discarded without a name and a reason";
                violations.push(Violation::new(field, what));
            }
            check_length(field, (text, max), &mut violations);
        }
        refuse(violations)?;
        let (recorded, _) = self.open_letter(offset)?;
        let entry = LedgerEntry {
            actor: actor.to_owned(),
            reason: reason.to_owned(),
            ..LedgerEntry::default()
        };
        let closing = closing(&recorded.event, offset, (DISCARDED, entry));
        self.close(&recorded, DeadLetterState::Discarded, vec![closing]).map(drop)
    }

    /// The letter at an offset, which nobody is known to have closed.
    fn open_letter(&self, offset: u64) -> Result<(RecordedEvent, DeadLetter), DeadLetterError> {
        let recorded = self.ledger.own_at(offset)?;
        let recorded = recorded.filter(|recorded| recorded.event.is_dead_letter());
        let recorded = recorded.ok_or(DeadLetterError::Unknown(offset))?;
        let letter = recorded.event.ledger_entry().and_then(|entry| entry.dead_letter);
        let letter = letter.ok_or(DeadLetterError::Unknown(offset))?;
        let history = recorded.event.correlation_id();
        if !self.state.knows(history) {
            self.state.refresh(&self.ledger, history)?;
        }
        let row = self.state.row(history, offset);
        if row.is_some_and(|row| row.closing.is_some()) {
            return Err(self.who_closed(history, offset)?);
        }
        Ok((recorded, letter))
    }

    /// Appends events of which the last one closes a letter.
    fn close(
        &self,
        letter: &RecordedEvent,
        state: DeadLetterState,
        events: Vec<Event>,
    ) -> Result<Appended, DeadLetterError> {
        let (history, offset) = (letter.event.correlation_id(), letter.offset);
        let last = events.len().saturating_sub(1);
        match self.ledger.append(Batch::of(events)) {
            Ok(appended) => match appended.outcomes.get(last) {
                Some(Outcome::Appended(receipt)) => {
                    let closing = Closing { revision: receipt.revision, state };
                    self.state.closed(history, offset, closing);
                    Ok(appended)
                }
                // Somebody else has closed it in the very same words.
                _ => Err(self.who_closed(history, offset)?),
            },
            Err(AppendError::EventIdReused(reused))
                if reused.iter().any(|reused| reused.index == last) =>
            {
                Err(self.who_closed(history, offset)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Who has closed a letter, as an error.
    fn who_closed(&self, history: &str, offset: u64) -> Result<DeadLetterError, DeadLetterError> {
        let places = self.state.refresh(&self.ledger, history)?;
        let closing = self.state.row(history, offset).and_then(|row| row.closing);
        let closing = closing.ok_or(DeadLetterError::Unknown(offset))?;
        let recorded = self.ledger.one_of_history(&places, closing.revision)?;
        let recorded = recorded.ok_or(DeadLetterError::Unknown(offset))?;
        let entry = recorded.event.ledger_entry().unwrap_or_default();
        Ok(DeadLetterError::Closed(DeadLetterClosed {
            offset,
            state: closing.state,
            actor: entry.actor,
            closed_at_ns: recorded.recorded_at_ns,
        }))
    }
}

fn check_length(field: &str, (text, max): (&str, usize), violations: &mut Vec<Violation>) {
    if text.len() > max {
        let what = format!("{} bytes; allowed are at most {max}", text.len());
        violations.push(Violation::new(field, what));
    }
}

fn refuse(violations: Vec<Violation>) -> Result<(), DeadLetterError> {
    if violations.is_empty() { Ok(()) } else { Err(DeadLetterError::Invalid(violations)) }
}
