//! The counters of a line. Does not know which events move them.

use crate::proto::{LineQuantity, OrderLine};

/// One counter of a line: its place in [`Counter::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Counter(u8);

/// A value for each counter.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByCounter<T>([T; Counter::COUNT]);

const NAMES: [&str; Counter::COUNT] = [
    "ordered",
    "cancelled",
    "substituted_out",
    "split_out",
    "released",
    "allocated",
    "tasked",
    "picked",
    "packed",
    "staged",
    "loaded",
    "shipped",
    "gi_posted",
    "collected",
    "delivered",
    "returned",
    "short",
    "backordered",
    "short_closed",
    "invoiced",
    "credited",
];

impl Counter {
    pub(crate) const COUNT: usize = 21;

    pub(crate) const ORDERED: Self = Self(0);
    pub(crate) const CANCELLED: Self = Self(1);
    pub(crate) const SUBSTITUTED_OUT: Self = Self(2);
    pub(crate) const SPLIT_OUT: Self = Self(3);
    pub(crate) const RELEASED: Self = Self(4);
    pub(crate) const ALLOCATED: Self = Self(5);
    pub(crate) const TASKED: Self = Self(6);
    pub(crate) const PICKED: Self = Self(7);
    pub(crate) const PACKED: Self = Self(8);
    pub(crate) const STAGED: Self = Self(9);
    pub(crate) const LOADED: Self = Self(10);
    pub(crate) const SHIPPED: Self = Self(11);
    pub(crate) const GI_POSTED: Self = Self(12);
    pub(crate) const COLLECTED: Self = Self(13);
    pub(crate) const DELIVERED: Self = Self(14);
    pub(crate) const RETURNED: Self = Self(15);
    pub(crate) const SHORT: Self = Self(16);
    pub(crate) const BACKORDERED: Self = Self(17);
    pub(crate) const SHORT_CLOSED: Self = Self(18);
    pub(crate) const INVOICED: Self = Self(19);
    pub(crate) const CREDITED: Self = Self(20);

    /// Every counter, in the order in which they are shown.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..).take(Self::COUNT).map(Self)
    }

    /// Its place among the counters.
    pub(crate) fn place(self) -> usize {
        usize::from(self.0)
    }

    /// The name, as of the fields of a line.
    pub(crate) fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// The field of a line that shows the counter.
    pub(crate) fn field(self, line: &mut OrderLine) -> &mut Option<LineQuantity> {
        match self {
            Self::ORDERED => &mut line.ordered,
            Self::CANCELLED => &mut line.cancelled,
            Self::SUBSTITUTED_OUT => &mut line.substituted_out,
            Self::SPLIT_OUT => &mut line.split_out,
            Self::RELEASED => &mut line.released,
            Self::ALLOCATED => &mut line.allocated,
            Self::TASKED => &mut line.tasked,
            Self::PICKED => &mut line.picked,
            Self::PACKED => &mut line.packed,
            Self::STAGED => &mut line.staged,
            Self::LOADED => &mut line.loaded,
            Self::SHIPPED => &mut line.shipped,
            Self::GI_POSTED => &mut line.gi_posted,
            Self::COLLECTED => &mut line.collected,
            Self::DELIVERED => &mut line.delivered,
            Self::RETURNED => &mut line.returned,
            Self::SHORT => &mut line.short,
            Self::BACKORDERED => &mut line.backordered,
            Self::SHORT_CLOSED => &mut line.short_closed,
            Self::INVOICED => &mut line.invoiced,
            _ => &mut line.credited,
        }
    }
}

impl<T: Copy + Default> ByCounter<T> {
    pub(crate) fn get(&self, counter: Counter) -> T {
        self.0.get(usize::from(counter.0)).copied().unwrap_or_default()
    }
}

impl<T> ByCounter<T> {
    pub(crate) fn slot(&mut self, counter: Counter) -> Option<&mut T> {
        self.0.get_mut(usize::from(counter.0))
    }
}
