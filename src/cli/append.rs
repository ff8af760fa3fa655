//! `append`: the events of one input as one batch. Does not know how a batch is decided.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};

use super::failure::{Exit, Failure};
use super::lines::Lines;
use super::output::{Output, print_table, table, time_text};
use super::target::Target;
use crate::event::to_hex;
use crate::rpc::wire;

#[derive(Debug, Args)]
pub(super) struct Append {
    #[command(flatten)]
    target: Target,
    /// NDJSON, one event a line; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Expect an order at a revision before; may be given more than once
    #[arg(long, value_name = "ORDER=REVISION", value_parser = parse_expectation)]
    expect: Vec<wire::Expectation>,
    /// What becomes of events that the ledger refuses. A line that is no event is never sent;
    /// `import --on-error dead-letter` keeps such lines
    #[arg(long, value_enum, default_value = "reject")]
    on_refusal: OnRefusal,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// What becomes of events that are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnRefusal {
    /// The batch is rejected, and nothing of it is appended
    Reject,
    /// They are kept as dead letters, and the rest is appended
    DeadLetter,
}

fn parse_expectation(text: &str) -> Result<wire::Expectation, String> {
    let parsed = text.rsplit_once('=').and_then(|(order, revision)| {
        let revision = wire::expectation::Expected::Revision(revision.parse().ok()?);
        Some(wire::Expectation { correlation_id: order.to_owned(), expected: Some(revision) })
    });
    parsed.ok_or_else(|| format!("{text:?} is not ORDER=REVISION, as erp/100045=3"))
}

impl Append {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut events = Vec::new();
        for line in Lines::open(&self.file, Arc::default())? {
            let line = line?;
            let number = line.number;
            let event = line.event.map_err(|violations| {
                Failure::new(Exit::Failed, format!("line {number} is not a valid event"))
                    .with_details(violations.iter().map(ToString::to_string).collect())
            })?;
            events.push(event);
        }
        let on_refusal = match self.on_refusal {
            OnRefusal::Reject => wire::OnRefusal::Reject,
            OnRefusal::DeadLetter => wire::OnRefusal::DeadLetter,
        };
        let on_refusal = on_refusal.into();
        let request = wire::AppendRequest {
            events,
            expectations: self.expect,
            on_refusal,
            with_checkpoint: false,
        };
        let appended = self.target.connect().await?.append(request).await?.into_inner();
        Ok(print(&appended, self.output)?)
    }
}

fn print(appended: &wire::AppendResponse, output: Output) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let outcomes = appended.outcomes.iter();
    match output {
        Output::Table => {
            let mut rows =
                table(&["OUTCOME", "OFFSET", "REVISION", "RECORDED AT"], &["OFFSET", "REVISION"]);
            for outcome in outcomes {
                let word = outcome_word(outcome).to_owned();
                let kept = outcome.dead_letter_offset.map(|offset| offset.to_string());
                let receipt = outcome.receipt.as_ref();
                let [offset, revision, recorded_at] = receipt.map_or_else(
                    || [kept.unwrap_or_default(), String::new(), String::new()],
                    |receipt| {
                        let recorded_at = time_text(receipt.recorded_at.as_ref());
                        [receipt.offset.to_string(), receipt.revision.to_string(), recorded_at]
                    },
                );
                rows.add_row([word, offset, revision, recorded_at]);
            }
            print_table(&mut out, &rows)?;
            writeln!(out, "head {}", appended.head)
        }
        Output::Json => {
            let outcomes: Vec<Json> = outcomes.map(outcome_json).collect();
            writeln!(out, "{}", json!({ "outcomes": outcomes, "head": appended.head }))
        }
        Output::Ndjson => outcomes.map(outcome_json).try_for_each(|json| writeln!(out, "{json}")),
    }
}

fn outcome_word(outcome: &wire::EventOutcome) -> &'static str {
    match outcome.outcome() {
        wire::AppendOutcome::Appended => "appended",
        wire::AppendOutcome::Duplicate => "duplicate",
        wire::AppendOutcome::DeadLettered => "dead_lettered",
        wire::AppendOutcome::Unspecified => "unspecified",
    }
}

pub(super) fn outcome_json(outcome: &wire::EventOutcome) -> Json {
    let word = outcome_word(outcome);
    if let Some(offset) = outcome.dead_letter_offset {
        return json!({ "outcome": word, "dead_letter_offset": offset });
    }
    let receipt = outcome.receipt.clone().unwrap_or_default();
    json!({
        "outcome": word,
        "offset": receipt.offset,
        "revision": receipt.revision,
        "recorded_at": time_text(receipt.recorded_at.as_ref()),
        "leaf_hash": to_hex(&receipt.leaf_hash),
    })
}
