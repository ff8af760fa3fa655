//! `diff`: what differs between two states of one order. Does not know how states are compared.

use std::io::{self, Write as _};

use clap::Args;
use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use super::as_of::{basis, parse_time};
use super::failure::{Exit, Failure};
use super::grid::{Grid, column};
use super::output::{Output, bold, clean, json_of, width};
use super::target::Target;
use crate::proto::OrderDifference;
use crate::rpc::wire;

#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    target: Target,
    /// The order, by its correlation id
    order: String,
    #[command(flatten)]
    before: Before,
    #[command(flatten)]
    after: After,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// The state that is compared with.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
#[expect(clippy::struct_field_names, reason = "the names are those of the flags")]
struct Before {
    /// The state that the ledger knew before this offset
    #[arg(long, value_name = "OFFSET")]
    before_offset: Option<u64>,
    /// The state that the ledger knew at this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before_recorded: Option<Timestamp>,
    /// The state of what had occurred by this time, by the sources' clocks (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before_occurred: Option<Timestamp>,
}

/// The later state; without any of these the one of now.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the names are those of the flags")]
struct After {
    /// Compared with the state before this offset, not that of now
    #[arg(long, value_name = "OFFSET")]
    after_offset: Option<u64>,
    /// Compared with the state at this time, not that of now (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    after_recorded: Option<Timestamp>,
    /// Compared with what had occurred by this time, not with all of it (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    after_occurred: Option<Timestamp>,
}

impl Diff {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let request = wire::GetOrderRequest {
            correlation_id: self.order.clone(),
            basis: Some(basis(self.after.after_offset, self.after.after_recorded)),
            as_of_occurred: self.after.after_occurred,
            compare_with: Some(wire::OrderBasis {
                basis: Some(basis(self.before.before_offset, self.before.before_recorded)),
                as_of_occurred: self.before.before_occurred,
            }),
        };
        let answer = client.get_order(request).await?.into_inner();
        let Some(before) = answer.compared_basis else {
            return Err(Failure::failed("the server did not compare"));
        };
        let order = answer.order.unwrap_or_default();
        let known = order.revision > 0 || order.event_count > 0 || !answer.differences.is_empty();
        if known || self.output == Output::Json {
            self.print(&answer.differences, (before, answer.basis))?;
        }
        if known {
            return Ok(());
        }
        let message = format!("no order {} at basis {before} or {}", self.order, answer.basis);
        Err(Failure::new(Exit::NotFound, message))
    }

    fn print(
        &self,
        differences: &[OrderDifference],
        (before, after): (u64, u64),
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let mut rows = differences.iter().map(|one| json_of("OrderDifference", one));
        match self.output {
            Output::Table => {
                writeln!(out, "{}  basis {before} -> {after}", bold(&clean(&self.order)))?;
                if differences.is_empty() {
                    return writeln!(out, "nothing differs");
                }
                let columns = ["FIELD", "BEFORE", "AFTER"].map(|name| column(name).wrap());
                let mut grid = Grid::new(columns);
                for one in differences {
                    let [before, after] = [&one.before, &one.after]
                        .map(|value| if value.is_empty() { "-".to_owned() } else { value.clone() });
                    grid.row([one.field.clone(), before, after]);
                }
                grid.write(&mut out, width())
            }
            Output::Json => {
                let rows: Vec<Json> = rows.collect();
                let document = json!({
                    "correlation_id": self.order,
                    "before_basis": before,
                    "basis": after,
                    "differences": rows,
                });
                writeln!(out, "{document}")
            }
            Output::Ndjson => rows.try_for_each(|row| writeln!(out, "{row}")),
        }
    }
}
