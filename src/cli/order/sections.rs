//! The parts of an order's page below its lines, each a table that is empty where there is nothing
//! to say. Does not know how tables are written.

use crate::cli::grid::{Grid, column};
use crate::cli::output::{enum_word, offsets_text, seconds_text};
use crate::proto::{
    Agreement, Claim, ClaimedQuantity, Hold, MilestoneTime, Order, OrderException, Package, Reason,
    Return,
};

/// References that are shown where not all of them are asked for.
const SHOWN_REFERENCES: usize = 12;

/// All sections with their titles, in the order in which they are read.
pub(super) fn all(order: &Order, all: bool) -> Vec<(&'static str, Grid)> {
    let none = || Grid::new([]);
    vec![
        ("packages", packages(&order.packages)),
        ("shipments", if all { shipments(order) } else { none() }),
        ("holds and exceptions", obstacles(order, all)),
        ("returns", returns(&order.returns)),
        ("cancel requests", cancel_requests(order)),
        (if all { "claims" } else { "claims that the facts contradict" }, claims(order, all)),
        ("corrections", corrections(order)),
        ("related orders", related(order)),
        ("anomalies", anomalies(order)),
        ("milestones", if all { milestones(order) } else { none() }),
        ("references", references(order, all)),
    ]
}

/// Words without the empty ones.
fn joined<'a>(words: impl IntoIterator<Item = &'a str>, between: &str) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(between)
}

fn reason_text(reason: Option<&Reason>) -> String {
    reason.map_or_else(String::new, |reason| {
        let code = if reason.code.is_empty() { &reason.source_code } else { &reason.code };
        joined([code.as_str(), &reason.text], ": ")
    })
}

fn packages(packages: &[Package]) -> Grid {
    let mut grid = Grid::new([
        column("PACKAGE").wrap(),
        column("STAGE").wrap(),
        column("SINCE").spare(),
        column("EXPECTED").optional().spare(),
        column("CARRIER").optional().spare(),
        column("SHIPMENT").optional().spare(),
        column("CONTENTS").optional().wrap(),
    ]);
    for package in packages {
        let contents = package.contents.iter();
        let contents: Vec<String> =
            contents.map(|held| format!("{} of line {}", held.quantity, held.line_id)).collect();
        let id = &package.package_id;
        let expected = package.expected_at.as_ref().and_then(|date| date.value.as_ref());
        grid.row([
            if id.is_empty() { "not named".to_owned() } else { id.clone() },
            package.stage.clone(),
            seconds_text(package.since.as_ref()),
            seconds_text(expected),
            package.carrier.clone(),
            package.shipment_id.clone(),
            contents.join(", "),
        ]);
    }
    grid
}

fn shipments(order: &Order) -> Grid {
    let mut grid = Grid::new([
        column("SHIPMENT").wrap(),
        column("STAGE").wrap(),
        column("CARRIER").optional().spare(),
        column("SERVICE").optional().spare(),
        column("NUMBERS").optional().wrap(),
        column("PACKAGES").wrap(),
    ]);
    for shipment in &order.shipments {
        let numbers = [
            ("bol", &shipment.bol),
            ("pro", &shipment.pro),
            ("load", &shipment.load_id),
            ("manifest", &shipment.manifest_id),
        ];
        let numbers = numbers.into_iter().filter(|(_, number)| !number.is_empty());
        let numbers: Vec<String> =
            numbers.map(|(name, number)| format!("{name} {number}")).collect();
        let stage = shipment.shipment.as_ref().map(|status| status.word.as_str());
        let reversed = if shipment.reversed { "reversed" } else { "" };
        grid.row([
            shipment.shipment_id.clone(),
            joined([stage.unwrap_or_default(), reversed], ", "),
            shipment.carrier.clone(),
            shipment.service.clone(),
            numbers.join(", "),
            shipment.package_ids.join(", "),
        ]);
    }
    grid
}

/// Holds and exceptions: those that are open, and the others counted or shown too.
fn obstacles(order: &Order, all: bool) -> Grid {
    let mut grid = Grid::new([
        column("WHAT").wrap(),
        column("WHERE").wrap(),
        column("WHY").wrap(),
        column("SINCE").spare(),
        column("DUE").optional().spare(),
        column("OWNER").optional().spare(),
        column("CLOSED").optional(),
        column("EVENTS").wrap().spare(),
    ]);
    let holds = order.holds.iter().filter(|hold| hold.open || all);
    holds.for_each(|hold| grid.row(hold_cells(hold)));
    let exceptions = order.exceptions.iter().filter(|exception| exception.open || all);
    exceptions.for_each(|exception| grid.row(exception_cells(exception)));
    let holds = order.holds.iter().filter(|hold| !hold.open).count();
    let exceptions = order.exceptions.iter().filter(|exception| !exception.open).count();
    if !all && holds + exceptions > 0 {
        let counted = |count: usize, name: &str| match count {
            0 => String::new(),
            1 => format!("1 {name}"),
            _ => format!("{count} {name}s"),
        };
        let counts = [counted(holds, "hold"), counted(exceptions, "exception")];
        let counts = joined(counts.iter().map(String::as_str), " and ");
        grid.note(&format!("{counts} closed; --all shows them"));
    }
    grid
}

