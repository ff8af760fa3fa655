//! One order on the page: where it stands, its lines, what stands in its way, its events.
//! Does not know the rest of the page.

use super::super::EvidenceRole;
use super::super::shown::ShownOrder;
use super::seconds_text;
use crate::audit::html::Html;
use crate::ledger::TimelineRow;
use crate::proto::{
    Agreement, DimensionStatus, Hold, LineQuantity, Order, OrderException, OrderLine, Reason,
};
use crate::time::{duration_text, signed, timestamp};

impl ShownOrder<'_> {
    pub(super) fn is_asked(&self) -> bool {
        self.role == EvidenceRole::Asked
    }
}

/// All of an order.
pub(super) fn section(html: &mut Html, order: &ShownOrder<'_>, basis: u64) {
    html.raw("<h2>");
    html.raw(if order.is_asked() { "Order " } else { "History beside it: " });
    html.text(order.correlation_id).raw("</h2>\n<p>");
    if order.chain.is_empty() {
        html.raw("The ledger has no entry of it as of the seal: proven absent.</p>\n");
        return;
    }
    let (count, shown) = (order.chain.len(), order.chain.len() - order.not_shown);
    html.text(count.to_string()).raw(" entries as of the seal, ").text(shown.to_string());
    html.raw(" of them below offset ").text(basis.to_string()).raw(" and shown.");
    if order.not_shown > 0 {
        html.raw(" Committed, not shown: ").text(not_shown(order)).raw(".");
    }
    html.raw("</p>\n");
    if let Some(state) = &order.state {
        html.table(["Status", "Is", "From .. to", "Since"], &sides(state));
        let heads =
            ["Line", "Item", "Unit", "Ordered", "Picked", "Shipped", "Delivered", "Invoiced"];
        html.table(heads, &state.lines.iter().map(line).collect::<Vec<_>>());
        let obstacles: Vec<_> =
            state.holds.iter().map(hold).chain(state.exceptions.iter().map(exception)).collect();
        html.table(["In its way", "Where", "Why", "Since", "Until", "Events"], &obstacles);
        html.table(["Anomaly", "Rule", "What was found", "Events"], &anomalies(state));
        html.table(["Claim", "By", "Facts say", "Event"], &claims(state));
        html.table(["Related", "Order", "Event"], &related(state));
    }
    let heads = ["Offset", "Occurred", "Recorded", "Late", "Source", "Event", "What it changed"];
    html.table(heads, &order.rows.iter().map(event).collect::<Vec<_>>());
}

/// Where and when entries behind the basis were recorded.
fn not_shown(order: &ShownOrder<'_>) -> String {
    let behind = order.chain.iter().skip(order.chain.len() - order.not_shown);
    let told = behind.map(|entry| {
        let recorded = seconds_text(Some(&timestamp(signed(entry.recorded_at_ns))));
        format!("#{} recorded {recorded}", entry.offset)
    });
    told.collect::<Vec<_>>().join(", ")
}

fn sides(order: &Order) -> Vec<[String; 4]> {
    let sides = [
        ("commercial", &order.commercial),
        ("fulfillment", &order.fulfillment),
        ("shipment", &order.shipment),
        ("exception", &order.exception),
        ("return", &order.return_status),
    ];
    let row = |(name, side): (&str, &Option<DimensionStatus>)| {
        side.as_ref().map(|side| {
            let range = format!("{} .. {}", side.low, side.high);
            let range = if side.low == side.high { String::new() } else { range };
            [name.to_owned(), side.word.clone(), range, seconds_text(side.since.as_ref())]
        })
    };
    sides.into_iter().filter_map(row).collect()
}

fn line(line: &OrderLine) -> [String; 8] {
    let ordered = match &line.ordered {
        None if line.demand_inferred => format!("{} inferred", line.demand),
        ordered => quantity(ordered.as_ref()),
    };
    [
        line.line_id.clone(),
        line.sku.clone(),
        line.unit.clone(),
        ordered,
        quantity(line.picked.as_ref()),
        quantity(line.shipped.as_ref()),
        quantity(line.delivered.as_ref()),
        quantity(line.invoiced.as_ref()),
    ]
}

/// What was told, and what is implied beyond it.
fn quantity(quantity: Option<&LineQuantity>) -> String {
    quantity.map_or_else(String::new, |quantity| match quantity.implied_quantity.as_str() {
        "" => quantity.quantity.clone(),
        implied => format!("{} and {implied} implied", quantity.quantity),
    })
}

