//! Exact decimals: what quantities are added in. Never floating point, never rounded.
//! Does not know units.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

/// Millionths in one: the wire allows six fraction digits.
const SCALE: i128 = 1_000_000;

/// Millionths in the last digit, by the number of fraction digits.
const SCALES: [i128; 7] = [SCALE, 100_000, 10_000, 1_000, 100, 10, 1];

/// An exact decimal in millionths. A value of the wire has 18 digits; so many can be added that no
/// log holds them before 128 bits overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Quantity(i128);

impl Quantity {
    pub(crate) const ZERO: Self = Self(0);

    /// The quantity of text that the event check has accepted; `None` for empty text.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        // 64 bits hold the 18 digits of the wire; only the scale needs more.
        let (mut value, mut fraction_digits, mut in_fraction) = (0_u64, 0_usize, false);
        for byte in digits.bytes() {
            match byte {
                b'0'..=b'9' if fraction_digits < 6 => {
                    value = value.checked_mul(10)?.checked_add((byte - b'0').into())?;
                    fraction_digits += usize::from(in_fraction);
                }
                b'.' if !in_fraction => in_fraction = true,
                _ => return None,
            }
        }
        let scale = SCALES.get(fraction_digits).copied().unwrap_or(1);
        let millionths = i128::from(value).checked_mul(scale)?;
        let found = Self(if negative { -millionths } else { millionths });
        (!digits.is_empty()).then_some(found)
    }

    /// This many times `ratio`, to the nearest millionth: the one place where a quantity may be
    /// rounded, for the wire can say ratios that no quantity can. `None` where it is too large.
    pub(crate) fn times(self, ratio: Self) -> Option<Self> {
        let product = self.0.checked_mul(ratio.0)?;
        let half = if product < 0 { -SCALE / 2 } else { SCALE / 2 };
        Some(Self(product.checked_add(half)? / SCALE))
    }

    /// As few digits as say it exactly.
    pub(crate) fn text(self) -> String {
        match u64::try_from(self.0) {
            Ok(small) if small % 1_000_000 == 0 => (small / 1_000_000).to_string(),
            Ok(_) | Err(_) => self.to_string(),
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// This, but not below zero.
    pub(crate) fn or_zero(self) -> Self {
        self.max(Self::ZERO)
    }
}

impl fmt::Display for Quantity {
    /// As few digits as say it exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        // Dividing 128 bits is slow; few quantities need them.
        let (whole, mut fraction) = match u64::try_from(self.0.abs()) {
            Ok(small) => ((small / 1_000_000).into(), (small % 1_000_000).into()),
            Err(_) => (self.0.abs() / SCALE, self.0.abs() % SCALE),
        };
        if let (0, Ok(whole)) = (fraction, u64::try_from(whole)) {
            return write!(f, "{sign}{whole}");
        }
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let mut width = 6;
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        write!(f, "{sign}{whole}.{fraction:0width$}")
    }
}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Quantity {
        Quantity::of(text).unwrap()
    }

    #[test]
    fn decimals_are_read_and_written_exactly() {
        for text in ["0", "10", "-3", "0.000001", "-0.5", "999999999999.999999", "1.25"] {
            assert_eq!(of(text).to_string(), text);
        }
        assert_eq!(of("007.500").to_string(), "7.5");
        assert_eq!(of("-0").to_string(), "0");
        assert_eq!([Quantity::of(""), Quantity::of("-"), Quantity::of("1.2.3")], [None; 3]);
    }

    #[test]
    fn a_tenth_ten_times_is_one() {
        let sum: Quantity = std::iter::repeat_n(of("0.1"), 10).sum();
        assert_eq!(sum, of("1"));
    }

    #[test]
    fn a_product_is_exact_to_the_last_digit_that_a_quantity_has() {
        assert_eq!(of("10").times(of("0.25")), Some(of("2.5")));
        assert_eq!(of("0.000001").times(of("0.5")), Some(of("0.000001")));
        assert_eq!(of("-0.000007").times(of("0.5")), Some(of("-0.000004")));
    }
}
