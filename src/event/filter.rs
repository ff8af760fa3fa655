//! Which events are wanted, decided on what stands in an event's envelope, without decoding it.
//! Does not know where events come from, nor what is done with those that are wanted.

use std::collections::HashSet;

use super::catalogue::{EVENT_TYPES, Group};
use super::cursor::{Value, fields};
use super::fact::path;
use super::violation::Violation;
use super::{RESERVED_PREFIX, field};
use crate::proto::EventFilter;

/// Several filters, at least one, of which an event must pass one.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    clauses: Vec<Clause>,
    /// Whether anything that stands in the body is asked for.
    looks_into_body: bool,
}

/// One filter, made for look-ups.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) types: Names,
    pub(super) sources: Names,
    pub(super) orders: Names,
    pub(super) warehouses: Names,
}

/// Values of one field. None at all lets every value through.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) exact: HashSet<Box<[u8]>>,
    pub(super) prefixes: Vec<Box<[u8]>>,
}

/// What the body of an event says that filters ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) event_type: &'a [u8],
    pub(super) source: &'a [u8],
    pub(super) warehouse: &'a [u8],
}

/// The fields of a filter by their names in the proto.
fn texts(filter: &EventFilter) -> [(&'static str, &[String]); 6] {
    [
        ("types", &filter.types),
        ("groups", &filter.groups),
        ("sources", &filter.sources),
        ("correlation_ids", &filter.correlation_ids),
        ("correlation_id_prefixes", &filter.correlation_id_prefixes),
        ("warehouses", &filter.warehouses),
    ]
}

/// The number of values that a filter names.
fn values_count(filter: &EventFilter) -> usize {
    texts(filter).iter().map(|(_, texts)| texts.len()).sum()
}

/// What is wrong with a filter.
fn violations_of(filter: &EventFilter, with_own: bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    if values_count(filter) == 0 {
        let what = "says nothing, and would let every event through; leave it out, or say which \
                    types, groups, sources, orders or warehouses are wanted";
        violations.push(Violation::new("", what));
    }
    for (name, texts) in texts(filter) {
        for (index, text) in texts.iter().enumerate() {
            let wrong = match name {
                _ if text.is_empty() => Some("empty; no event has that".to_owned()),
                "types" => check_type(text),
                "groups" => check_group(text),
                "correlation_ids" | "correlation_id_prefixes" if !with_own => check_order(text),
                _ => None,
            };
            violations.extend(wrong.map(|what| Violation::new(format!("{name}[{index}]"), what)));
        }
    }
    violations
}

fn check_group(text: &str) -> Option<String> {
    let allowed = Group::ALL.map(Group::name);
    (!allowed.contains(&text))
        .then(|| format!("{text:?} is no group; allowed are {}", allowed.join(", ")))
}

/// What is wrong with a rule for types.
pub(crate) fn check_type(text: &str) -> Option<String> {
    let name = text.strip_suffix(".*").unwrap_or(text);
    (name.is_empty() || name.contains('*')).then(|| {
        format!(
            "{text:?} is no rule for types; allowed are a whole name, such as pick.confirmed, and \
             all below one, such as pick.*"
        )
    })
}

/// Whether a rule for types, as [`EventFilter`] has them, means a type.
pub(crate) fn type_matches(rule: &str, event_type: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(prefix) => event_type.starts_with(prefix),
        None => rule == event_type,
    }
}

fn check_order(text: &str) -> Option<String> {
    text.starts_with(RESERVED_PREFIX).then(|| {
        format!(
            "begins with '{RESERVED_PREFIX}', which is the ledger's own; ask for its entries, too"
        )
    })
}

