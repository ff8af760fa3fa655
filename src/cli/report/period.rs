//! What came after a period was closed and had occurred before, order by order. It is filled from
//! the log as it is read. Does not know who reads it.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::events::{CORRECTED, Corrected, Told, ns_of};
use super::order::is_bookkeeping;
use super::order_paper::{POLICY, counted, period_text};
use super::paper::{Paper, Sheet};
use crate::cli::output::{grouped, json_of, time_text};
use crate::event::Event;
use crate::num::u64_from;
use crate::proto::{self, OrderDifference};
use crate::rpc::wire;

/// The late events of one order, and what they change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LateOrder {
    pub(super) correlation_id: String,
    pub(super) events: Vec<Told>,
    /// Between what was known when the period was closed and what is known now.
    pub(super) differences: Vec<OrderDifference>,
}

/// The report.
#[derive(Clone, Debug)]
pub(super) struct PeriodReport {
    pub(super) period: proto::Period,
    /// The head up to which the log was read.
    pub(super) head: u64,
    /// In the order in which the first late event of each was recorded.
    pub(super) orders: Vec<LateOrder>,
    places: HashMap<String, usize>,
    /// Corrections that occurred since, and so stand in no order above.
    corrections: Vec<Corrected>,
    /// Late events and corrections that are listed at most, each.
    limit: usize,
    late_count: usize,
    correction_count: usize,
    /// Events that occurred when the period was closed, or later.
    since_count: u64,
    /// Events that do not say when they occurred.
    untold_count: u64,
}

impl PeriodReport {
    pub(super) fn new(period: proto::Period, limit: Option<usize>) -> Self {
        Self {
            head: period.covered,
            period,
            orders: Vec::new(),
            places: HashMap::new(),
            corrections: Vec::new(),
            limit: limit.unwrap_or(usize::MAX),
            late_count: 0,
            correction_count: 0,
            since_count: 0,
            untold_count: 0,
        }
    }

    /// Takes an event that the period does not cover.
    pub(super) fn take(&mut self, recorded: &wire::RecordedEvent) {
        let event = Event::stored(recorded.event.clone());
        let closed_at = ns_of(self.period.closed_at.as_ref());
        match event.occurred_at_ns() {
            None => self.untold_count += 1,
            Some(occurred) if closed_at.is_some_and(|closed_at| occurred < closed_at) => {
                self.late_count += 1;
                if self.late_count <= self.limit {
                    self.list(Told::of(recorded));
                }
                return;
            }
            Some(_) => self.since_count += 1,
        }
        if event.event_type() == CORRECTED {
            self.correction_count += 1;
            if self.correction_count <= self.limit {
                self.corrections.push(Corrected::of(recorded));
            }
        }
    }

    fn list(&mut self, late: Told) {
        let next = self.orders.len();
        let place = *self.places.entry(late.correlation_id.clone()).or_insert(next);
        if place == next {
            let correlation_id = late.correlation_id.clone();
            self.orders.push(LateOrder { correlation_id, ..LateOrder::default() });
        }
        if let Some(order) = self.orders.get_mut(place) {
            order.events.push(late);
        }
    }

    fn more(&self) -> [usize; 2] {
        [self.late_count, self.correction_count].map(|count| count.saturating_sub(self.limit))
    }

    /// What was found, in sentences.
    pub(super) fn found(&self) -> Vec<String> {
        let closing = "the closing";
        let mut found = Vec::new();
        let listed: usize = self.orders.iter().map(|order| order.events.len()).sum();
        let orders = counted(self.orders.len(), "order", "orders");
        if self.late_count == 0 {
            found.push(format!("Nothing late: no such event occurred before {closing}."));
        } else if self.more() == [0; 2] || self.late_count == listed {
            found.push(format!("{} of {orders}.", counted(listed, "late event", "late events")));
        } else {
            let all = counted(self.late_count, "late event", "late events");
            let more = grouped(u64_from(self.late_count - listed));
            let listed = grouped(u64_from(listed));
            found
                .push(format!("{all}; listed are {listed}, of {orders}, and {more} more are not."));
        }
        let others = format!(
            "Not late: {} occurred at {closing} or later. Not known: {} not say when they \
             occurred.",
            grouped(self.since_count),
            grouped(self.untold_count) + if self.untold_count == 1 { " does" } else { " do" },
        );
        found.push(others);
        found
    }

