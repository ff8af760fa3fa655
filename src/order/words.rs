//! The words of the dimensions, each with its place between the least and the most advanced one.
//! Does not know how an order comes to stand at one of them.

use serde::{Deserialize, Serialize};

use crate::event::Group;
use crate::proto::StatusDimension;

/// A side from which the status of an order is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Dimension {
    Commercial,
    Fulfillment,
    Shipment,
    Exception,
    Return,
}

/// A word of a dimension: its place in [`Dimension::words`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Word(pub(crate) u8);

const COMMERCIAL: &[&str] = &[
    "requested",
    "entered",
    "accepted",
    "partially_released",
    "released",
    "partially_invoiced",
    "invoiced",
    "closed",
    "rejected",
    "cancelled",
];

const FULFILLMENT: &[&str] = &[
    "unreleased",
    "released",
    "acknowledged",
    "allocated",
    "waved",
    "picking",
    "picked",
    "packed",
    "staged",
    "loaded",
    "shipped",
    "short_closed",
    "cancelled",
    "partially_released",
    "partially_acknowledged",
    "partially_allocated",
    "partially_waved",
    "partially_picking",
    "partially_picked",
    "partially_packed",
    "partially_staged",
    "partially_loaded",
    "partially_shipped",
];

const SHIPMENT: &[&str] = &[
    "none",
    "planned",
    "labelled",
    "manifested",
    "dispatched",
    "in_carrier_custody",
    "in_transit",
    "out_for_delivery",
    "available_for_pickup",
    "delivered",
    "voided",
    "returning",
    "returned",
    "lost",
    "partially_planned",
    "partially_labelled",
    "partially_manifested",
    "partially_dispatched",
    "partially_in_carrier_custody",
    "partially_in_transit",
    "partially_out_for_delivery",
    "partially_available_for_pickup",
    "partially_delivered",
];

const EXCEPTION: &[&str] = &["clear", "watch", "blocked", "failed"];

const RETURN: &[&str] =
    &["none", "initiated", "authorized", "partially_received", "received", "closed"];

impl Dimension {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 5] =
        [Self::Commercial, Self::Fulfillment, Self::Shipment, Self::Exception, Self::Return];

    /// Every word that an order can have on this side.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Commercial => COMMERCIAL,
            Self::Fulfillment => FULFILLMENT,
            Self::Shipment => SHIPMENT,
            Self::Exception => EXCEPTION,
            Self::Return => RETURN,
        }
    }

    /// The place of a word; `None` where this side has no such word.
    pub(crate) fn word(self, text: &str) -> Option<Word> {
        let place = self.words().iter().position(|word| *word == text)?;
        u8::try_from(place).ok().map(Word)
    }

    /// The text of a word.
    pub(crate) fn text(self, word: Word) -> &'static str {
        self.words().get(usize::from(word.0)).copied().unwrap_or_default()
    }

    /// The name of this side, as in the fields of an order.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Commercial => "commercial",
            Self::Fulfillment => "fulfillment",
            Self::Shipment => "shipment",
            Self::Exception => "exception",
            Self::Return => "return_status",
        }
    }

    /// The side that facts of a group tell of.
    pub(crate) fn of_group(group: Group) -> Self {
        match group {
            Group::Commercial => Self::Commercial,
            Group::Fulfillment | Group::Meta => Self::Fulfillment,
            Group::Shipment => Self::Shipment,
            Group::Exception => Self::Exception,
            Group::Return => Self::Return,
        }
    }

    /// As messages name it.
    pub(crate) fn to_message(self) -> StatusDimension {
        match self {
            Self::Commercial => StatusDimension::Commercial,
            Self::Fulfillment => StatusDimension::Fulfillment,
            Self::Shipment => StatusDimension::Shipment,
            Self::Exception => StatusDimension::Exception,
            Self::Return => StatusDimension::Return,
        }
    }

    /// The dimension that a message names.
    pub(crate) fn of(named: StatusDimension) -> Option<Self> {
        match named {
            StatusDimension::Unspecified => None,
            StatusDimension::Commercial => Some(Self::Commercial),
            StatusDimension::Fulfillment => Some(Self::Fulfillment),
            StatusDimension::Shipment => Some(Self::Shipment),
            StatusDimension::Exception => Some(Self::Exception),
            StatusDimension::Return => Some(Self::Return),
        }
    }
}
