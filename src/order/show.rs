//! Shows what is known of an order as the message that callers read, and as the status of lists.
//! Does not know how it came about.

use super::exceptions::{Exception, LEDGER};
use super::facts::{FactIndex, counts};
use super::folded::Folded;
use super::fulfillment::Range;
use super::holds::Hold;
use super::links::links;
use super::milestones::milestones_of;
use super::quantity::Quantity;
use super::reason::{known_code, reason_of, reason_of_hold};
use super::references::references_of;
use super::returns::{Return, cancel_requests_of};
use super::shown_lines::shown_lines;
use super::status::{OrderStatus, Standing};
use super::words::Dimension;
use super::{History, shipments};
use crate::event::{Fact, Kind, RecordedEvent, path};
use crate::num::u64_from;
use crate::proto::{self, HoldBlock, OrderRelationKind};
use crate::time::{signed, timestamp};

/// The status of an order, for lists.
pub(crate) fn status_of(folded: &Folded<'_>, history: &History<'_>) -> OrderStatus {
    let own = own_events(history);
    let facts = &folded.facts;
    let last = facts.all.iter().max_by_key(|fact| fact.offset());
    let standings = Dimension::ALL.map(|dimension| {
        let Range { low, high, word } = folded.range(dimension);
        let since_ns = folded.since_ns(&folded.behind(dimension));
        Standing { low, high, word, since_ns }
    });
    let (holds, exceptions) = (|| folded.open_holds(), || folded.open_exceptions());
    let hold_code = |hold: &Hold<'_>| {
        let fact = hold.latest().and_then(|latest| facts.get(latest));
        known_code(fact.map_or("", reason_of_hold)).to_owned()
    };
    let mut open_reasons: Vec<String> = holds().map(hold_code).collect();
    open_reasons.extend(exceptions().map(|exception| known_code(exception.code).to_owned()));
    open_reasons.sort_unstable();
    open_reasons.dedup();
    let opened = holds().filter_map(Hold::latest);
    let opened = opened.chain(exceptions().map(|exception| exception.raised));
    let occurred = || {
        let plausible = facts.counting().filter(|(index, _)| facts.is_plausible(*index));
        plausible.filter_map(|(_, fact)| fact.recorded.event.occurred_at_ns())
    };
    OrderStatus {
        revision: own,
        standings,
        open_exception_count: u64_from(holds().count() + exceptions().count()),
        open_reasons,
        oldest_open_ns: opened.map(|index| facts.at_ns(index)).min(),
        anomaly_rules: each_once(folded.findings.iter().map(|finding| finding.rule.id)),
        warehouses: each_once(facts.meant().map(|(_, fact)| fact.text(path::WAREHOUSE))),
        sources: each_once(facts.all.iter().map(|fact| fact.source)),
        updated_offset: last.map_or(0, Fact::offset),
        updated_ns: last.map_or(0, |last| last.recorded.recorded_at_ns),
        first_occurred_ns: occurred().min(),
        last_occurred_ns: occurred().max(),
    }
}

/// Texts that are not empty, sorted, each once.
fn each_once<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut known: Vec<&str> = Vec::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if let Err(place) = known.binary_search(&text) {
            known.insert(place, text);
        }
    }
    known.into_iter().map(str::to_owned).collect()
}

fn own_events(history: &History<'_>) -> u64 {
    let own = history.events.iter().filter(|recorded| is_own(history, recorded));
    u64_from(own.count())
}

fn is_own(history: &History<'_>, recorded: &RecordedEvent) -> bool {
    recorded.event.is_about(history.correlation_id)
}

/// The order as callers read it.
pub(crate) fn order_of(folded: &Folded<'_>, history: &History<'_>) -> proto::Order {
    let by_offset = || history.events.iter();
    let (type_counts, source_counts) = counts(&folded.facts);
    let side = |dimension| Some(side_of(folded, dimension));
    let shown = Shown { folded };
    proto::Order {
        correlation_id: history.correlation_id.to_owned(),
        revision: own_events(history),
        event_count: u64_from(history.events.len()),
        first_event: by_offset().min_by_key(|one| one.offset).map(event_summary),
        last_event: by_offset().max_by_key(|one| one.offset).map(event_summary),
        references: references_of(&folded.facts),
        type_counts,
        source_counts,
        commercial: side(Dimension::Commercial),
        fulfillment: side(Dimension::Fulfillment),
        shipment: side(Dimension::Shipment),
        exception: side(Dimension::Exception),
        return_status: side(Dimension::Return),
        lines: shown_lines(folded),
        packages: shown.packages(),
        shipments: shipments::shipments_of(folded),
        holds: shown.holds(),
        exceptions: shown.exceptions(),
        milestones: milestones_of(&folded.facts, &folded.lines),
        anomalies: shown.anomalies(),
        returns: folded.returns.iter().map(|one| shown.one_return(one)).collect(),
        claims: shown.claims(),
        corrections: folded.facts.corrections.clone(),
        cancel_requests: shown.cancel_requests(),
        related_orders: related_orders(folded, history),
        promised_ship_by: shown.date(path::PROMISED_SHIP_BY),
        promised_deliver_by: shown.date(path::PROMISED_DELIVER_BY),
        requested_ship_by: shown.date(path::REQUESTED_SHIP_BY),
        requested_deliver_by: shown.date(path::REQUESTED_DELIVER_BY),
        expected_at: shown.date(path::ETA),
        party_id: shown.party(),
    }
}

