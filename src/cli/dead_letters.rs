//! `dead-letters`: what was refused and kept: shown, appended after a fix, or closed.
//! Does not know how it is kept.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::append::outcome_json;
use super::failure::{Exit, Failure};
use super::grid::{Grid, column};
use super::lines::Lines;
use super::list::Limit;
use super::output::{Output, bytes_text, enum_word, json_of, seconds_text, width};
use super::target::Target;
use crate::event::event_to_json;
use crate::proto::{
    DeadLetterFormat, DeadLetterState, KeptDeadLetter, ListDeadLettersRequest, RefusalReason,
};
use crate::rpc::wire;

#[derive(Debug, Args)]
pub(super) struct DeadLettersCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters, the newest first, with why each was refused
    List(List),
    /// Append what was refused: as it is, after a fix, or corrected
    Redrive(Redrive),
    /// Close a dead letter without appending it
    Discard(Discard),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    target: Target,
    /// Of this source only; an empty one: those that name no source
    #[arg(long)]
    source: Option<String>,
    /// Closed ones, too
    #[arg(long)]
    include_closed: bool,
    #[command(flatten)]
    limit: Limit,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Redrive {
    #[command(flatten)]
    target: Target,
    /// Which one, by its offset
    offset: u64,
    /// The event to append instead, a line of NDJSON; `-` is standard input
    #[arg(long, value_name = "FILE")]
    corrected: Option<PathBuf>,
    /// Who asks, for the record
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true)]
    actor: String,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Discard {
    #[command(flatten)]
    target: Target,
    /// Which one, by its offset
    offset: u64,
    /// Who answers for it
    #[arg(long, value_name = "WHO")]
    actor: String,
    /// Why
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl DeadLettersCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::List(list) => list.run().await,
            Command::Redrive(redrive) => redrive.run().await,
            Command::Discard(discard) => discard.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.existing().await?.delivery;
        let mut request = ListDeadLettersRequest {
            source: self.source.clone(),
            include_closed: self.include_closed,
            omit_raw: self.output == Output::Table,
            ..Default::default()
        };
        let mut letters = Vec::new();
        let (open, more) = loop {
            request.page_size = self.limit.page_size(letters.len());
            let page = client.list_dead_letters(request.clone()).await?.into_inner();
            letters.extend(page.letters);
            let more = !page.next_page_token.is_empty();
            if !more || self.limit.is_reached(letters.len()) {
                break (page.open_count, more);
            }
            request.page_token = page.next_page_token;
        };
        self.print(&letters, (open, more))?;
        if more {
            self.limit.say_more();
        }
        Ok(())
    }

    fn print(&self, letters: &[KeptDeadLetter], (open, more): (u64, bool)) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let mut rows = letters.iter().map(letter_json);
        match self.output {
            Output::Table => {
                grid_of(letters).write(&mut out, width())?;
                writeln!(out, "{open} open")
            }
            Output::Json => {
                let rows: Vec<Json> = rows.collect();
                writeln!(out, "{}", json!({ "letters": rows, "open": open, "more": more }))
            }
            Output::Ndjson => rows.try_for_each(|row| writeln!(out, "{row}")),
        }
    }
}

/// A letter with what was refused as people read it: the event, or the line.
fn letter_json(kept: &KeptDeadLetter) -> Json {
    let mut json = json_of("KeptDeadLetter", kept);
    let letter = kept.letter.clone().unwrap_or_default();
    let shown = match letter.format() {
        DeadLetterFormat::Ndjson => {
            String::from_utf8(letter.raw).ok().map(|line| ("line", Json::String(line)))
        }
        DeadLetterFormat::Protobuf => Some(("event", event_to_json(&letter.raw))),
        DeadLetterFormat::Unspecified => None,
    };
    if let (Some(object), Some((name, shown))) = (json.as_object_mut(), shown) {
        object.insert(name.to_owned(), shown);
    }
    json
}

