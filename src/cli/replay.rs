//! `replay`: the log, written line by line. Does not know where it is kept.

use std::io::Write as _;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use prost::Message as _;
use prost_types::Timestamp;

use super::as_of::parse_time;
use super::event_filter::EventFilterArguments;
use super::failure::Failure;
use super::follow::{Follow, Out, Said, follow};
use super::output::{recorded_json, recorded_line};
use super::target::Target;
use crate::event::event_to_json;
use crate::rpc::wire;
use crate::rpc::wire::replay_response::Message;

#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    target: Target,
    /// The first offset that is wanted
    #[arg(long, value_name = "OFFSET", default_value_t = 0, conflicts_with = "from_recorded")]
    from: u64,
    /// Start at the first entry recorded at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from_recorded: Option<Timestamp>,
    #[command(flatten)]
    filter: EventFilterArguments,
    /// Entries of the ledger's own, too: where consumers stand, what is parked, what was refused
    #[arg(long)]
    ledger_entries: bool,
    /// The largest number of events
    #[arg(long, value_name = "EVENTS", default_value_t = 0, hide_default_value = true)]
    limit: u64,
    /// Go on live at the head, until interrupted
    #[arg(long)]
    follow: bool,
    /// How lines are written
    #[arg(long, value_enum, default_value = "table")]
    output: Lines,
}

/// A stream is written as it comes, so its forms are all line by line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lines {
    /// A line for people
    Table,
    /// A JSON object with offset, revision, `recorded_at` and the event
    Json,
    /// The event alone, as `import` reads it
    Ndjson,
}

impl Replay {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let request = wire::ReplayRequest {
            from_offset: self.from,
            limit: self.limit,
            follow: self.follow,
            include_hashes: self.output == Lines::Json,
            from_recorded: self.from_recorded,
            filters: self.filter.filters(),
            include_ledger_entries: self.ledger_entries,
        };
        let mut client = self.target.connect_existing().await?;
        let messages = client.replay(request).await?.into_inner();
        follow(&self, messages, None).await
    }
}

impl Follow for Replay {
    type Message = wire::ReplayResponse;
    type Brings = Bytes;

    fn said(message: wire::ReplayResponse) -> Option<Said<Bytes>> {
        Some(match message.message? {
            Message::Events(chunk) => Said::Brings(chunk),
            Message::Progress(progress) => Said::Progress(progress),
            Message::CaughtUp(caught_up) => Said::CaughtUp(caught_up),
            Message::Closed(closed) => Said::Closed(closed),
        })
    }

    fn says_where(&self) -> bool {
        self.follow
    }

    fn write(&self, out: &mut Out, chunk: Bytes) -> Result<Option<u64>, Failure> {
        let chunk = wire::EventChunk::decode(chunk)
            .map_err(|error| Failure::failed(format!("not an event chunk: {error}")))?;
        let end = chunk.events.last().map(|recorded| recorded.offset + 1);
        for recorded in chunk.events {
            match self.output {
                Lines::Ndjson => writeln!(out, "{}", event_to_json(&recorded.event))?,
                Lines::Json => writeln!(out, "{}", recorded_json(&recorded))?,
                Lines::Table => writeln!(out, "{}", recorded_line(&recorded))?,
            }
        }
        Ok(end)
    }
}