fn hold_cells(hold: &Hold) -> [String; 8] {
    let blocks: Vec<String> =
        hold.blocks().map(|block| enum_word("HOLD_BLOCK_", block.as_str_name())).collect();
    let blocks =
        if blocks.is_empty() { String::new() } else { format!("blocks {}", blocks.join(", ")) };
    let kind = joined([hold.kind.as_str(), "hold"], " ");
    let closed = if hold.open { String::new() } else { closed(hold.released_at.as_ref()) };
    [
        joined([kind.as_str(), &hold.hold_id], " "),
        place(&hold.scope, &hold.line_ids, ""),
        joined([reason_text(hold.reason.as_ref()).as_str(), &blocks], "; "),
        seconds_text(hold.placed_at.as_ref()),
        seconds_text(hold.due_at.as_ref()),
        hold.owner.clone(),
        closed,
        offsets_text(&hold.offsets),
    ]
}

fn exception_cells(exception: &OrderException) -> [String; 8] {
    let amount = Some(&exception.quantity).filter(|quantity| !quantity.is_empty());
    let amount = amount.map(|quantity| format!("quantity {quantity}")).unwrap_or_default();
    let why = reason_text(exception.reason.as_ref());
    let closed = if exception.open {
        String::new()
    } else {
        joined([closed(exception.resolved_at.as_ref()).as_str(), &exception.resolution], " ")
    };
    [
        exception.cause.clone(),
        place(&exception.scope, &exception.line_ids, &exception.package_id),
        joined([why.as_str(), &amount], "; "),
        seconds_text(exception.raised_at.as_ref()),
        seconds_text(exception.due_at.as_ref()),
        exception.owner.clone(),
        closed,
        offsets_text(&exception.offsets),
    ]
}

fn closed(at: Option<&prost_types::Timestamp>) -> String {
    if at.is_none() { "yes".to_owned() } else { seconds_text(at) }
}

fn place(scope: &str, lines: &[String], package: &str) -> String {
    match lines {
        [] if package.is_empty() => scope.to_owned(),
        [] => format!("package {package}"),
        [line] => format!("line {line}"),
        lines => format!("lines {}", lines.join(", ")),
    }
}

fn returns(returns: &[Return]) -> Grid {
    let mut grid = Grid::new([
        column("RMA"),
        column("STATE").wrap(),
        column("LINES").wrap(),
        column("CONDITION").optional().spare(),
        column("DISPOSITION").optional().spare(),
        column("WHY").optional().wrap(),
    ]);
    for one in returns {
        let lines = one.lines.iter().map(|line| {
            let quantity = |text: &str| if text.is_empty() { "0".to_owned() } else { text.into() };
            let received = quantity(&line.received_quantity);
            let announced = quantity(&line.initiated_quantity);
            format!("line {}: {received} of {announced}", line.line_id)
        });
        grid.row([
            if one.rma.is_empty() { "-".to_owned() } else { one.rma.clone() },
            one.state.clone(),
            lines.collect::<Vec<_>>().join(", "),
            one.condition.clone(),
            one.disposition.clone(),
            reason_text(one.reason.as_ref()),
        ]);
    }
    grid
}

fn cancel_requests(order: &Order) -> Grid {
    let mut grid = Grid::new([
        column("REQUEST"),
        column("STATE"),
        column("BY").optional().spare(),
        column("WHY").optional().wrap(),
        column("ANSWER").optional().wrap(),
        column("EVENTS").wrap().spare(),
    ]);
    for request in &order.cancel_requests {
        let id = &request.request_id;
        grid.row([
            if id.is_empty() { "-".to_owned() } else { id.clone() },
            request.state.clone(),
            request.requested_by.clone(),
            reason_text(request.reason.as_ref()),
            reason_text(request.answer_reason.as_ref()),
            offsets_text(&request.offsets),
        ]);
    }
    grid
}

fn claims(order: &Order, all: bool) -> Grid {
    let mut grid = Grid::new([
        column("STATUS"),
        column("SOURCE").wrap(),
        column("CLAIMS").wrap(),
        column("FACTS").wrap(),
        column("AGREEMENT").optional().spare(),
        column("AS OF").spare(),
        column("EVENT").spare(),
    ]);
    let wanted = |claim: &&Claim| all || claim.agreement() == Agreement::Contradicts;
    for claim in order.claims.iter().filter(wanted) {
        let agreement = if all {
            enum_word("AGREEMENT_", claim.agreement().as_str_name())
        } else {
            String::new()
        };
        grid.row([
            enum_word("STATUS_DIMENSION_", claim.dimension().as_str_name()),
            claim.source.clone(),
            claimed(claim),
            counted(claim),
            agreement,
            seconds_text(claim.as_of.as_ref()),
            format!("#{}", claim.offset),
        ]);
    }
    grid
}

