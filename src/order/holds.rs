//! Holds: a set keyed by id and source, each open or not. Does not know other exceptions.

use std::collections::HashMap;

use super::facts::{FactIndex, Facts};
use crate::event::{Fact, Kind, path};

/// One hold.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the names are those of the proto")]
pub(crate) struct Hold<'a> {
    pub(crate) hold_id: String,
    pub(crate) source: &'a str,
    /// The events that placed it, earliest first.
    pub(crate) placed: Vec<FactIndex>,
    /// The events that released it, earliest first.
    pub(crate) released: Vec<FactIndex>,
}

impl Hold<'_> {
    /// Open: placed, and not released at or after that time.
    pub(crate) fn is_open(&self, facts: &Facts<'_>) -> bool {
        // Of all releases, the one whose interval ends last is the most likely to follow.
        let released = self.released.iter().max_by_key(|one| facts.latest_ns(**one));
        let placed = self.placed.iter().max_by_key(|one| facts.earliest_ns(**one));
        placed.is_some_and(|placed| {
            released.is_none_or(|released| !facts.may_follow(*released, *placed))
        })
    }

    /// The placement that was in force when another fact occurred, if there was one for certain:
    /// placed before it, and not released between them.
    pub(crate) fn in_force(&self, facts: &Facts<'_>, then: FactIndex) -> Option<FactIndex> {
        let before = self.placed.iter().copied().filter(|one| facts.is_before(*one, then));
        let placed = before.max_by_key(|one| (facts.at_ns(*one), *one))?;
        let mut released = self.released.iter();
        let is_over =
            released.any(|one| facts.may_follow(*one, placed) && !facts.is_before(then, *one));
        (!is_over).then_some(placed)
    }

    /// The fact that describes it: the last placement, or else the last release.
    pub(crate) fn latest(&self) -> Option<FactIndex> {
        self.placed.last().or(self.released.last()).copied()
    }
}

/// The holds of an order.
pub(crate) fn holds_of<'a>(facts: &Facts<'a>) -> Vec<Hold<'a>> {
    let mut holds: Vec<Hold<'a>> = Vec::new();
    let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, fact) in facts.counting().filter(|(_, fact)| fact.kind == Kind::HOLD_PLACED) {
        let hold_id = id_of(fact);
        let its = by_id.entry(hold_id.clone()).or_default();
        let of_source = |place: &usize| {
            holds.get(*place).is_some_and(|hold: &Hold<'_>| hold.source == fact.source)
        };
        let place = its.iter().copied().find(of_source);
        if let Some(hold) = place.and_then(|place| holds.get_mut(place)) {
            hold.placed.push(index);
        } else {
            its.push(holds.len());
            let (source, placed, released) = (fact.source, vec![index], Vec::new());
            holds.push(Hold { hold_id, source, placed, released });
        }
    }
    for (index, fact) in facts.counting().filter(|(_, fact)| fact.kind == Kind::HOLD_RELEASED) {
        if fact.flag(path::HOLD_ALL) == Some(true) {
            // A release of all says nothing of what was placed later.
            let placed = |hold: &&mut Hold<'_>| {
                hold.placed.iter().any(|placed| facts.may_follow(index, *placed))
            };
            for hold in holds.iter_mut().filter(placed) {
                hold.released.push(index);
            }
            continue;
        }
        let hold_id = id_of(fact);
        let its = by_id.entry(hold_id.clone()).or_default();
        let own = its
            .iter()
            .filter_map(|place| holds.get(*place))
            .any(|hold| hold.source == fact.source && !hold.placed.is_empty());
        if its.is_empty() {
            its.push(holds.len());
            let (source, placed, released) = (fact.source, Vec::new(), vec![index]);
            holds.push(Hold { hold_id, source, placed, released });
            continue;
        }
        for place in its {
            let hold = holds.get_mut(*place);
            if let Some(hold) = hold.filter(|hold| !own || hold.source == fact.source) {
                hold.released.push(index);
            }
        }
    }
    holds
}

/// The id of a hold; without one, it is the only hold of its source and kind.
pub(crate) fn id_of(fact: &Fact<'_>) -> String {
    let id = fact.text(path::HOLD_ID);
    if id.is_empty() {
        format!("{}/{}", fact.source, fact.text(path::HOLD_KIND))
    } else {
        id.to_owned()
    }
}