fn hold(hold: &Hold) -> [String; 6] {
    let kind = joined(&[&hold.kind, "hold", &hold.hold_id], " ");
    let closed = if hold.open { String::new() } else { closed(hold.released_at.as_ref(), "") };
    [
        kind,
        place(&hold.scope, &hold.line_ids),
        reason(hold.reason.as_ref()),
        seconds_text(hold.placed_at.as_ref()),
        closed,
        offsets(&hold.offsets),
    ]
}

fn exception(exception: &OrderException) -> [String; 6] {
    let resolved = exception.resolved_at.as_ref();
    let until =
        if exception.open { String::new() } else { closed(resolved, &exception.resolution) };
    [
        exception.cause.clone(),
        joined(&[&place(&exception.scope, &exception.line_ids), &exception.package_id], " "),
        reason(exception.reason.as_ref()),
        seconds_text(exception.raised_at.as_ref()),
        until,
        offsets(&exception.offsets),
    ]
}

fn closed(at: Option<&prost_types::Timestamp>, how: &str) -> String {
    let at = if at.is_none() { "closed".to_owned() } else { seconds_text(at) };
    joined(&[&at, how], " ")
}

fn place(scope: &str, lines: &[String]) -> String {
    if lines.is_empty() { scope.to_owned() } else { format!("line {}", lines.join(", ")) }
}

fn reason(reason: Option<&Reason>) -> String {
    reason.map_or_else(String::new, |reason| {
        let code = if reason.code.is_empty() { &reason.source_code } else { &reason.code };
        joined(&[code, &reason.text], ": ")
    })
}

fn anomalies(order: &Order) -> Vec<[String; 4]> {
    let row = |anomaly: &crate::proto::Anomaly| {
        let class = word("ANOMALY_CLASS_", anomaly.class().as_str_name());
        let found = [anomaly.name.as_str(), &anomaly.explanation];
        let found = found.into_iter().rfind(|text| !text.is_empty()).unwrap_or_default();
        [class, anomaly.rule.clone(), found.to_owned(), offsets(&anomaly.offsets)]
    };
    order.anomalies.iter().map(row).collect()
}

/// Claims that the facts contradict.
fn claims(order: &Order) -> Vec<[String; 4]> {
    let contradicted =
        order.claims.iter().filter(|claim| claim.agreement() == Agreement::Contradicts);
    let row = |claim: &crate::proto::Claim| {
        let dimension = word("STATUS_DIMENSION_", claim.dimension().as_str_name());
        let range = joined(&[&claim.low, &claim.high], " .. ");
        let value = if claim.value.is_empty() { range } else { claim.value.clone() };
        let differ = claim.quantities.iter().map(|one| {
            format!("line {}: {} {}, not {}", one.line_id, one.counter, one.claimed, one.counted)
        });
        let claimed = [joined(&[&dimension, &value], " ")].into_iter().chain(differ);
        let claimed: Vec<String> = claimed.filter(|text| !text.is_empty()).collect();
        let event = format!("#{}", claim.offset);
        [claimed.join("; "), claim.source.clone(), claim.facts.clone(), event]
    };
    contradicted.map(row).collect()
}

fn related(order: &Order) -> Vec<[String; 3]> {
    let row = |related: &crate::proto::RelatedOrder| {
        let relation = word("ORDER_RELATION_KIND_", related.relation().as_str_name());
        let event = format!("#{}", related.offset);
        [relation.replace('_', " "), related.correlation_id.clone(), event]
    };
    order.related_orders.iter().map(row).collect()
}

fn event(row: &TimelineRow) -> [String; 7] {
    let (recorded, event) = (&row.recorded, &row.recorded.event);
    let late = if row.late_ns == 0 { String::new() } else { duration_text(row.late_ns) };
    let mut effects = row.effects.join("; ");
    if let Some(order) = &row.linked_from {
        effects = joined(&[&format!("from {order}"), &effects], ": ");
    }
    [
        recorded.offset.to_string(),
        seconds_text(event.occurred_at_ns().map(timestamp).as_ref()),
        seconds_text(Some(&timestamp(signed(recorded.recorded_at_ns)))),
        late,
        event.source().to_owned(),
        joined(&[event.event_type(), event.event_id()], " "),
        effects,
    ]
}

/// Parts that are not empty.
fn joined(parts: &[&str], between: &str) -> String {
    parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(between)
}

/// Offsets as `#3, #7`; many in short.
fn offsets(offsets: &[u64]) -> String {
    let mut told: Vec<String> = offsets.iter().take(6).map(|offset| format!("#{offset}")).collect();
    if offsets.len() > 6 {
        told.push(format!("and {} more", offsets.len() - 6));
    }
    told.join(", ")
}

/// The word of an enum; empty where it is not said.
fn word(prefix: &str, name: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name).to_lowercase();
    if word == "unspecified" { String::new() } else { word }
}
