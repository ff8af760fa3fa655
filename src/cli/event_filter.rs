//! Flags that say which events are wanted. Does not know who looks for them.

use clap::Args;

use crate::proto::EventFilter;

/// Which events are wanted. All that is said must hold; of several values of a flag any may.
#[derive(Debug, Args)]
pub(super) struct EventFilterArguments {
    /// Only these types, such as `pick.confirmed`, or all below a name, such as `pick.*`
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only types of these groups, beside those of --type: commercial, fulfillment, shipment,
    /// exception, return, meta
    #[arg(long = "group", value_name = "GROUPS", value_delimiter = ',')]
    groups: Vec<String>,
    /// Only events of these sources
    #[arg(long = "source", value_name = "SOURCES", value_delimiter = ',')]
    sources: Vec<String>,
    /// Only events of this order; may be given several times
    #[arg(long = "order", value_name = "ORDER")]
    orders: Vec<String>,
    /// Only events of orders whose names begin so, beside those of --order; may be given several
    /// times
    #[arg(long = "order-prefix", value_name = "PREFIX")]
    order_prefixes: Vec<String>,
    /// Only events at these warehouses
    #[arg(long = "warehouse", value_name = "CODES", value_delimiter = ',')]
    warehouses: Vec<String>,
}

impl EventFilterArguments {
    /// As a request says it: no filter where nothing was said.
    pub(super) fn filters(&self) -> Vec<EventFilter> {
        let filter = EventFilter {
            types: self.types.clone(),
            groups: self.groups.clone(),
            sources: self.sources.clone(),
            correlation_ids: self.orders.clone(),
            correlation_id_prefixes: self.order_prefixes.clone(),
            warehouses: self.warehouses.clone(),
        };
        if filter == EventFilter::default() { Vec::new() } else { vec![filter] }
    }
}
