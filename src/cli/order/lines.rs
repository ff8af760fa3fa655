//! The lines of an order as a table, each with a bar of its quantities. Does not know the rest of
//! the order.

use std::io::{self, Write};

use crate::cli::grid::{Grid, column};
use crate::cli::quantity::{Quantity, quantity_text};
use crate::proto::{LineQuantity, OrderLine};

/// Cells of a bar.
const CELLS: usize = 10;

/// The signs of a bar: shipped, picked or packed, released or allocated, open.
const SIGNS: [char; 4] = ['\u{2588}', '\u{2593}', '\u{2592}', '\u{2591}'];
/// The same where the locale has none of these.
const PLAIN_SIGNS: [char; 4] = ['#', '=', '-', '.'];

/// Writes the lines, their legend and what is to say about them.
pub(super) fn write(
    out: &mut impl Write,
    lines: &[OrderLine],
    width: Option<usize>,
    unicode: bool,
) -> io::Result<()> {
    let signs = if unicode { SIGNS } else { PLAIN_SIGNS };
    let mut grid = Grid::new([
        column("LINE"),
        column("SKU").wrap(),
        column("PROGRESS").spare(),
        column("ORDERED").right(),
        column("PICKED").right(),
        column("SHIPPED").right(),
        column("DELIVERED").right(),
        column("OPEN").right(),
        column("UNIT").optional().spare(),
        column("WORD").wrap(),
    ]);
    for line in lines {
        grid.row(cells(line, signs));
        let asides = asides(line);
        if !asides.is_empty() {
            grid.note(&format!("      {asides}"));
        }
    }
    grid.write(out, width)?;
    let names = ["shipped", "picked or packed", "released or allocated", "open"];
    let legend: Vec<String> =
        signs.iter().zip(names).map(|(sign, name)| format!("{sign} {name}")).collect();
    let mut notes = Grid::new([column("").wrap()]);
    notes.row([legend.join("  ")]);
    if lines.iter().any(has_implied) {
        notes.row(["* implied by later events".to_owned()]);
    }
    notes.write(out, width)
}

fn cells(line: &OrderLine, signs: [char; 4]) -> [String; 10] {
    let ordered = match &line.ordered {
        None if line.demand_inferred => format!("{}*", line.demand),
        ordered => quantity_text(ordered.as_ref()),
    };
    let word = [&line.fulfillment, &line.commercial].into_iter().flatten();
    let word = word.map(|status| status.word.clone()).find(|word| !word.is_empty());
    [
        if line.line_id.is_empty() { "-".to_owned() } else { line.line_id.clone() },
        line.sku.clone(),
        bar(line, signs),
        ordered,
        quantity_text(line.picked.as_ref()),
        quantity_text(line.shipped.as_ref()),
        quantity_text(line.delivered.as_ref()),
        line.open_quantity.clone(),
        line.unit.clone(),
        word.unwrap_or_default(),
    ]
}

/// What has become of what is shipped and what still has to be.
fn bar(line: &OrderLine, signs: [char; 4]) -> String {
    let most = |quantities: &[&Option<LineQuantity>]| {
        let totals = quantities.iter().map(|quantity| Quantity::total(quantity.as_ref()));
        totals.max().unwrap_or_default()
    };
    let shipped = most(&[&line.shipped]).max(Quantity::default());
    let whole = shipped.plus(Quantity::of(&line.open_quantity));
    let picked = most(&[&line.picked, &line.packed, &line.staged, &line.loaded]).max(shipped);
    let released = most(&[&line.released, &line.allocated, &line.tasked]).max(picked);
    if whole <= Quantity::default() {
        return String::new();
    }
    let mut bar = String::new();
    let mut used = 0;
    let [shipped, picked, released] =
        [shipped, picked, released].map(|part| part.cells(whole, CELLS));
    for (sign, until) in signs.into_iter().zip([shipped, picked, released, CELLS]) {
        bar.extend(std::iter::repeat_n(sign, until.saturating_sub(used)));
        used = used.max(until);
    }
    bar
}

/// Quantities that are out of the ordinary, in a few words.
fn asides(line: &OrderLine) -> String {
    let quantities = [
        ("cancelled", &line.cancelled),
        ("substituted", &line.substituted_out),
        ("split off", &line.split_out),
        ("short", &line.short),
        ("backordered", &line.backordered),
        ("closed short", &line.short_closed),
        ("returned", &line.returned),
        ("credited", &line.credited),
    ];
    let told = quantities.into_iter().filter_map(|(name, quantity)| {
        let text = quantity_text(quantity.as_ref());
        (!text.is_empty() && text != "0").then(|| format!("{name} {text}"))
    });
    let parent = Some(&line.parent_line_id).filter(|parent| !parent.is_empty());
    let parent = parent.map(|parent| format!("from line {parent}"));
    let uncounted = line.uncounted.iter().map(|one| {
        format!("not counted: {} {} {} (#{})", one.counter, one.quantity, one.unit, one.offset)
    });
    parent.into_iter().chain(told).chain(uncounted).collect::<Vec<_>>().join(", ")
}

fn has_implied(line: &OrderLine) -> bool {
    let shown = [&line.ordered, &line.picked, &line.shipped, &line.delivered];
    let implied = shown.iter().any(|quantity| {
        quantity.as_ref().is_some_and(|quantity| !quantity.implied_quantity.is_empty())
    });
    implied || (line.ordered.is_none() && line.demand_inferred)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]
    fn told(quantity: &str, implied: &str) -> Option<LineQuantity> {
        let (quantity, implied_quantity) = (quantity.to_owned(), implied.to_owned());
        Some(LineQuantity { quantity, implied_quantity, offsets: Vec::new() })
    }

    fn line() -> OrderLine {
        OrderLine {
            line_id: "10".into(),
            sku: "A-7".into(),
            unit: "EA".into(),
            demand: "10".into(),
            open_quantity: "6".into(),
            ordered: told("12", ""),
            cancelled: told("2", ""),
            released: told("8", ""),
            picked: told("3", "4"),
            shipped: told("4", ""),
            ..Default::default()
        }
    }

    fn text(unicode: bool, width: usize) -> String {
        let mut out = Vec::new();
        write(&mut out, &[line()], Some(width), unicode).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_shows_its_quantities_and_a_bar_of_them() {
        let page = text(true, 100);
        assert!(page.contains("\u{2588}\u{2588}\u{2588}\u{2588}\u{2593}\u{2593}\u{2593}\u{2592}"));
        assert!(text(false, 100).contains("####===-.."), "{}", text(false, 100));
        assert!(page.contains(" 7* ") && page.contains("* implied by later events"), "{page}");
        assert!(page.contains("cancelled 2"), "{page}");
    }

    #[test]
    fn a_narrow_page_keeps_its_width() {
        for width in [20, 40, 60, 80] {
            for line in text(true, width).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn nothing_to_ship_has_no_bar() {
        assert_eq!(bar(&OrderLine::default(), PLAIN_SIGNS), "");
        let all = OrderLine { shipped: told("3", ""), ..Default::default() };
        assert_eq!(bar(&all, PLAIN_SIGNS), "##########");
    }
}