fn counted(claim: &Claim) -> String {
    let counted = claim.quantities.iter().map(|one| format!("{} {}", one.counter, one.counted));
    if claim.quantities.is_empty() {
        claim.facts.clone()
    } else {
        counted.collect::<Vec<_>>().join(", ")
    }
}

fn claimed(claim: &Claim) -> String {
    if !claim.quantities.is_empty() {
        let told = |one: &ClaimedQuantity| {
            format!("line {}: {} {}", one.line_id, one.counter, one.claimed)
        };
        return claim.quantities.iter().map(told).collect::<Vec<_>>().join(", ");
    }
    let range = joined([claim.low.as_str(), &claim.high], " .. ");
    let value = if claim.value.is_empty() { range } else { claim.value.clone() };
    match (value.is_empty(), claim.code.is_empty()) {
        (true, _) => claim.code.clone(),
        (false, true) => value,
        (false, false) => format!("{value} ({})", claim.code),
    }
}

fn corrections(order: &Order) -> Grid {
    let mut grid = Grid::new([
        column("WRONG EVENT").wrap(),
        column("HOW").wrap(),
        column("SAID BY"),
        column("").optional(),
    ]);
    for correction in &order.corrections {
        let target = match correction.target_offset {
            Some(offset) => format!("#{offset}"),
            None => "not here yet".to_owned(),
        };
        let name = joined([correction.target_source.as_str(), &correction.target_event_id], " ");
        let kind = enum_word("CORRECTION_KIND_", correction.kind().as_str_name());
        let undone = if correction.undone { "undone" } else { "" };
        grid.row([
            format!("{name} ({target})"),
            kind.replace('_', " "),
            format!("#{}", correction.offset),
            undone.to_owned(),
        ]);
    }
    grid
}

fn related(order: &Order) -> Grid {
    let mut grid = Grid::new([column("RELATION"), column("ORDER").wrap(), column("EVENT")]);
    for related in &order.related_orders {
        let relation = enum_word("ORDER_RELATION_KIND_", related.relation().as_str_name());
        let order = related.correlation_id.clone();
        grid.row([relation.replace('_', " "), order, format!("#{}", related.offset)]);
    }
    grid
}

fn anomalies(order: &Order) -> Grid {
    let mut grid = Grid::new([
        column("CLASS"),
        column("RULE"),
        column("EXPLANATION").wrap(),
        column("EVENTS").wrap().spare(),
    ]);
    for anomaly in &order.anomalies {
        let told = [anomaly.name.as_str(), &anomaly.explanation];
        let explanation = told.into_iter().rfind(|text| !text.is_empty()).unwrap_or_default();
        grid.row([
            enum_word("ANOMALY_CLASS_", anomaly.class().as_str_name()),
            anomaly.rule.clone(),
            explanation.to_owned(),
            offsets_text(&anomaly.offsets),
        ]);
    }
    grid
}

fn milestones(order: &Order) -> Grid {
    let mut grid = Grid::new([
        column("MILESTONE").wrap(),
        column("FIRST"),
        column("COMPLETED").spare(),
        column("EVENT").spare(),
    ]);
    let at = |time: Option<&MilestoneTime>| {
        let time =
            time.map(|time| seconds_text(time.occurred_at.as_ref().or(time.recorded_at.as_ref())));
        time.unwrap_or_default()
    };
    for milestone in &order.milestones {
        let first = milestone.first.as_ref();
        let name = if milestone.implied { "implied".to_owned() } else { at(first) };
        let offset = first.map(|first| format!("#{}", first.offset)).unwrap_or_default();
        grid.row([milestone.name.clone(), name, at(milestone.completed.as_ref()), offset]);
    }
    grid
}

fn references(order: &Order, all: bool) -> Grid {
    let mut grid = Grid::new([
        column("TYPE").wrap(),
        column("VALUE").wrap(),
        column("ISSUER").optional().wrap(),
        column("FIRST SEEN").spare(),
        column("LAST SEEN").spare(),
    ]);
    let shown = if all { order.references.len() } else { SHOWN_REFERENCES };
    for held in order.references.iter().take(shown) {
        let reference = held.reference.clone().unwrap_or_default();
        let first = seconds_text(held.first_at.as_ref());
        let last = seconds_text(held.last_at.as_ref());
        grid.row([reference.r#type, reference.value, reference.issuer, first, last]);
    }
    if let more @ 1.. = order.references.len().saturating_sub(shown) {
        grid.note(&format!("{more} more; --all shows them"));
    }
    grid
}
