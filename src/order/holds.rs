//! Holds: a set keyed by id and source, each open or not. Does not know other exceptions.

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
    for (index, fact) in facts.counting().filter(|(_, fact)| fact.kind == Kind::HoldPlaced) {
        let hold_id = id_of(fact);
        match holds.iter_mut().find(|hold| hold.hold_id == hold_id && hold.source == fact.source) {
            Some(hold) => hold.placed.push(index),
            None => holds.push(Hold {
                hold_id,
                source: fact.source,
                placed: vec![index],
                released: Vec::new(),
            }),
        }
    }
    for (index, fact) in facts.counting().filter(|(_, fact)| fact.kind == Kind::HoldReleased) {
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
        let own = holds.iter().any(|hold| {
            hold.hold_id == hold_id && hold.source == fact.source && !hold.placed.is_empty()
        });
        let mut any = false;
        for hold in &mut holds {
            if hold.hold_id == hold_id && (!own || hold.source == fact.source) {
                hold.released.push(index);
                any = true;
            }
        }
        if !any {
            let (placed, released) = (Vec::new(), vec![index]);
            holds.push(Hold { hold_id, source: fact.source, placed, released });
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
