//! When facts occurred, as exactly as their sources said, and the order that follows from it.
//! Does not know what a fact does, beyond whether it ends or takes back another.
//!
//! A time is an interval: a date is all of its day. A finding needs proof, so the end of the
//! earlier fact has to lie before the beginning of the later one; what ends or takes back something
//! gets the benefit of the doubt, so it has its place at the end of its interval.

use std::cmp::{Ordering, Reverse};

use super::authority::authority;
use super::moves::{Move, move_of};
use super::policy::Policy;
use crate::event::{Fact, Kind, path};
use crate::time::NANOS_PER_SECOND;

/// Number of the precision of which nothing can be derived.
pub(crate) const UNKNOWN: u64 = 6;

/// The end of the interval in which a fact may have occurred.
pub(crate) fn until_ns(fact: &Fact<'_>) -> i64 {
    let seconds = match fact.precision {
        2 => 1,
        3 => 60,
        4 => 3_600,
        5 => 86_400,
        _ => 0,
    };
    fact.at_ns.saturating_add(seconds * NANOS_PER_SECOND)
}

/// Why the time of a fact is not plausible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It is earlier than anything can have been.
    Early { earliest_ns: i64 },
    /// It is earlier than the order.
    BeforeOrder { created_ns: i64 },
    /// It is later than the time at which it was recorded.
    Future { recorded_ns: i64 },
}

/// Between which times anything can have occurred.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    earliest_ns: i64,
    skew_ns: i64,
}

impl Times {
    pub(crate) fn of(policy: &Policy) -> Self {
        Self {
            earliest_ns: policy.earliest_plausible_seconds.saturating_mul(NANOS_PER_SECOND),
            skew_ns: i64::from(policy.clock_skew_seconds).saturating_mul(NANOS_PER_SECOND),
        }
    }

    /// What is wrong with the time of a fact, whatever the other facts say.
    pub(crate) fn doubt(self, fact: &Fact<'_>) -> Option<Doubt> {
        let recorded_ns = crate::time::signed(fact.recorded.recorded_at_ns);
        if fact.at_ns > recorded_ns.saturating_add(self.skew_ns) {
            return Some(Doubt::Future { recorded_ns });
        }
        let earliest_ns = self.earliest_ns;
        (fact.at_ns < earliest_ns).then_some(Doubt::Early { earliest_ns })
    }

    /// By which time a fact is placed. One that is not believed says nothing: what begins something
    /// stands before all, what ends something behind all.
    fn placed_ns(self, fact: &Fact<'_>) -> i64 {
        let is_last = takes_back(fact) || is_whole(fact);
        match (is_last, self.doubt(fact)) {
            (false, None) => fact.at_ns,
            (true, None) => until_ns(fact),
            (false, Some(_)) => i64::MIN,
            (true, Some(_)) => i64::MAX,
        }
    }

    /// Whether a fact occurred before a time for certain, whatever the clocks.
    pub(crate) fn is_before(self, fact: &Fact<'_>, ns: i64) -> bool {
        fact.precision != UNKNOWN && until_ns(fact).saturating_add(self.skew_ns) < ns
    }
}

/// The order of facts: by time, then by what the producers said and nothing that the ledger added,
/// so that any arrival gives the same. At one time the owner of a kind of fact has the last word,
/// and what is taken back comes after what it takes back.
pub(crate) fn compare(one: &Fact<'_>, other: &Fact<'_>, times: Times) -> Ordering {
    let rank = |fact: &Fact<'_>| Reverse(authority(fact.source, fact.group()));
    let order = |fact: &Fact<'_>| fact.recorded.event.correlation_id().to_owned();
    times
        .placed_ns(one)
        .cmp(&times.placed_ns(other))
        .then_with(|| rank(one).cmp(&rank(other)))
        .then_with(|| Natural(one.sequence).cmp(&Natural(other.sequence)))
        .then_with(|| takes_back(one).cmp(&takes_back(other)))
        .then_with(|| Natural(one.event_id).cmp(&Natural(other.event_id)))
        .then_with(|| one.source.cmp(other.source))
        .then_with(|| order(one).cmp(&order(other)))
}

/// Whether a fact ends or takes back what another one began.
fn takes_back(fact: &Fact<'_>) -> bool {
    matches!(move_of(fact.kind), Some(Move::Take(_)))
        || matches!(
            fact.kind,
            Kind::EVENT_CORRECTED
                | Kind::EXCEPTION_RESOLVED
                | Kind::EXCEPTION_UPDATED
                | Kind::HOLD_RELEASED
                | Kind::LABEL_VOIDED
                | Kind::ORDER_CANCEL_REJECTED
                | Kind::ORDER_CANCELLED
                | Kind::REF_UNLINKED
                | Kind::RETURN_CANCELLED
                | Kind::RETURN_CLOSED
                | Kind::WAVE_REMOVED
        )
}

/// Whether a fact is about all that there was until then.
fn is_whole(fact: &Fact<'_>) -> bool {
    matches!(
        fact.kind,
        Kind::ORDER_RELEASED
            | Kind::INVOICE_POSTED
            | Kind::SHIPMENT_CONFIRMED
            | Kind::DELIVERY_RECEIVED
    ) && !fact.has_lines()
        || fact.kind == Kind::ORDER_LINE_CANCELLED && fact.text(path::CANCELLATION_SCOPE) == "order"
}

/// A text, compared as people count: digits by their value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Natural<'a>(pub(crate) &'a str);

impl Ord for Natural<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut one, mut two) = (self.0.as_bytes(), other.0.as_bytes());
        while let (Some(first), Some(second)) = (one.first(), two.first()) {
            let found = if first.is_ascii_digit() && second.is_ascii_digit() {
                let (digits, rest) = number(one);
                let (others, its_rest) = number(two);
                (one, two) = (rest, its_rest);
                digits.len().cmp(&others.len()).then_with(|| digits.cmp(others))
            } else {
                let found = first.cmp(second);
                (one, two) = (one.get(1..).unwrap_or_default(), two.get(1..).unwrap_or_default());
                found
            };
            if found.is_ne() {
                return found;
            }
        }
        // Leading zeros alone may tell them apart.
        one.len().cmp(&two.len()).then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Natural<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The digits that a text begins with, without leading zeros, and the rest.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.get(zeros..).unwrap_or_default(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_compared_by_value() {
        let mut texts = ["s-10", "s-9", "s-09", "10", "9", "b", "s", "", "a2b3", "a2b10", "100x"];
        texts.sort_by_key(|text| Natural(text));
        assert_eq!(
            texts,
            ["", "9", "10", "100x", "a2b3", "a2b10", "b", "s", "s-09", "s-9", "s-10"]
        );
    }
}
