//! Which system owns which kind of fact. Does not know facts.

use crate::event::Group;

/// How little a source has to say about a kind of fact: 0 for its owner. By convention a source's
/// name begins with what it is: `erp:`, `wms:`, `3pl:`, `tms:`, `carrier:`, `channel:`.
pub(crate) fn authority(source: &str, group: Option<Group>) -> usize {
    let system = source.split(':').next().unwrap_or_default();
    let owners: &[&str] = match group {
        Some(Group::Fulfillment) => &["wms", "3pl", "erp"],
        Some(Group::Shipment) => &["carrier", "tms", "wms", "3pl", "erp"],
        Some(Group::Commercial | Group::Return | Group::Exception | Group::Meta) | None => {
            &["erp", "channel", "wms", "3pl"]
        }
    };
    owners.iter().position(|owner| *owner == system).unwrap_or(owners.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warehouse_owns_picks_and_the_erp_invoices() {
        let ranks = |group| ["wms:dc3", "erp:prd"].map(|source| authority(source, Some(group)));
        assert_eq!(ranks(Group::Fulfillment), [0, 2]);
        assert_eq!(ranks(Group::Commercial), [2, 0]);
        assert!(authority("carrier:dhl", Some(Group::Shipment)) < authority("x", None));
    }
}
