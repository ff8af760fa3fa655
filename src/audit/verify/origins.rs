//! The names that a log was signed under, as its own entries tell: who ended which, when and why.
//! Does not know what was signed.

use super::super::origin::{ORIGIN_STARTED, ORIGINS};
use crate::event::RecordedEvent;
use crate::time::{rfc3339, signed, timestamp};

/// The beginning of an origin, as the log tells it; the origin before ended there.
///
/// ```
/// use order_ledger::OriginStart;
///
/// let start = OriginStart { offset: 20, actor: "anna".into(), ..OriginStart::default() };
/// assert!(start.to_string().starts_with("#20 on 1970-01-01T00:00:00Z by anna: "));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginStart {
    /// The offset of the entry that began it.
    pub offset: u64,
    /// When that was recorded, in nanoseconds since 1970.
    pub recorded_at_ns: u64,
    /// The name that begins.
    pub name: String,
    /// The name that ended. Empty: none.
    pub before: String,
    /// Who decided that. Empty: nobody, the ledger was new.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl OriginStart {
    /// When it was recorded, in RFC 3339.
    #[must_use]
    pub fn recorded_at(&self) -> String {
        rfc3339(&timestamp(signed(self.recorded_at_ns)), None)
    }
}

impl std::fmt::Display for OriginStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{} on {}", self.offset, self.recorded_at())?;
        if !self.actor.is_empty() {
            write!(f, " by {}", self.actor)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// The origins of a log, in the order in which they began.
#[derive(Debug)]
pub(super) struct Origins {
    pub(super) names: Vec<String>,
    pub(super) starts: Vec<OriginStart>,
}

impl Origins {
    /// Those of a log that tells of none.
    pub(super) fn new(first: String) -> Self {
        Self { names: vec![first], starts: Vec::new() }
    }

    /// Takes an entry that begins an origin; answers its name, and what is wrong with that.
    pub(super) fn take(&mut self, entry: &RecordedEvent) -> Option<(String, Option<String>)> {
        if entry.event.correlation_id() != ORIGINS || entry.event.event_type() != ORIGIN_STARTED {
            return None;
        }
        let said = entry.event.ledger_entry()?;
        let started = said.origin?;
        let is_first = entry.offset == 0 && started.before.is_empty();
        let current = if is_first { self.names.pop() } else { self.names.last().cloned() };
        let (name, before) = (started.name, started.before);
        self.names.push(name.clone());
        let defect = (!is_first && current.as_ref() != Some(&before)).then(|| {
            let current = current.unwrap_or_default();
            format!("origin {name} says that it follows {before:?}, and the log's was {current}")
        });
        self.starts.push(OriginStart {
            offset: entry.offset,
            recorded_at_ns: entry.recorded_at_ns,
            name: name.clone(),
            before,
            actor: said.actor,
            reason: said.reason,
        });
        Some((name, defect))
    }

    /// Where an origin was ended, if it was.
    pub(super) fn end_of(&self, name: &str) -> Option<&OriginStart> {
        if self.names.last().is_some_and(|current| current == name) {
            return None;
        }
        self.starts.iter().rev().find(|start| start.before == name)
    }
}
