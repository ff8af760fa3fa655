//! Parcels and pallets and their numbers. Does not know where they are.

use super::customers::Carrier;
use super::random::Random;
use crate::proto;

/// A parcel, or a pallet that may hold goods of several orders.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) carton_id: String,
    pub(super) sscc: String,
    pub(super) tracking_number: String,
    /// Whether other orders may be on it.
    pub(super) shared: bool,
    /// Numbers of the lines in it.
    pub(super) lines: Vec<usize>,
}

impl Package {
    pub(super) fn drawn(
        mut digits: Random,
        carrier: &Carrier,
        shared: bool,
        lines: Vec<usize>,
    ) -> Self {
        let kind = if shared { "PAL" } else { "CTN" };
        let serial = digits.below(1_000_000_000);
        Self {
            carton_id: format!("{kind}-{:05}", serial % 100_000),
            sscc: sscc(serial),
            tracking_number: format!("{}{:012}", carrier.mark, digits.below(1 << 39)),
            shared,
            lines,
        }
    }

    /// What the carrier calls the package by.
    pub(super) fn tracked_by(&self, carrier: &Carrier) -> proto::PackageDetails {
        proto::PackageDetails {
            tracking_number: self.tracking_number.clone(),
            carrier: carrier.code.to_owned(),
            service: carrier.service.to_owned(),
            ..proto::PackageDetails::default()
        }
    }
}

/// A serial shipping container code of the distributor, with its check digit (GS1 General
/// Specifications: digits weighted 3 and 1 in turn from the right, up to the next ten).
fn sscc(serial: u64) -> String {
    let digits = format!("34000001{serial:09}");
    let check_digit = check_digit(&digits);
    format!("{digits}{check_digit}")
}

fn check_digit(digits: &str) -> u32 {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { 3 * digit } else { digit })
        .sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sscc_has_18_digits_and_the_check_digit_of_gs1() {
        assert_eq!(check_digit("37610425002123456"), 9);
        assert_eq!(sscc(0).len(), 18);
    }
}
