//! Quantities as people read them: exact decimals, added and compared. Does not know units.

use crate::proto::LineQuantity;

/// Digits behind the point that are kept.
const FRACTION_DIGITS: usize = 15;
const ONE: i128 = 1_000_000_000_000_000;

/// An exact decimal, 0 where the text is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(i128);

impl Quantity {
    pub(super) fn of(text: &str) -> Self {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction: String = fraction.chars().take(FRACTION_DIGITS).collect();
        let fraction = format!("{fraction:0<FRACTION_DIGITS$}");
        let whole = whole.parse::<i128>().unwrap_or(0).saturating_mul(ONE);
        Self(whole.saturating_add(fraction.parse().unwrap_or(0)).saturating_mul(sign))
    }

    /// What was told and what is implied beyond it.
    pub(super) fn total(quantity: Option<&LineQuantity>) -> Self {
        quantity.map_or(Self(0), |quantity| {
            Self::of(&quantity.quantity).plus(Self::of(&quantity.implied_quantity))
        })
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// How many of so many cells stand for this part of a whole. A part that is more than nothing
    /// has a cell, and one that is less than the whole does not have them all.
    pub(super) fn cells(self, whole: Self, cells: usize) -> usize {
        let count = i128::try_from(cells).unwrap_or(0);
        if self.0 <= 0 || whole.0 <= 0 {
            return 0;
        }
        if self >= whole {
            return cells;
        }
        let share = self.0.saturating_mul(count) / whole.0;
        usize::try_from(share.clamp(1, count.saturating_sub(1).max(1))).unwrap_or(0)
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.unsigned_abs() / ONE.unsigned_abs(), {
            format!("{:0FRACTION_DIGITS$}", self.0.unsigned_abs() % ONE.unsigned_abs())
        });
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(formatter, "{sign}{whole}{point}{fraction}")
    }
}

/// A quantity as a cell: `7`, and `7*` where a part of it is implied by later events.
pub(super) fn quantity_text(quantity: Option<&LineQuantity>) -> String {
    quantity.map_or_else(String::new, |told| {
        let mark = if told.implied_quantity.is_empty() { "" } else { "*" };
        if mark.is_empty() {
            return told.quantity.clone();
        }
        format!("{}{mark}", Quantity::total(quantity))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact_decimals() {
        for text in ["0", "7", "-7", "0.5", "-0.25", "12345678901234567890.000001"] {
            assert_eq!(Quantity::of(text).to_string(), text);
        }
        assert_eq!(Quantity::of("0.1").plus(Quantity::of("0.2")).to_string(), "0.3");
        assert_eq!(Quantity::of("nonsense"), Quantity::default());
        let told = |quantity: &str, implied: &str| LineQuantity {
            quantity: quantity.into(),
            implied_quantity: implied.into(),
            offsets: Vec::new(),
        };
        assert_eq!(quantity_text(Some(&told("3", "4"))), "7*");
        assert_eq!(quantity_text(Some(&told("", "4"))), "4*");
        assert_eq!(quantity_text(Some(&told("3", ""))), "3");
        assert_eq!(quantity_text(None), "");
    }

    #[test]
    fn cells_show_the_least_and_never_too_much() {
        let cells = |part, whole| Quantity::of(part).cells(Quantity::of(whole), 10);
        assert_eq!(cells("0", "10"), 0);
        assert_eq!(cells("1", "1000"), 1);
        assert_eq!(cells("999", "1000"), 9);
        assert_eq!(cells("1000", "1000"), 10);
        assert_eq!(cells("-3", "10"), 0);
        assert_eq!(cells("3", "0"), 0);
    }
}
