//! How a system puts what happened into an event, piece by piece.
//! Does not know whether and when anyone hears of it.

use super::line::Line;
use super::order::Order;
use super::world::System;
use crate::proto::{self, OrderEvent, StatusDimension, TimeBasis, TimePrecision};
use crate::time::timestamp;

use super::clock::{DAY, MINUTE, SECOND, floor_local};

/// An event in the making.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) system: &'static System,
    /// When it happens; the event may say so less exactly.
    pub(super) at: i64,
    tick: i64,
    utc_offset_minutes: i32,
    event: OrderEvent,
}

impl Fact {
    /// What `system` has to tell of `order` now.
    pub(super) fn new(order: &Order, system: &'static System, event_type: &str) -> Self {
        let event = OrderEvent {
            correlation_id: order.correlation_id(),
            source: system.name.to_owned(),
            r#type: event_type.to_owned(),
            ..OrderEvent::default()
        };
        let utc_offset_minutes = system.utc_offset_minutes;
        Self { system, at: order.now, tick: system.tick, utc_offset_minutes, event }
    }

    pub(super) fn at(mut self, at: i64) -> Self {
        self.at = at;
        self
    }

    /// Only the date was noted.
    pub(super) fn by_date_only(mut self) -> Self {
        self.tick = DAY;
        self
    }

    /// Where the clock differs from that of the system.
    pub(super) fn local(mut self, utc_offset_minutes: i32) -> Self {
        self.utc_offset_minutes = utc_offset_minutes;
        self
    }

    /// The system's own number of the fact, where it is not just the next one.
    pub(super) fn numbered(mut self, event_id: String) -> Self {
        self.event.event_id = event_id;
        self
    }

    /// One fact that is told of several orders, under one number.
    pub(super) fn shared(mut self, fact_id: String) -> Self {
        self.event.fact_id.clone_from(&fact_id);
        self.numbered(fact_id)
    }

    /// Some of a line, in thousandths of its unit. Whether a counter goes up or down by it is up to
    /// the type of the event: what is taken back is positive too.
    pub(super) fn line(mut self, line: &Line, quantity_milli: i64) -> Self {
        self.event.lines.push(line.moved(quantity_milli));
        self
    }

    /// Some of every line that `quantity_milli` has something of.
    pub(super) fn lines<'o>(
        self,
        lines: impl IntoIterator<Item = &'o Line>,
        quantity_milli: impl Fn(&Line) -> i64,
    ) -> Self {
        lines.into_iter().fold(self, |fact, line| match quantity_milli(line) {
            0 => fact,
            quantity => fact.line(line, quantity),
        })
    }

    pub(super) fn reference(mut self, kind: &str, issuer: &str, value: &str) -> Self {
        self.event.refs.push(proto::Reference {
            r#type: kind.to_owned(),
            issuer: issuer.to_owned(),
            value: value.to_owned(),
            ..proto::Reference::default()
        });
        self
    }

    /// The system's own code for the kind of event.
    pub(super) fn code(self, code: &str) -> Self {
        let code_set = self.system.code_set;
        self.code_of(code_set, code)
    }

    /// A code of another list than the system's usual one.
    pub(super) fn code_of(mut self, code_set: &str, code: &str) -> Self {
        self.event.origin = Some(proto::Origin {
            code_set: code_set.to_owned(),
            code: code.to_owned(),
            mapping_version: "2026.1".to_owned(),
            ..proto::Origin::default()
        });
        self
    }

    /// The common code of the reason, and the system's own where it has one.
    pub(super) fn because(mut self, code: &str, source_code: &str) -> Self {
        self.event.reason = Some(proto::Reason {
            code: code.to_owned(),
            source_code: source_code.to_owned(),
            ..proto::Reason::default()
        });
        self
    }

    pub(super) fn money(mut self, kind: &str, amount_minor: i64, basis: proto::MoneyBasis) -> Self {
        self.event.money.push(proto::Money {
            kind: kind.to_owned(),
            amount_minor,
            currency: String::new(),
            basis: basis.into(),
        });
        self
    }

    /// What the system claims that the status is.
    pub(super) fn claiming(self, dimension: StatusDimension, value: &str, code: &str) -> Self {
        let asserted = proto::AssertedStatus {
            dimension: dimension.into(),
            value: value.to_owned(),
            code: code.to_owned(),
            ..proto::AssertedStatus::default()
        };
        self.with(|event| event.asserted = Some(asserted))
    }

    /// Any other part of the event.
    pub(super) fn with(mut self, fill: impl FnOnce(&mut OrderEvent)) -> Self {
        fill(&mut self.event);
        self
    }

    /// The event, with its time as exact as it was noted; `event_id` where the fact has no number.
    pub(super) fn into_event(mut self, event_id: String, currency: &str) -> OrderEvent {
        let noted = floor_local(self.at, self.tick, self.utc_offset_minutes);
        let (precision, basis) = match self.tick {
            DAY => (TimePrecision::Day, TimeBasis::AssumedZone),
            MINUTE => (TimePrecision::Minute, TimeBasis::AssumedZone),
            SECOND => (TimePrecision::Second, TimeBasis::SourceOffset),
            _ => (TimePrecision::Microsecond, TimeBasis::SourceUtc),
        };
        self.event.occurred_at = Some(timestamp(noted));
        self.event.occurred_at_precision = precision.into();
        self.event.occurred_at_basis = basis.into();
        self.event.utc_offset_minutes = Some(self.utc_offset_minutes);
        if self.event.event_id.is_empty() {
            self.event.event_id = event_id;
        }
        for money in &mut self.event.money {
            currency.clone_into(&mut money.currency);
        }
        self.event
    }
}
