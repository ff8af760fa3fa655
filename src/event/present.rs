//! What stands in the envelopes of many events, so that a filter that wants none of them is decided
//! at once. Does not know where events come from, nor who asks.

use std::collections::HashSet;

use super::filter::{Clause, Names, Said, Wanted};
use super::is_ledgers_own;

/// The values that stand in some events, each once and sorted.
#[derive(Debug, Default)]
pub(crate) struct Present<'a> {
    orders: Vec<&'a [u8]>,
    types: Vec<&'a [u8]>,
    sources: Vec<&'a [u8]>,
    warehouses: Vec<&'a [u8]>,
    has_events: bool,
}

/// The same while events are looked at.
#[derive(Debug, Default)]
pub(crate) struct Seen<'a> {
    orders: Values<'a>,
    types: Values<'a>,
    sources: Values<'a>,
    warehouses: Values<'a>,
    has_events: bool,
}

/// Values of one field. Neighbours are often alike.
#[derive(Debug, Default)]
struct Values<'a> {
    all: HashSet<&'a [u8]>,
    last: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    fn add(&mut self, value: &'a [u8]) {
        if self.last != Some(value) {
            self.last = Some(value);
            self.all.insert(value);
        }
    }

    fn sorted(self) -> Vec<&'a [u8]> {
        let mut all: Vec<&[u8]> = self.all.into_iter().collect();
        all.sort_unstable();
        all
    }
}

impl<'a> Seen<'a> {
    /// Looks at an event, given its order and its body.
    pub(crate) fn add(&mut self, correlation_id: &'a [u8], body: &'a [u8]) {
        let said = Said::in_body(body);
        self.has_events |= !is_ledgers_own(correlation_id);
        self.orders.add(correlation_id);
        self.types.add(said.event_type);
        self.sources.add(said.source);
        self.warehouses.add(said.warehouse);
    }

    pub(crate) fn present(self) -> Present<'a> {
        Present {
            orders: self.orders.sorted(),
            types: self.types.sorted(),
            sources: self.sources.sorted(),
            warehouses: self.warehouses.sorted(),
            has_events: self.has_events,
        }
    }
}

impl Present<'_> {
    /// Whether any of it is more than an entry of the ledger's own.
    pub(crate) fn has_events(&self) -> bool {
        self.has_events
    }
}

impl Wanted {
    /// Whether any of these events may be wanted. Where the answer is no, none is.
    pub(crate) fn may_want(&self, present: &Present<'_>) -> bool {
        self.clauses().iter().any(|clause| clause.may_want(present))
    }
}

impl Clause {
    fn may_want(&self, present: &Present<'_>) -> bool {
        self.types.have_any(&present.types)
            && self.orders.have_any(&present.orders)
            && self.sources.have_any(&present.sources)
            && self.warehouses.have_any(&present.warehouses)
    }
}

impl Names {
    /// Whether one of these values, which are sorted, is let through.
    fn have_any(&self, values: &[&[u8]]) -> bool {
        if self.say_nothing() {
            return true;
        }
        let is_there = |name: &[u8]| values.binary_search(&name).is_ok();
        let exact = if self.exact.len() < values.len() {
            self.exact.iter().any(|name| is_there(name))
        } else {
            values.iter().any(|value| self.exact.contains(*value))
        };
        exact
            || self.prefixes.iter().any(|prefix| {
                let at = values.partition_point(|value| *value < &**prefix);
                values.get(at).is_some_and(|value| value.starts_with(prefix))
            })
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto::{EventFilter, Location, OrderEvent};

    fn event(number: usize) -> (String, Vec<u8>) {
        let pick = |texts: &[&str], by: usize| texts[(number / by) % texts.len()].to_owned();
        let order = pick(&["erp/1", "erp/12", "shop/1"], 1);
        let location = Location { warehouse: pick(&["DC1", "DC2"], 18), ..Location::default() };
        let event = OrderEvent {
            correlation_id: order.clone(),
            source: pick(&["wms", "erp"], 3),
            r#type: pick(&["pick.confirmed", "hold.placed", "picked"], 6),
            location: Some(location),
            ..OrderEvent::default()
        };
        (order, event.encode_to_vec())
    }

    fn some(number: usize, values: &[&str]) -> Vec<String> {
        match number % (values.len() + 1) {
            0 => Vec::new(),
            at => vec![values[at - 1].to_owned()],
        }
    }

    /// Seen red with a prefix that is looked for at the value before it, and with values that are
    /// not sorted.
    #[test]
    fn a_filter_that_wants_an_event_may_want_each_part_of_the_log_that_has_it() {
        let events: Vec<_> = (0..36).map(event).collect();
        let (mut ruled_out, mut wanted_none) = (0, 0);
        for number in 0..2_000 {
            let filter = EventFilter {
                types: some(number, &["pick.*", "hold.placed", "return.*"]),
                sources: some(number / 4, &["wms", "erp", "tms"]),
                correlation_ids: some(number / 16, &["erp/1", "shop/9"]),
                correlation_id_prefixes: some(number / 48, &["erp/1", "shop", "z"]),
                warehouses: some(number / 192, &["DC2"]),
                ..EventFilter::default()
            };
            let Ok(Some(wanted)) = Wanted::of(&[filter], 100, false) else { continue };
            for part in events.chunks(1 + number % 7) {
                let mut seen = Seen::default();
                for (order, body) in part {
                    seen.add(order.as_bytes(), body);
                }
                let may = wanted.may_want(&seen.present());
                let wants = part.iter().any(|(order, body)| wanted.wants(order.as_bytes(), body));
                assert!(may || !wants, "{wanted:?} wants one of {part:?}");
                ruled_out += usize::from(!may);
                wanted_none += usize::from(!wants);
            }
        }
        assert!(ruled_out * 10 > wanted_none * 8, "{ruled_out} of {wanted_none}");
    }
}
