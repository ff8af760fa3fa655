//! The state of the ledger that a question is about, by both clocks, and which states there are.
//! Does not know the questions.

use super::Ledger;
use super::error::QueryError;
use super::writer::Head;
use crate::event::RecordedEvent;
use crate::time::{NANOS_PER_SECOND, now_ns, signed};

/// How far a caller's clock may run ahead of the ledger's, in seconds: a time that is later is
/// refused, since an answer about it would change.
pub(super) const CLOCK_SKEW_SECONDS: i64 = 5;

/// Which state of the ledger a question is about. Without limits: the head when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsOf {
    /// As if the log ended before this offset.
    pub offset: Option<u64>,
    /// From entries recorded at or before this time, in nanoseconds of the Unix epoch.
    pub recorded_at_ns: Option<u64>,
    /// From events that occurred at or before this time, in nanoseconds of the Unix epoch; events
    /// that do not say when count by the time they were recorded.
    pub occurred_at_ns: Option<i64>,
}

impl Ledger {
    pub(crate) fn basis(&self, as_of: AsOf) -> Result<u64, QueryError> {
        self.check_times(as_of)?;
        let Head { point, .. } = self.head_now();
        let mut basis = point.offset;
        if let Some(offset) = as_of.offset {
            if offset > basis {
                return Err(QueryError::BeyondHead { offset, head: basis });
            }
            basis = offset;
        }
        if let Some(recorded_at_ns) = as_of.recorded_at_ns {
            basis = basis.min(self.offset_after(recorded_at_ns)?);
        }
        Ok(basis)
    }

    /// Refuses times that have not come yet, by the ledger's clock; it may have stepped back behind
    /// what it has recorded.
    pub(super) fn check_times(&self, as_of: AsOf) -> Result<(), QueryError> {
        let recorded_ns = as_of.recorded_at_ns.map(signed);
        if recorded_ns.max(as_of.occurred_at_ns).is_none() {
            return Ok(());
        }
        let now_ns = signed(now_ns().max(self.head_now().recorded_at));
        let latest_ns = now_ns.saturating_add(CLOCK_SKEW_SECONDS * NANOS_PER_SECOND);
        let asked = [("as_of_recorded", recorded_ns), ("as_of_occurred", as_of.occurred_at_ns)];
        for (field, asked_ns) in asked {
            if let Some(asked_ns) = asked_ns.filter(|asked_ns| *asked_ns > latest_ns) {
                return Err(QueryError::InFuture { field: field.to_owned(), asked_ns, latest_ns });
            }
        }
        Ok(())
    }
}

impl AsOf {
    pub(crate) fn includes(&self, recorded: &RecordedEvent) -> bool {
        self.occurred_at_ns.is_none_or(|latest| recorded.timeline_ns() <= latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Batch, Options, TimelineQuery};
    use crate::proto::OrderEvent;

    #[test]
    fn a_time_that_has_not_come_is_refused_and_one_within_the_skew_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let event = OrderEvent {
            correlation_id: "erp/1".into(),
            source: "wms".into(),
            event_id: "1".into(),
            r#type: "pick.confirmed".into(),
            ..OrderEvent::default()
        };
        let event = crate::event::Event::new(&event).unwrap();
        ledger.append(Batch::of([event])).unwrap();
        let ahead = |seconds: i64| signed(now_ns()) + seconds * NANOS_PER_SECOND;
        let recorded =
            |ns: i64| AsOf { recorded_at_ns: Some(u64::try_from(ns).unwrap()), ..AsOf::default() };
        let occurred = |ns: i64| AsOf { occurred_at_ns: Some(ns), ..AsOf::default() };
        let revision = |as_of| ledger.get_order("erp/1", as_of).map(|order| order.state.revision);
        for as_of in [recorded(ahead(2)), occurred(ahead(2)), recorded(0), occurred(i64::MIN)] {
            assert!(revision(as_of).is_ok(), "{as_of:?}");
        }
        for as_of in [recorded(ahead(60)), occurred(ahead(60)), occurred(i64::MAX)] {
            let timeline = TimelineQuery { as_of, ..TimelineQuery::of("erp/1") };
            let errors = [
                revision(as_of).err(),
                ledger.get_timeline(&timeline).err(),
                ledger.history("erp/1", as_of).err(),
            ];
            for error in errors {
                let error = error.unwrap();
                assert!(matches!(error, QueryError::InFuture { .. }), "{error}");
                let field = if as_of.occurred_at_ns.is_some() { "occurred" } else { "recorded" };
                let said = error.to_string();
                assert!(said.starts_with(&format!("as_of_{field} is 2")), "{said}");
                assert!(said.contains("allowed is at most 2"), "{said}");
            }
        }
    }
}
