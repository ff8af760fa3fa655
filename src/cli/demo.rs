//! `demo`: the events of a simulated distributor. Does not know how they are made.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use prost::Message as _;

use super::failure::Failure;
use super::import::{Importer, OnError};
use super::lines::Line;
use super::target::Target;
use crate::demo::Demo;
use crate::event::event_to_json;

#[derive(Debug, Args)]
pub(super) struct DemoCommand {
    #[command(flatten)]
    target: Target,
    /// Number of orders
    #[arg(long, default_value_t = 1_000)]
    orders: u64,
    /// Equal seeds give equal events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write NDJSON to a file instead of appending; `-` is standard output
    #[arg(long, value_name = "FILE")]
    ndjson: Option<PathBuf>,
}

impl DemoCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let events = Demo { orders: self.orders, seed: self.seed }.events();
        let Some(path) = &self.ndjson else {
            let lines = (1..).zip(events).map(|(number, event)| {
                let (text, event) = (Bytes::new(), Ok(event.encode_to_vec().into()));
                Ok(Line { number, text, event })
            });
            let importer = Importer::new(self.target.connect_all().await?, OnError::Stop);
            let done = importer.run(lines, None).await?;
            writeln!(io::stdout(), "{done}")?;
            return Ok(());
        };
        let out: Box<dyn Write + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdout())
        } else {
            Box::new(std::fs::File::create(path)?)
        };
        let mut out = BufWriter::new(out);
        for event in events {
            writeln!(out, "{}", event_to_json(&event.encode_to_vec()))?;
        }
        Ok(out.flush()?)
    }
}
