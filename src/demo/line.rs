//! An order line, its goods and what was done with them so far. Quantities are thousandths of the
//! item's unit. Does not know the order around it.

use super::items::{ITEMS, Item};
use super::odds;
use super::random::Random;
use crate::num::{u64_from, usize_from};
use crate::proto;

/// An order line. Quantities are thousandths of the item's unit.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) item: &'static Item,
    pub(super) ordered: i64,
    /// Of the release at hand: to be picked.
    pub(super) wanted: i64,
    /// Of the release at hand: picked, packed and shipped.
    pub(super) picked: i64,
    /// To follow with another release.
    pub(super) backordered: i64,
    /// Given up by the release at hand.
    pub(super) short_closed: i64,
}

impl Line {
    pub(super) fn drawn(place: u64, random: &mut Random) -> Self {
        let item = random.one_of(&ITEMS);
        let steps = if random.happens(odds::SMALLEST_QUANTITY) { 1 } else { random.between(1, 13) };
        Self::of(usize_from(place * 10), item, steps * item.step)
    }

    pub(super) fn of(number: usize, item: &'static Item, ordered: i64) -> Self {
        Self { number, item, ordered, wanted: ordered, picked: 0, backordered: 0, short_closed: 0 }
    }

    pub(super) fn id(&self) -> String {
        self.number.to_string()
    }

    pub(super) fn picked_by_robot(&self) -> bool {
        self.item.zone == "D"
    }

    /// The bin that the item is kept in.
    pub(super) fn bin(&self) -> String {
        let place = u64_from(self.item.sku.len()) + self.item.price_minor.unsigned_abs();
        format!("{}-{:02}-{:02}", self.item.zone, 1 + place % 24, 1 + place % 7)
    }

    /// The lot that is picked from at present, for items that have lots.
    pub(super) fn lot(&self) -> String {
        if self.item.has_lots { format!("L{}", self.item.price_minor % 97) } else { String::new() }
    }

    /// What that much of the line costs, in minor units.
    pub(super) fn price_minor(&self, quantity_milli: i64) -> i64 {
        self.item.price_minor * quantity_milli / 1_000
    }

    /// The line as an event names it, with the quantity that it moves.
    pub(super) fn moved(&self, quantity_milli: i64) -> proto::Line {
        proto::Line {
            line_id: self.id(),
            sku: self.item.sku.to_owned(),
            quantity: decimal(quantity_milli),
            unit: self.item.unit.to_owned(),
            ..proto::Line::default()
        }
    }
}

/// Thousandths as an exact decimal.
pub(super) fn decimal(milli: i64) -> String {
    let sign = if milli < 0 { "-" } else { "" };
    let (whole, rest) = (milli.unsigned_abs() / 1_000, milli.unsigned_abs() % 1_000);
    match rest {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{rest:03}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_exact_and_without_idle_zeros() {
        for (milli, text) in [(0, "0"), (4_000, "4"), (-12_500, "-12.5"), (31_005, "31.005")] {
            assert_eq!(decimal(milli), text);
        }
    }
}