    /// As it is read.
    pub(super) fn paper(&self) -> Paper {
        let Self { period, head, .. } = self;
        let (covered, closed_at) = (period.covered, time_text(period.closed_at.as_ref()));
        let facts = [
            (
                "closed",
                format!("{}: it covers entries below offset {covered}", period_text(period)),
            ),
            (
                "listed",
                format!(
                    "events recorded from offset {covered} on, which the period does not cover, \
                     that occurred before {closed_at} by the sources' clocks; without entries of \
                     the ledger's own"
                ),
            ),
            ("as of", format!("entries below offset {head}")),
            ("late by", "from when an event occurred to when it was recorded".to_owned()),
            ("folded with", POLICY.to_owned()),
        ];
        let mut paper = Paper {
            title: format!(
                "{}  what came after it was closed and had occurred before",
                period.label
            ),
            facts: facts.map(|(name, text)| [name.to_owned(), text]).into(),
            found: self.found(),
            sheets: Vec::new(),
        };
        self.orders.iter().for_each(|order| paper.add(order.sheet()));
        paper.add(self.corrections_sheet());
        paper
    }

    fn corrections_sheet(&self) -> Sheet {
        let row = |one: &Corrected| {
            [
                one.event.correlation_id.clone(),
                one.event.occurred(),
                one.event.recorded(),
                format!("#{}", one.event.offset),
                one.target(),
                one.how(),
                one.reason.clone(),
                one.actor.clone(),
            ]
        };
        let heads = ["ORDER", "OCCURRED", "RECORDED", "EVENT", "CORRECTS", "HOW", "WHY", "ACTOR"];
        let title = "corrections that did not occur before the closing, whatever they correct";
        let [_, more] = self.more();
        let said = if more == 0 { String::new() } else { format!("And {more} more.") };
        Sheet::new(title, heads, self.corrections.iter().map(row)).saying(said)
    }

    /// All there is.
    pub(super) fn json(&self) -> Json {
        let [more_late, more_corrections] = self.more();
        json!({
            "report": "period",
            "period": json_of("Period", &self.period),
            "head": self.head,
            "policy": "today's",
            "late_count": self.late_count,
            "more_late_count": more_late,
            "occurred_since_count": self.since_count,
            "without_occurred_at_count": self.untold_count,
            "orders": self.orders.iter().map(LateOrder::json).collect::<Vec<_>>(),
            "corrections": self.corrections.iter().map(Corrected::json).collect::<Vec<_>>(),
            "more_correction_count": more_corrections,
        })
    }

    /// The late events, order by order.
    pub(super) fn events(&self) -> impl Iterator<Item = &Told> {
        self.orders.iter().flat_map(|order| &order.events)
    }
}

impl LateOrder {
    /// What the timeline says of the late events.
    pub(super) fn heed(&mut self, rows: &[wire::TimelineRow]) {
        let effects =
            rows.iter().filter_map(|row| Some((row.event.as_ref()?.offset, &row.effects)));
        let effects: HashMap<u64, &Vec<String>> = effects.collect();
        for event in &mut self.events {
            if let Some(effects) = effects.get(&event.offset) {
                event.effects.clone_from(effects);
            }
        }
    }

    fn changes(&self) -> impl Iterator<Item = &OrderDifference> {
        self.differences.iter().filter(|one| !is_bookkeeping(&one.field))
    }

    /// How the status differs, and how many other fields do.
    fn said(&self) -> String {
        let sides = ["commercial", "fulfillment", "shipment", "exception", "return_status"];
        let word = |one: &&OrderDifference| {
            one.field.strip_suffix(".word").is_some_and(|side| sides.contains(&side))
        };
        let none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let words = self.changes().filter(word).map(|one| {
            let side = one.field.trim_end_matches(".word").trim_end_matches("_status");
            format!("{side} {} -> {}", none(&one.before), none(&one.after))
        });
        let mut said: Vec<String> = words.collect();
        match self.changes().count() - said.len() {
            0 if said.is_empty() => said.push("changes nothing".to_owned()),
            0 => {}
            more if said.is_empty() => said.push(counted(more, "field differs", "fields differ")),
            more => said.push(counted(more, "other field differs", "other fields differ")),
        }
        said.join(", ")
    }

    fn sheet(&self) -> Sheet {
        let row = |told: &Told| {
            [
                told.occurred(),
                told.recorded(),
                told.late(),
                format!("#{}", told.offset),
                told.event_type.clone(),
                told.source.clone(),
                told.effects.join("; "),
            ]
        };
        let heads = ["OCCURRED", "RECORDED", "LATE BY", "EVENT", "TYPE", "SOURCE", "WHAT"];
        let title = self.correlation_id.clone();
        Sheet::new(title, heads, self.events.iter().map(row)).saying(self.said())
    }

    fn json(&self) -> Json {
        let differences = self.differences.iter().map(|one| json_of("OrderDifference", one));
        json!({
            "correlation_id": self.correlation_id,
            "differences": differences.collect::<Vec<_>>(),
            "late_arrivals": self.events.iter().map(Told::json).collect::<Vec<_>>(),
        })
    }
}
