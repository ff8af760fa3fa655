//! `timeline`: the events of one order. Does not know how they are found.

use std::io::{self, Write as _};

use clap::Args;
use comfy_table::Table;
use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use super::failure::{Exit, Failure};
use super::output::{Output, bold, duration_text, print_table, recorded_json, table, time_text};
use super::target::Target;
use crate::event::{Event, event_to_json};
use crate::rpc::wire;
use crate::time::parse_rfc3339;

#[derive(Debug, Args)]
pub(super) struct Timeline {
    #[command(flatten)]
    target: Target,
    /// The order, by its correlation id
    order: String,
    #[command(flatten)]
    as_of: AsOfArguments,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// Which state of the ledger a question is about.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the names are those of the flags")]
pub(super) struct AsOfArguments {
    /// Only what had occurred by this time, by the sources' clocks (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of_occurred: Option<Timestamp>,
    /// Only what the ledger knew at this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of_recorded: Option<Timestamp>,
    /// Only what the ledger knew before this offset
    #[arg(long, value_name = "OFFSET")]
    as_of_offset: Option<u64>,
}

pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    parse_rfc3339(text).map(|(time, _)| time)
}

impl Timeline {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let mut request = wire::GetTimelineRequest {
            correlation_id: self.order.clone(),
            basis: Some(wire::Basis {
                at_least: 0,
                as_of_offset: self.as_of.as_of_offset,
                as_of_recorded: self.as_of.as_of_recorded,
            }),
            as_of_occurred: self.as_of.as_of_occurred,
            include_hashes: self.output != Output::Table,
            page_size: 0,
            page_token: String::new(),
        };
        let mut rows = Vec::new();
        let last = loop {
            let page = client.get_timeline(request.clone()).await?.into_inner();
            rows.extend(page.rows.iter().cloned());
            if page.next_page_token.is_empty() {
                break page;
            }
            request.page_token = page.next_page_token;
        };
        print(&self.order, &rows, (last.revision, last.basis), self.output)?;
        if last.revision == 0 {
            let message = format!("no order {} at basis {}", self.order, last.basis);
            return Err(Failure::new(Exit::NotFound, message));
        }
        Ok(())
    }
}

fn print(
    order: &str,
    rows: &[wire::TimelineRow],
    (revision, basis): (u64, u64),
    output: Output,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match output {
        Output::Table if rows.is_empty() => Ok(()),
        Output::Table => {
            writeln!(out, "{}  {revision} events, basis {basis}", bold(order))?;
            print_table(&mut out, &table_of(rows))
        }
        Output::Json => {
            let rows: Vec<Json> = rows.iter().map(row_json).collect();
            let document = json!({
                "correlation_id": order, "revision": revision, "basis": basis, "rows": rows
            });
            writeln!(out, "{document}")
        }
        Output::Ndjson => rows.iter().map(row_json).try_for_each(|row| writeln!(out, "{row}")),
    }
}

fn row_json(row: &wire::TimelineRow) -> Json {
    let mut json = recorded_json(&row.event.clone().unwrap_or_default());
    if let (Some(object), late_ns @ 1..) = (json.as_object_mut(), late_ns(row)) {
        object.insert("late_ns".to_owned(), Json::from(late_ns));
    }
    json
}

fn late_ns(row: &wire::TimelineRow) -> u64 {
    row.late_by.as_ref().map_or(0, |late| {
        let nanos = u64::try_from(late.nanos).unwrap_or(0);
        u64::try_from(late.seconds).unwrap_or(0).saturating_mul(1_000_000_000) + nanos
    })
}

fn table_of(rows: &[wire::TimelineRow]) -> Table {
    let mut lines = table(
        &["OCCURRED AT", "RECORDED AT", "OFFSET", "TYPE", "WHAT", "SOURCE", "LATE"],
        &["OFFSET"],
    );
    for row in rows {
        let recorded = row.event.clone().unwrap_or_default();
        let event = Event::stored(recorded.event.clone());
        let json = event_to_json(&recorded.event);
        let occurred_at = json.get("occurred_at").and_then(Json::as_str).unwrap_or("-").to_owned();
        let late = match late_ns(row) {
            0 => String::new(),
            ns => format!("late by {}", duration_text(ns)),
        };
        lines.add_row([
            occurred_at,
            time_text(recorded.recorded_at.as_ref()),
            recorded.offset.to_string(),
            event.event_type().to_owned(),
            what(&json),
            event.source().to_owned(),
            late,
        ]);
    }
    lines
}

/// What an event says about lines and reasons, in a few words.
fn what(event: &Json) -> String {
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let lines = event.get("lines").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut words: Vec<String> = lines
        .iter()
        .take(3)
        .map(|line| {
            let parts = ["quantity", "unit", "sku"].iter().filter_map(|name| text(line, name));
            let parts: Vec<String> = parts.collect();
            let line_id = text(line, "line_id").unwrap_or_default();
            format!("line {line_id}: {}", parts.join(" ")).trim_end_matches([':', ' ']).to_owned()
        })
        .collect();
    if lines.len() > 3 {
        words.push(format!("and {} more lines", lines.len() - 3));
    }
    let reason = event.get("reason").and_then(|reason| text(reason, "code"));
    let asserted = event.get("asserted").and_then(|asserted| text(asserted, "value"));
    words.extend(reason);
    words.extend(asserted.map(|value| format!("claims {value}")));
    words.join(", ")
}
