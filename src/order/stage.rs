//! The stages of fulfillment. Does not know how an order comes to stand at one.

use super::counter::Counter;
use super::words::{Dimension, Word};

/// A stage of fulfillment, from unreleased to shipped: its place among the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stage(u8);

impl Stage {
    pub(crate) const UNRELEASED: Self = Self(0);
    pub(crate) const RELEASED: Self = Self(1);
    pub(crate) const ACKNOWLEDGED: Self = Self(2);
    pub(crate) const ALLOCATED: Self = Self(3);
    pub(crate) const WAVED: Self = Self(4);
    pub(crate) const PICKING: Self = Self(5);
    pub(crate) const PICKED: Self = Self(6);
    pub(crate) const PACKED: Self = Self(7);
    pub(crate) const STAGED: Self = Self(8);
    pub(crate) const LOADED: Self = Self(9);
    pub(crate) const SHIPPED: Self = Self(10);

    /// How many there are.
    pub(crate) const COUNT: usize = 11;

    /// The stages that quantities stand at, with their counters, from the last to the first.
    pub(crate) const COUNTED: [(Self, Counter); 7] = [
        (Self::SHIPPED, Counter::SHIPPED),
        (Self::LOADED, Counter::LOADED),
        (Self::STAGED, Counter::STAGED),
        (Self::PACKED, Counter::PACKED),
        (Self::PICKED, Counter::PICKED),
        (Self::ALLOCATED, Counter::ALLOCATED),
        (Self::RELEASED, Counter::RELEASED),
    ];

    /// The stage that goods of a counter have reached.
    pub(crate) fn of(counter: Counter) -> Option<Self> {
        let after = [Counter::GI_POSTED, Counter::COLLECTED, Counter::DELIVERED];
        let counter = if after.contains(&counter) { Counter::SHIPPED } else { counter };
        let found = Self::COUNTED.iter().find(|(_, its)| *its == counter);
        found.map(|(stage, _)| *stage)
    }

    /// Its place among the stages.
    pub(crate) fn place(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn word(self) -> Word {
        Word(self.0)
    }

    /// The word for an order of which some stands here and the rest before.
    pub(crate) fn partial_word(self) -> Word {
        let text = format!("partially_{}", Dimension::Fulfillment.text(self.word()));
        Dimension::Fulfillment.word(&text).unwrap_or(self.word())
    }
}
