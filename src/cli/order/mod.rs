//! `order`: the state of one order. Does not know how it is made of events.

mod lines;
mod page;
mod sections;

use std::io::{self, Write as _};

use clap::Args;
use serde_json::json;

use super::as_of::AsOfArguments;
use super::failure::{Exit, Failure};
use super::output::{Output, json_of, width};
use super::target::Target;
use crate::rpc::wire;

#[derive(Debug, Args)]
pub(super) struct OrderCommand {
    #[command(flatten)]
    target: Target,
    /// The order, by its correlation id
    order: String,
    #[command(flatten)]
    as_of: AsOfArguments,
    /// Also holds and exceptions that are closed, claims that agree, shipments, milestones, and all
    /// references
    #[arg(long)]
    all: bool,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl OrderCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let request = wire::GetOrderRequest {
            correlation_id: self.order.clone(),
            basis: Some(self.as_of.basis()),
            as_of_occurred: self.as_of.occurred(),
            compare_with: None,
        };
        let answer = client.get_order(request).await?.into_inner();
        let order = answer.order.unwrap_or_default();
        let basis = answer.basis;
        let known = order.revision > 0 || order.event_count > 0;
        let mut out = io::stdout().lock();
        match self.output {
            Output::Table | Output::Ndjson if !known => {}
            Output::Table => page::write(&mut out, &order, (basis, self.all), width())?,
            Output::Json | Output::Ndjson => {
                writeln!(out, "{}", json!({ "basis": basis, "order": json_of("Order", &order) }))?;
            }
        }
        if known {
            return Ok(());
        }
        Err(Failure::new(Exit::NotFound, format!("no order {} at basis {basis}", self.order)))
    }
}