impl Wanted {
    /// Events that pass one of `filters`; `None` where there are none, and every event is wanted.
    ///
    /// # Errors
    /// Everything that is wrong with them, by paths such as `filters[0].types[1]`; also where they
    /// name more than `values_max` values together, or histories of the ledger's own where these
    /// are not read.
    pub(crate) fn of(
        filters: &[EventFilter],
        values_max: usize,
        with_own: bool,
    ) -> Result<Option<Self>, Vec<Violation>> {
        if filters.is_empty() {
            return Ok(None);
        }
        // One that says nothing is refused, but counts until then.
        let count: usize = filters.iter().map(|filter| values_count(filter).max(1)).sum();
        if count > values_max {
            let what = format!("{count} values; allowed are {values_max} (filter_values_max)");
            return Err(vec![Violation::new("filters", what)]);
        }
        let mut violations = Vec::new();
        for (index, filter) in filters.iter().enumerate() {
            let place = format!("filters[{index}]");
            violations
                .extend(violations_of(filter, with_own).into_iter().map(|one| one.within(&place)));
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        let clauses: Vec<Clause> = filters.iter().map(Clause::of).collect();
        let looks_into_body = clauses.iter().any(Clause::looks_into_body);
        Ok(Some(Self { clauses, looks_into_body }))
    }

    /// Whether an event is wanted, given its order and its body. The body is not decoded: where the
    /// order does not decide, its fields are walked over once.
    pub(crate) fn wants(&self, correlation_id: &[u8], body: &[u8]) -> bool {
        let mut of_order = self.clauses.iter().filter(|one| one.orders.have(correlation_id));
        let Some(first) = of_order.next() else {
            return false;
        };
        if !self.looks_into_body {
            return true;
        }
        let said = Said::in_body(body);
        std::iter::once(first).chain(of_order).any(|clause| clause.wants(said))
    }

    pub(super) fn clauses(&self) -> &[Clause] {
        &self.clauses
    }
}

impl Clause {
    fn of(filter: &EventFilter) -> Self {
        let whole = filter.types.iter().filter(|text| !text.ends_with(".*"));
        let below = filter.types.iter().filter_map(|text| text.strip_suffix('*'));
        let mut types = Names::of(whole, below);
        let in_group = EVENT_TYPES
            .iter()
            .filter(|row| filter.groups.iter().any(|one| one == row.group.name()));
        types.exact.extend(in_group.map(|row| row.name.as_bytes().into()));
        Self {
            types,
            sources: Names::of(&filter.sources, []),
            orders: Names::of(
                &filter.correlation_ids,
                filter.correlation_id_prefixes.iter().map(String::as_str),
            ),
            warehouses: Names::of(&filter.warehouses, []),
        }
    }

    fn looks_into_body(&self) -> bool {
        ![&self.types, &self.sources, &self.warehouses].into_iter().all(Names::say_nothing)
    }

    /// Whether it wants an event of an order that it wants.
    fn wants(&self, said: Said<'_>) -> bool {
        self.types.have(said.event_type)
            && self.sources.have(said.source)
            && self.warehouses.have(said.warehouse)
    }
}

impl Names {
    fn of<'a>(
        exact: impl IntoIterator<Item = &'a String>,
        prefixes: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let exact = exact.into_iter().map(|text| text.as_bytes().into()).collect();
        let prefixes = prefixes.into_iter().map(|text| text.as_bytes().into()).collect();
        Self { exact, prefixes }
    }

    pub(super) fn say_nothing(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }

    fn have(&self, value: &[u8]) -> bool {
        self.say_nothing()
            || self.exact.contains(value)
            || self.prefixes.iter().any(|prefix| value.starts_with(prefix))
    }
}

