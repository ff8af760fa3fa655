//! An order as a page for people: what it is first, then what stands in its way, then its proof.
//! Does not know where the order comes from.

use std::io::{self, Write};

use super::{lines, sections};
use crate::cli::grid::{Grid, column, cut};
use crate::cli::output::{bold, clean, seconds_text, shows_unicode};
use crate::proto::{DateValue, DimensionStatus, EventSummary, Order};

/// Writes a page: with all there is, or with what is open.
pub(super) fn write(
    out: &mut impl Write,
    order: &Order,
    (basis, all): (u64, bool),
    width: Option<usize>,
) -> io::Result<()> {
    let head = format!("  revision {}, basis {basis}", order.revision);
    let room = width.map(|width| width.saturating_sub(head.len()).max(8));
    writeln!(out, "{}{head}", bold(&cut(&clean(&order.correlation_id), room)))?;
    header(order).write(out, width)?;
    section(out, ("", &dimensions(order)), width)?;
    if !order.lines.is_empty() {
        writeln!(out, "\n{}", bold("lines"))?;
        lines::write(out, &order.lines, width, shows_unicode())?;
    }
    for (title, grid) in sections::all(order, all) {
        section(out, (title, &grid), width)?;
    }
    Ok(())
}

fn section(
    out: &mut impl Write,
    (title, grid): (&str, &Grid),
    width: Option<usize>,
) -> io::Result<()> {
    if grid.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    if !title.is_empty() {
        writeln!(out, "{}", bold(&cut(title, width)))?;
    }
    grid.write(out, width)
}

fn header(order: &Order) -> Grid {
    let mut grid = Grid::new([column(""), column("").wrap()]);
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            grid.row([name.to_owned(), value]);
        }
    };
    if order.event_count != order.revision {
        row("made of", format!("{} events", order.event_count));
    }
    row("first event", order.first_event.as_ref().map(event_text).unwrap_or_default());
    row("last event", order.last_event.as_ref().map(event_text).unwrap_or_default());
    let sources = order.source_counts.iter();
    let sources: Vec<String> =
        sources.map(|source| format!("{} ({})", source.source, source.count)).collect();
    row("sources", sources.join(", "));
    row("party", order.party_id.as_ref().map(|party| party.value.clone()).unwrap_or_default());
    row("ship by", promise(order.promised_ship_by.as_ref(), order.requested_ship_by.as_ref()));
    let deliver = promise(order.promised_deliver_by.as_ref(), order.requested_deliver_by.as_ref());
    row("deliver by", deliver);
    row("expected", date_text(order.expected_at.as_ref()));
    grid
}

fn event_text(event: &EventSummary) -> String {
    let occurred = seconds_text(event.occurred_at.as_ref());
    let recorded = seconds_text(event.recorded_at.as_ref());
    let occurred = if occurred.is_empty() { "an unknown time".to_owned() } else { occurred };
    format!("{} at {occurred}, recorded {recorded}, #{}", event.r#type, event.offset)
}

fn promise(promised: Option<&DateValue>, requested: Option<&DateValue>) -> String {
    let named = [("promised", promised), ("requested", requested)];
    let said = named
        .iter()
        .filter_map(|(name, date)| date.map(|_| format!("{} {name}", date_text(*date))));
    said.collect::<Vec<_>>().join(", ")
}

fn date_text(date: Option<&DateValue>) -> String {
    date.map(|date| format!("{} (#{})", seconds_text(date.value.as_ref()), date.offset))
        .unwrap_or_default()
}

fn dimensions(order: &Order) -> Grid {
    let mut grid = Grid::new([
        column("STATUS"),
        column("").wrap(),
        column("FROM .. TO").optional().wrap(),
        column("SINCE").spare(),
    ]);
    let sides = [
        ("commercial", &order.commercial),
        ("fulfillment", &order.fulfillment),
        ("shipment", &order.shipment),
        ("exception", &order.exception),
        ("return", &order.return_status),
    ];
    for (name, side) in sides {
        if let Some(side) = side {
            let since = seconds_text(side.since.as_ref());
            grid.row([name.to_owned(), side.word.clone(), range(side), since]);
        }
    }
    grid
}

fn range(side: &DimensionStatus) -> String {
    if side.low == side.high { String::new() } else { format!("{} .. {}", side.low, side.high) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::grid::columns_of;
    use crate::proto;

    #[expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]
    fn time(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds: 1_774_000_000 + seconds, nanos: 5 })
    }

    fn hold(id: &str, open: bool) -> proto::Hold {
        proto::Hold {
            hold_id: id.into(),
            kind: "credit".into(),
            scope: "order".into(),
            blocks: vec![proto::HoldBlock::Ship.into()],
            open,
            placed_at: time(5),
            released_at: if open { None } else { time(9) },
            offsets: vec![2, 4],
            ..Default::default()
        }
    }

    fn order() -> Order {
        let event = |kind: &str| EventSummary {
            r#type: kind.into(),
            occurred_at: time(0),
            recorded_at: time(60),
            ..Default::default()
        };
        Order {
            correlation_id: "erp/\u{1b}7".into(),
            revision: 9,
            event_count: 9,
            first_event: Some(event("order.created")),
            last_event: Some(event("shipment.confirmed")),
            source_counts: vec![proto::SourceCount { source: "wms:dc1".into(), count: 9 }],
            fulfillment: Some(DimensionStatus {
                low: "released".into(),
                high: "shipped".into(),
                word: "partially_shipped".into(),
                since: time(90),
                offsets: vec![3],
            }),
            lines: vec![proto::OrderLine { line_id: "10".into(), ..Default::default() }],
            packages: vec![proto::Package { stage: "planned".into(), ..Default::default() }],
            holds: vec![hold("h-open", true), hold("h-closed", false)],
            anomalies: vec![proto::Anomaly {
                rule: "R04".into(),
                class: proto::AnomalyClass::Violation.into(),
                explanation: "line 10: 12 shipped, 10 ordered, and nobody changed the order".into(),
                offsets: (0..9).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn page(all: bool, width: Option<usize>) -> String {
        let mut out = Vec::new();
        write(&mut out, &order(), (77, all), width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_says_what_there_is_and_nothing_else() {
        let text = page(false, None);
        for said in [
            "erp/\u{fffd}7  revision 9, basis 77",
            "order.created at 2026-",
            "released .. shipped",
            "h-open",
            "blocks ship",
            "1 hold closed; --all shows them",
            "violation",
            "#5, and 3 more",
        ] {
            assert!(text.contains(said), "{said} in\n{text}");
        }
        for left_out in ["returns", "corrections", "related orders", "references", "h-closed"] {
            assert!(!text.contains(left_out), "{left_out} in\n{text}");
        }
        assert!(page(true, None).contains("h-closed"));
    }

    #[test]
    fn a_page_keeps_its_width() {
        for width in [30, 60, 80, 100] {
            for line in page(true, Some(width)).lines() {
                assert!(columns_of(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn an_order_of_which_nothing_is_known_has_a_page_too() {
        let mut out = Vec::new();
        write(&mut out, &Order::default(), (0, true), Some(80)).unwrap();
        assert!(!out.is_empty());
    }
}