fn grid_of(letters: &[KeptDeadLetter]) -> Grid {
    let mut grid = Grid::new([
        column("OFFSET").right(),
        column("REFUSED").spare(),
        column("SOURCE").wrap(),
        column("ORDER").optional().wrap(),
        column("EVENT").optional().wrap(),
        column("WHY").wrap(),
        column("ORIGIN").optional().spare(),
        column("SIZE").right().spare(),
        column("STATE").optional(),
        column("BY").optional().wrap(),
    ]);
    for kept in letters {
        let letter = kept.letter.clone().unwrap_or_default();
        let state = enum_word("DEAD_LETTER_STATE_", kept.state().as_str_name());
        grid.row([
            kept.offset.to_string(),
            seconds_text(kept.recorded_at.as_ref()),
            letter.source,
            letter.correlation_id,
            letter.event_id,
            why(&letter.reasons),
            letter.origin,
            bytes_text(kept.raw_bytes),
            if kept.state() == DeadLetterState::Open { String::new() } else { state },
            kept.actor.clone(),
        ]);
    }
    grid
}

/// The first reason, and how many there are beyond it.
fn why(reasons: &[RefusalReason]) -> String {
    let Some((first, rest)) = reasons.split_first() else {
        return String::new();
    };
    let RefusalReason { field, description } = first;
    let text =
        if field.is_empty() { description.clone() } else { format!("{field}: {description}") };
    if rest.is_empty() { text } else { format!("{text} (and {} more)", rest.len()) }
}

impl Redrive {
    async fn run(self) -> Result<(), Failure> {
        let corrected = self.corrected.as_deref().map(only_event).transpose()?;
        let mut client = self.target.existing().await?.delivery;
        let request = wire::RedriveDeadLetterRequest {
            offset: self.offset,
            corrected,
            actor: self.actor.clone(),
        };
        let redriven = client.redrive_dead_letter(request).await?.into_inner();
        let outcome = redriven.outcome.unwrap_or_default();
        let mut out = io::stdout().lock();
        if self.output != Output::Table {
            let mut json = outcome_json(&outcome);
            if let Some(object) = json.as_object_mut() {
                object.insert("head".to_owned(), redriven.head.into());
            }
            return Ok(writeln!(out, "{json}")?);
        }
        let how = match outcome.outcome() {
            wire::AppendOutcome::Duplicate => "was in the ledger already",
            wire::AppendOutcome::Appended
            | wire::AppendOutcome::DeadLettered
            | wire::AppendOutcome::Unspecified => "was appended",
        };
        let receipt = outcome.receipt.unwrap_or_default();
        let (offset, revision) = (receipt.offset, receipt.revision);
        writeln!(out, "the event {how}: offset {offset}, revision {revision}")?;
        Ok(writeln!(out, "the dead letter at offset {} is closed", self.offset)?)
    }
}

/// The one event of a file.
fn only_event(file: &Path) -> Result<Bytes, Failure> {
    let mut event = None;
    for line in Lines::open(file, Arc::default())? {
        let line = line?;
        let number = line.number;
        let read = line.event.map_err(|violations| {
            Failure::failed(format!("line {number} is not a valid event"))
                .with_details(violations.iter().map(ToString::to_string).collect())
        })?;
        if event.replace(read).is_some() {
            let what = format!("{}: more than one event; a letter is one", file.display());
            return Err(Failure::new(Exit::Usage, what));
        }
    }
    let missing = || Failure::new(Exit::Usage, format!("{}: no event", file.display()));
    event.ok_or_else(missing)
}

impl Discard {
    async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.existing().await?.delivery;
        let Self { offset, actor, reason, .. } = self;
        let request = wire::DiscardDeadLetterRequest { offset, actor, reason };
        client.discard_dead_letter(request).await?;
        let mut out = io::stdout().lock();
        if self.output == Output::Table {
            return Ok(writeln!(out, "the dead letter at offset {offset} is closed")?);
        }
        Ok(writeln!(out, "{}", json!({ "offset": offset, "state": "discarded" }))?)
    }
}
