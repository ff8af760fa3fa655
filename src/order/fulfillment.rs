//! Fulfillment: where the units of each line stand, and the order's low, high and word.
//! Does not know packages or money.

use super::counter::Counter;
use super::lines::{Line, Lines};
use super::moves::Reach;
use super::quantity::Quantity;
use super::stage::Stage;
use super::words::{Dimension, Word};

/// Low, high and word of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: Word,
    pub(crate) high: Word,
    pub(crate) word: Word,
}

/// How the units of a line are spread over the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// Nothing is wanted of the line and nothing was shipped.
    Cancelled,
    /// Everything that was left was given up.
    ShortClosed,
    /// The line has no units: nothing was ordered, nothing moved.
    Nothing,
    Units {
        low: Stage,
        high: Stage,
    },
}

/// Fulfillment of an order and of its lines.
#[derive(Debug)]
pub(crate) struct Fulfillment {
    pub(crate) order: Range,
    pub(crate) lines: Vec<Range>,
}

impl Range {
    pub(crate) fn at(word: Word) -> Self {
        Self { low: word, high: word, word }
    }
}

impl Fulfillment {
    pub(crate) fn of(lines: &Lines<'_>) -> Self {
        let lifts = lifts_by_line(lines);
        let with_lifts = lines.list.iter().zip(lifts);
        let mut spreads: Vec<Spread> = with_lifts.map(|(line, lift)| spread(line, lift)).collect();
        lift_order(&mut spreads, lines);
        let with_lines = lines.list.iter().zip(&spreads);
        let ranges = with_lines.map(|(line, spread)| range_of_line(line, *spread)).collect();
        Self { order: range_of_order(lines, &spreads), lines: ranges }
    }
}

/// The furthest stage that is said of each line, without quantities.
fn lifts_by_line(lines: &Lines<'_>) -> Vec<Option<Stage>> {
    let mut lifts = vec![None; lines.list.len()];
    for mark in lines.postings.marks.iter().filter(|mark| !mark.undone) {
        if let (Some(line), Reach::Lift(stage)) = (mark.line, mark.reach)
            && let Some(lift) = lifts.get_mut(line)
        {
            *lift = (*lift).max(Some(stage));
        }
    }
    lifts
}

fn spread(line: &Line<'_>, lift: Option<Stage>) -> Spread {
    let wanted = line.live();
    let shipped = line.effective.get(Counter::SHIPPED);
    if !wanted.is_positive() {
        let closed = line.closed.is_positive();
        let gone = line.ordered.is_positive()
            || line.posted.get(Counter::CANCELLED)
            || line.is_cancelled();
        return if shipped.is_positive() {
            Spread::Units { low: Stage::SHIPPED, high: Stage::SHIPPED }
        } else if closed {
            Spread::ShortClosed
        } else if gone {
            Spread::Cancelled
        } else {
            lift.map_or(Spread::Nothing, |stage| Spread::Units { low: stage, high: stage })
        };
    }
    let mut found: Option<(Stage, Stage)> = None;
    let mut further = Quantity::ZERO;
    for (stage, counter) in Stage::COUNTED {
        let here = line.effective.get(counter).min(wanted);
        if here > further {
            found = Some((stage, found.map_or(stage, |(_, high)| high)));
            further = here;
        }
    }
    if wanted > further {
        let high = found.map_or(Stage::UNRELEASED, |(_, high)| high);
        found = Some((Stage::UNRELEASED, high));
    }
    let (low, high) = found.unwrap_or((Stage::UNRELEASED, Stage::UNRELEASED));
    let spread = Spread::Units { low, high };
    lift.map_or(spread, |stage| spread.lifted(stage))
}

impl Spread {
    /// What had come furthest stands at `stage`, if that is further.
    fn lifted(self, stage: Stage) -> Self {
        match self {
            Self::Units { low, high } if stage > high => {
                Self::Units { low: if low == high { stage } else { low }, high: stage }
            }
            Self::Units { .. } | Self::Cancelled | Self::ShortClosed | Self::Nothing => self,
        }
    }

    fn high(self) -> Option<Stage> {
        match self {
            Self::Units { high, .. } => Some(high),
            Self::Cancelled | Self::ShortClosed | Self::Nothing => None,
        }
    }
}

/// The furthest stage that is said of the order as a whole, without quantities.
fn order_lift(lines: &Lines<'_>) -> Option<Stage> {
    let lifts = lines.order_marks().filter_map(|mark| match mark.reach {
        Reach::Lift(stage) => Some(stage),
        Reach::Whole(counter) => Stage::of(counter),
    });
    lifts.max()
}

/// What is said of the order as a whole is about the lines that had come furthest, and only as long
/// as no quantity stands there.
fn lift_order(spreads: &mut [Spread], lines: &Lines<'_>) {
    let lifts = lines.order_marks().filter_map(|mark| match mark.reach {
        Reach::Lift(stage) => Some(stage),
        Reach::Whole(_) => None,
    });
    let furthest = spreads.iter().filter_map(|spread| spread.high()).max();
    if let (Some(stage), Some(furthest)) = (lifts.max(), furthest) {
        for spread in spreads.iter_mut().filter(|spread| spread.high() == Some(furthest)) {
            *spread = spread.lifted(stage);
        }
    }
}

fn named(text: &str) -> Range {
    Range::at(Dimension::Fulfillment.word(text).unwrap_or(Word(0)))
}

fn between(low: Stage, high: Stage) -> Range {
    let word = if low == high { high.word() } else { high.partial_word() };
    Range { low: low.word(), high: high.word(), word }
}

fn range_of_line(line: &Line<'_>, spread: Spread) -> Range {
    match spread {
        Spread::Cancelled => named("cancelled"),
        Spread::ShortClosed => named("short_closed"),
        Spread::Nothing => Range::at(Stage::UNRELEASED.word()),
        Spread::Units { low, high } => {
            let range = between(low, high);
            let short = line.closed.is_positive();
            if low == Stage::SHIPPED && short {
                Range { word: named("short_closed").word, ..range }
            } else {
                range
            }
        }
    }
}

fn range_of_order(lines: &Lines<'_>, spreads: &[Spread]) -> Range {
    let units = spreads.iter().filter_map(|spread| match spread {
        Spread::Units { low, high } => Some((*low, *high)),
        Spread::Cancelled | Spread::ShortClosed | Spread::Nothing => None,
    });
    let all = units
        .reduce(|(low, high), (other_low, other_high)| (low.min(other_low), high.max(other_high)));
    let short = spreads.contains(&Spread::ShortClosed)
        || lines.list.iter().any(|line| line.closed.is_positive());
    if let Some((low, high)) = all {
        let range = between(low, high);
        return if low == Stage::SHIPPED && short {
            Range { word: named("short_closed").word, ..range }
        } else {
            range
        };
    }
    if spreads.contains(&Spread::ShortClosed) {
        return named("short_closed");
    }
    let cancelled = lines.order_marks().any(|mark| mark.reach == Reach::Whole(Counter::CANCELLED));
    if spreads.contains(&Spread::Cancelled) || cancelled {
        return named("cancelled");
    }
    // Nobody named a line: what is said of the order is all there is.
    Range::at(order_lift(lines).unwrap_or(Stage::UNRELEASED).word())
}
