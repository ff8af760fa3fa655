//! `find`: the orders that carry a reference. Does not know how they are found.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value as Json, json};

use super::failure::{Exit, Failure};
use super::grid::{Grid, column};
use super::list::{Limit, word};
use super::output::{Output, json_of, seconds_text, width};
use super::target::Target;
use crate::proto;

#[derive(Debug, Args)]
pub(super) struct Find {
    #[command(flatten)]
    target: Target,
    /// The number or name, compared exactly; also the name of an order itself
    value: String,
    /// Only references of this type, such as `tracking`
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    reference_type: String,
    /// Only references of this issuer
    #[arg(long, default_value = "", hide_default_value = true)]
    issuer: String,
    #[command(flatten)]
    limit: Limit,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Find {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let mut request = proto::FindOrdersRequest {
            value: self.value.clone(),
            r#type: self.reference_type.clone(),
            issuer: self.issuer.clone(),
            ..Default::default()
        };
        let mut found = Vec::new();
        let (basis, more) = loop {
            request.page_size = self.limit.page_size(found.len());
            let page = client.find_orders(request.clone()).await?.into_inner();
            found.extend(page.orders);
            let more = !page.next_page_token.is_empty();
            if !more || self.limit.is_reached(found.len()) {
                break (page.basis, more);
            }
            request.page_token = page.next_page_token;
        };
        self.print(&found, (basis, more))?;
        if found.is_empty() {
            let message = format!("no order is known as {} at basis {basis}", self.value);
            return Err(Failure::new(Exit::NotFound, message));
        }
        if more {
            self.limit.say_more();
        }
        Ok(())
    }

    fn print(&self, found: &[proto::FoundOrder], (basis, more): (u64, bool)) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let mut rows = found.iter().map(|row| json_of("FoundOrder", row));
        match self.output {
            Output::Table if found.is_empty() => Ok(()),
            Output::Table => grid_of(found).write(&mut out, width()),
            Output::Json => {
                let rows: Vec<Json> = rows.collect();
                writeln!(out, "{}", json!({ "basis": basis, "orders": rows, "more": more }))
            }
            Output::Ndjson => rows.try_for_each(|row| writeln!(out, "{row}")),
        }
    }
}

fn grid_of(found: &[proto::FoundOrder]) -> Grid {
    let mut grid = Grid::new([
        column("TYPE").wrap(),
        column("ISSUER").optional().wrap(),
        column("ORDER").wrap(),
        column("COMMERCIAL").wrap(),
        column("FULFILLMENT").wrap(),
        column("SHIPMENT").wrap(),
        column("EXCEPTION").spare(),
        column("FIRST SEEN").spare(),
        column("LAST SEEN").spare(),
    ]);
    for row in found {
        let order = row.order.clone().unwrap_or_default();
        let held = row.reference.clone().unwrap_or_default();
        let reference = held.reference.unwrap_or_default();
        grid.row([
            reference.r#type,
            reference.issuer,
            order.correlation_id,
            word(order.commercial.as_ref()),
            word(order.fulfillment.as_ref()),
            word(order.shipment.as_ref()),
            word(order.exception.as_ref()),
            seconds_text(held.first_at.as_ref()),
            seconds_text(held.last_at.as_ref()),
        ]);
    }
    grid
}