impl<'a> Said<'a> {
    /// Of a field that stands several times the last one counts, as protobuf merges.
    pub(super) fn in_body(body: &'a [u8]) -> Self {
        let (location, warehouse) = path::WAREHOUSE;
        let mut said = Self::default();
        for found in fields(body).map_while(Result::ok) {
            match (found.number, found.value) {
                (field::TYPE, Value::Bytes(value)) => said.event_type = value,
                (field::SOURCE, Value::Bytes(value)) => said.source = value,
                (number, Value::Bytes(inner)) if number == location => {
                    for found in fields(inner).map_while(Result::ok) {
                        if let (true, Value::Bytes(value)) =
                            (found.number == warehouse, found.value)
                        {
                            said.warehouse = value;
                        }
                    }
                }
                _ => {}
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto::{Location, OrderEvent};

    fn texts_of<const N: usize>(texts: [&str; N]) -> Vec<String> {
        texts.map(str::to_owned).to_vec()
    }

    fn event(event_type: &str, source: &str, warehouse: &str) -> Vec<u8> {
        let location = Location { warehouse: warehouse.into(), ..Location::default() };
        let event = OrderEvent {
            correlation_id: "erp/1".into(),
            source: source.into(),
            r#type: event_type.into(),
            location: Some(location),
            ..OrderEvent::default()
        };
        event.encode_to_vec()
    }

    fn wants(filters: &[EventFilter], body: &[u8]) -> bool {
        Wanted::of(filters, 100, false).unwrap().unwrap().wants(b"erp/1", body)
    }

    #[test]
    fn a_type_is_named_whole_or_by_what_is_above_it_or_by_its_group() {
        let types = |types| [EventFilter { types, ..EventFilter::default() }];
        let cases = [
            ("pick.*", "pick.confirmed", true),
            ("pick.*", "pick.a.b", true),
            ("pick.*", "pick", false),
            ("pick.*", "picking.begun", false),
            ("pick.confirmed", "pick.confirmed", true),
            ("pick.confirmed", "pick.confirmed.twice", false),
            ("drone.*", "drone.landed", true),
            ("Pick.*", "pick.confirmed", false),
        ];
        for (rule, event_type, passes) in cases {
            let body = event(event_type, "wms", "");
            assert_eq!(wants(&types(texts_of([rule])), &body), passes, "{rule} {event_type}");
        }
        let groups = texts_of(["exception"]);
        let both =
            [EventFilter { groups, types: texts_of(["drone.landed"]), ..types(vec![])[0].clone() }];
        for (event_type, passes) in
            [("hold.placed", true), ("drone.landed", true), ("pick.confirmed", false)]
        {
            assert_eq!(wants(&both, &event(event_type, "wms", "")), passes, "{event_type}");
        }
    }

    #[test]
    fn all_that_a_filter_says_must_hold_and_any_filter_will_do() {
        let of = |source: &str, warehouse: &str| EventFilter {
            sources: texts_of([source]),
            warehouses: texts_of([warehouse]),
            ..EventFilter::default()
        };
        let filters = [of("wms", "DC1"), of("tms", "DC2")];
        for (source, warehouse, passes) in
            [("wms", "DC1", true), ("tms", "DC2", true), ("wms", "DC2", false), ("wms", "", false)]
        {
            assert_eq!(wants(&filters, &event("a.b", source, warehouse)), passes);
        }
        let prefixes = |text| EventFilter {
            correlation_id_prefixes: texts_of([text]),
            ..EventFilter::default()
        };
        assert!(wants(&[prefixes("erp/")], b""), "decided without the body");
        assert!(!wants(&[prefixes("erp/12")], b""));
        let other_order_first = [prefixes("b2b/"), of("wms", "DC1")];
        assert!(wants(&other_order_first, &event("a.b", "wms", "DC1")));
        assert!(!wants(&other_order_first, &event("a.b", "wms", "DC2")));
    }

    /// Seen red with the first value of a field.
    #[test]
    fn what_stands_twice_is_merged_as_protobuf_does() {
        let body =
            [event("first.type", "first", "DC1"), event("last.type", "last", "DC2")].concat();
        let filter = EventFilter {
            types: texts_of(["last.*"]),
            sources: texts_of(["last"]),
            warehouses: texts_of(["DC2"]),
            ..EventFilter::default()
        };
        assert!(wants(&[filter], &body));
    }

    #[test]
    fn all_that_is_wrong_with_filters_is_named_at_once() {
        let wrong = EventFilter {
            types: texts_of(["pick.*", "", "*", ".*", "pick*", "a.*.b"]),
            groups: texts_of(["exception", "Exception", "holds"]),
            sources: texts_of([""]),
            correlation_ids: texts_of(["$seal", "erp/1"]),
            correlation_id_prefixes: texts_of(["$"]),
            warehouses: texts_of(["DC1", ""]),
        };
        let violations = Wanted::of(&[wrong, EventFilter::default()], 100, false).unwrap_err();
        let fields: Vec<&str> = violations.iter().map(|one| one.field.as_str()).collect();
        let types = [1, 2, 3, 4, 5].map(|index| format!("filters[0].types[{index}]"));
        let others = [
            "filters[0].groups[1]",
            "filters[0].groups[2]",
            "filters[0].sources[0]",
            "filters[0].correlation_ids[0]",
            "filters[0].correlation_id_prefixes[0]",
            "filters[0].warehouses[1]",
            "filters[1]",
        ];
        let expected: Vec<&str> = types.iter().map(String::as_str).chain(others).collect();
        assert_eq!(fields, expected, "{violations:?}");
        let group = &violations[5].description;
        assert!(group.contains("\"Exception\" is no group; allowed are commercial, "), "{group}");

        let many = EventFilter { sources: vec!["wms".into(); 101], ..EventFilter::default() };
        let violations = Wanted::of(&[many], 100, false).unwrap_err();
        assert!(violations[0].description.contains("101 values; allowed are 100"));
        assert!(Wanted::of(&[], 0, false).unwrap().is_none());
    }
}