/// What is said of other orders, by this one and by them.
fn related_orders(folded: &Folded<'_>, history: &History<'_>) -> Vec<proto::RelatedOrder> {
    let own = history.events.iter().filter(|recorded| is_own(history, recorded));
    let linking = [Kind::REF_LINKED, Kind::ORDER_SPLIT, Kind::ORDER_MERGED];
    let named = folded.facts.all.iter().any(|fact| linking.contains(&fact.kind));
    let mut related: Vec<proto::RelatedOrder> = Vec::new();
    if named {
        let own: Vec<RecordedEvent> = own.cloned().collect();
        related.extend(links(&own).into_iter().map(|link| proto::RelatedOrder {
            relation: link.relation.into(),
            correlation_id: link.target,
            offset: link.offset,
        }));
    }
    related.extend_from_slice(folded.incoming);
    // Not by offset: arrival changes that. Both may say the same: what the order says itself stays.
    related.sort_by(|one, other| {
        (one.relation, &one.correlation_id).cmp(&(other.relation, &other.correlation_id))
    });
    related.dedup_by(|other, one| {
        other.relation == one.relation
            && other.correlation_id == one.correlation_id
            && one.relation() != OrderRelationKind::Unspecified
    });
    related
}

/// An event in short.
pub(crate) fn event_summary(recorded: &RecordedEvent) -> proto::EventSummary {
    let event = &recorded.event;
    let [source, event_id, event_type] = event.source_id_and_type().map(str::to_owned);
    proto::EventSummary {
        offset: recorded.offset,
        revision: recorded.revision,
        r#type: event_type,
        source,
        event_id,
        occurred_at: event.occurred_at_ns().map(timestamp),
        recorded_at: Some(timestamp(signed(recorded.recorded_at_ns))),
    }
}

fn side_of(folded: &Folded<'_>, dimension: Dimension) -> proto::DimensionStatus {
    let behind = folded.behind(dimension);
    let shown = Shown { folded };
    let range = folded.range(dimension);
    let since = folded.since_ns(&behind).map(timestamp);
    proto::DimensionStatus { since, offsets: shown.offsets(behind), ..words(dimension, range) }
}

/// Low, high and word of a side, without their proof.
pub(super) fn words(dimension: Dimension, range: Range) -> proto::DimensionStatus {
    let text = |word| dimension.text(word).to_owned();
    proto::DimensionStatus {
        low: text(range.low),
        high: text(range.high),
        word: text(range.word),
        since: None,
        offsets: Vec::new(),
    }
}

/// Shows the parts of an order.
#[derive(Clone, Copy)]
pub(super) struct Shown<'f, 'a> {
    pub(super) folded: &'f Folded<'a>,
}

impl Shown<'_, '_> {
    /// The offsets of facts, rising, each once.
    pub(super) fn offsets(self, facts: impl IntoIterator<Item = FactIndex>) -> Vec<u64> {
        let offsets = facts.into_iter().map(|index| self.folded.facts.offset(index));
        let mut offsets: Vec<u64> = offsets.collect();
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    fn at(self, index: FactIndex) -> prost_types::Timestamp {
        timestamp(self.folded.facts.at_ns(index))
    }

    fn packages(self) -> Vec<proto::Package> {
        let with_place = self.folded.packages.list.iter().zip(&self.folded.shipping.packages);
        let shown = with_place.map(|(package, place)| {
            let facts = package.facts.iter().filter_map(|index| self.folded.facts.get(*index));
            let eta = facts.rev().find_map(|fact| Self::date_of(fact, path::ETA));
            let contents = package.contents.iter().map(|(line, quantity)| {
                let line = self.folded.lines.list.get(*line);
                proto::PackageContent {
                    line_id: line.map_or("", |line| line.name.line_id).to_owned(),
                    quantity: quantity.text(),
                }
            });
            proto::Package {
                package_id: package.package_id(),
                carton_id: package.carton_id.to_owned(),
                sscc: package.sscc.to_owned(),
                tracking_number: package.tracking_number.to_owned(),
                tracking_unique_id: Self::unique_id(package).to_owned(),
                former_tracking_numbers: package
                    .former_tracking_numbers
                    .iter()
                    .map(|number| (*number).to_owned())
                    .collect(),
                carrier: package.carrier.to_owned(),
                shipment_id: package.shipment_id.to_owned(),
                stage: Dimension::Shipment.text(place.stage).to_owned(),
                since: place.by.map(|index| self.at(index)),
                expected_at: eta,
                contents: contents.collect(),
                offsets: self.offsets(package.facts.iter().copied()),
            }
        });
        shown.collect()
    }

    /// The carrier's id; what tells two uses of a number apart may be the shipment instead.
    fn unique_id<'p>(package: &super::packages::Package<'p>) -> &'p str {
        let id = package.tracking_unique_id;
        if id == package.shipment_id { "" } else { id }
    }

    fn holds(self) -> Vec<proto::Hold> {
        let mut shown: Vec<proto::Hold> =
            self.folded.holds.iter().map(|hold| self.hold(hold)).collect();
        let key = |hold: &proto::Hold| {
            let at = hold.placed_at.as_ref().or(hold.released_at.as_ref());
            (!hold.open, at.map(|at| (at.seconds, at.nanos)))
        };
        shown.sort_by(|one, other| {
            key(one).cmp(&key(other)).then_with(|| one.hold_id.cmp(&other.hold_id))
        });
        shown
    }

    fn hold(self, hold: &Hold<'_>) -> proto::Hold {
        let facts = &self.folded.facts;
        let open = hold.is_open(facts);
        let mut shown = proto::Hold {
            hold_id: hold.hold_id.clone(),
            source: hold.source.to_owned(),
            open,
            placed_at: hold.placed.last().map(|index| self.at(*index)),
            released_at: hold.released.last().filter(|_| !open).map(|index| self.at(*index)),
            offsets: self.offsets(hold.placed.iter().chain(&hold.released).copied()),
            ..proto::Hold::default()
        };
        if let Some(fact) = hold.latest().and_then(|latest| facts.get(latest)) {
            let scope = fact.text(path::HOLD_SCOPE);
            fact.text(path::HOLD_KIND).clone_into(&mut shown.kind);
            let scope = if scope.is_empty() { "order" } else { scope };
            scope.clone_into(&mut shown.scope);
            shown.line_ids = fact.lines.iter().map(|line| line.line_id.to_owned()).collect();
            let blocks = fact.numbers(path::HOLD_BLOCKS).into_iter();
            let blocks = blocks.filter_map(|number| i32::try_from(number).ok());
            shown.blocks = blocks.filter(|block| HoldBlock::try_from(*block).is_ok()).collect();
            shown.reason = reason_of(fact);
            fact.text(path::HOLD_OWNER).clone_into(&mut shown.owner);
            shown.due_at = fact.time(path::HOLD_DUE_AT);
        }
        shown
    }

    fn exceptions(self) -> Vec<proto::OrderException> {
        let mut sorted: Vec<&Exception<'_>> = self.folded.exceptions.iter().collect();
        sorted.sort_by_key(|one| (!one.open, one.raised, one.exception_id.clone()));
        sorted.into_iter().map(|exception| self.exception(exception)).collect()
    }

    fn exception(self, exception: &Exception<'_>) -> proto::OrderException {
        let facts = &self.folded.facts;
        let raised = facts.get(exception.latest);
        let resolved = exception.resolved.and_then(|index| facts.get(index));
        let own = raised.filter(|_| exception.source != LEDGER);
        let said = own.and_then(reason_of).unwrap_or_default();
        let resolution = resolved.map_or("", |fact| match fact.text(path::RESOLUTION) {
            "" => fact.type_name,
            resolution => resolution,
        });
        proto::OrderException {
            exception_id: exception.exception_id.clone(),
            source: exception.source.to_owned(),
            cause: exception.cause.to_owned(),
            reason: Some(proto::Reason {
                code: exception.code.to_owned(),
                severity: exception.severity.to_message().into(),
                ..said
            }),
            scope: exception.scope.to_owned(),
            line_ids: exception.line_ids.iter().map(|line| (*line).to_owned()).collect(),
            quantity: exception.quantity.clone(),
            open: exception.open,
            raised_at: Some(self.at(exception.raised)),
            resolved_at: exception.resolved.map(|index| self.at(index)),
            resolution: resolution.to_owned(),
            owner: raised.map_or("", |fact| fact.text(path::EXCEPTION_OWNER)).to_owned(),
            due_at: raised.and_then(|fact| fact.time(path::EXCEPTION_DUE_AT)),
            package_id: exception.package_id.clone(),
            offsets: self.offsets(exception.facts.iter().copied()),
        }
    }

    fn anomalies(self) -> Vec<proto::Anomaly> {
        let shown = self.folded.findings.iter().map(|finding| proto::Anomaly {
            rule: finding.rule.id.to_owned(),
            name: finding.rule.name.to_owned(),
            class: finding.rule.class.into(),
            explanation: finding.explanation.clone(),
            line_id: finding.line_id.clone(),
            offsets: self.offsets(finding.facts.iter().copied()),
        });
        shown.collect()
    }

    fn one_return(self, one: &Return<'_>) -> proto::Return {
        let lines = one.lines.iter().map(|(line_id, announced, received)| proto::ReturnLine {
            line_id: (*line_id).to_owned(),
            initiated_quantity: positive(*announced),
            received_quantity: positive(*received),
        });
        proto::Return {
            rma: one.rma.to_owned(),
            state: one.state().to_owned(),
            lines: lines.collect(),
            disposition: one.disposition.to_owned(),
            condition: one.condition.to_owned(),
            reason: one.reason.and_then(|index| self.folded.facts.get(index)).and_then(reason_of),
            offsets: self.offsets(one.facts.iter().copied()),
        }
    }

    fn claims(self) -> Vec<proto::Claim> {
        let shown = self.folded.claims.iter().map(|claim| {
            let fact = self.folded.facts.get(claim.fact);
            let dimension = claim.dimension.map(Dimension::to_message).unwrap_or_default();
            let quantities = claim.quantities.iter().map(|one| proto::ClaimedQuantity {
                line_id: one.line_id.to_owned(),
                counter: one.counter.name().to_owned(),
                claimed: one.claimed.to_string(),
                counted: one.counted.to_string(),
            });
            proto::Claim {
                dimension: dimension.into(),
                quantities: quantities.collect(),
                counted_offset: claim.owner.map(|owner| self.folded.facts.offset(owner)),
                source: fact.map_or("", |fact| fact.source).to_owned(),
                value: claim.value.to_owned(),
                low: claim.low.to_owned(),
                high: claim.high.to_owned(),
                code: claim.code.to_owned(),
                as_of: Some(timestamp(claim.as_of_ns)),
                agreement: claim.agreement.into(),
                facts: claim.facts.to_owned(),
                offset: self.folded.facts.offset(claim.fact),
            }
        });
        shown.collect()
    }

    fn cancel_requests(self) -> Vec<proto::CancelRequest> {
        let requests = cancel_requests_of(&self.folded.facts).into_iter();
        let reason = |fact: Option<FactIndex>| {
            fact.and_then(|index| self.folded.facts.get(index)).and_then(reason_of)
        };
        let shown = requests.map(|request| proto::CancelRequest {
            request_id: request.request_id.to_owned(),
            state: request.state.to_owned(),
            requested_by: request.requested_by.to_owned(),
            reason: reason(request.reason),
            answer_reason: reason(request.answer),
            offsets: self.offsets(request.facts),
        });
        shown.collect()
    }

    /// A date as said last.
    fn date(self, path: crate::event::Path) -> Option<proto::DateValue> {
        let mut facts = self.folded.facts.counting().rev();
        facts.find_map(|(_, fact)| Self::date_of(fact, path))
    }

    fn date_of(fact: &Fact<'_>, path: crate::event::Path) -> Option<proto::DateValue> {
        let value = fact.time(path)?;
        Some(proto::DateValue { value: Some(value), offset: fact.offset() })
    }

    fn party(self) -> Option<proto::TextValue> {
        let mut facts = self.folded.facts.counting().rev();
        let (_, fact) = facts.find(|(_, fact)| !fact.party_id.is_empty())?;
        Some(proto::TextValue { value: fact.party_id.to_owned(), offset: fact.offset() })
    }
}

/// A quantity as text; absent where there is none.
pub(super) fn positive(quantity: Quantity) -> String {
    if quantity.is_zero() { String::new() } else { quantity.text() }
}
