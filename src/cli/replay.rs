//! `replay`: the log, written line by line. Does not know where it is kept.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use prost::Message as _;
use prost_types::Timestamp;

use super::as_of::parse_time;
use super::failure::Failure;
use super::output::{recorded_json, time_text};
use super::target::Target;
use super::watch::resume_text;
use crate::event::{Event, event_to_json};
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
        let mut reached = None;
        let ended = self.read(&mut reached).await;
        let Some(reached) = reached.filter(|_| self.follow) else { return ended };
        let resume = resume_text(reached);
        ended.map_err(|failure| failure.and(resume.clone()))?;
        eprintln!("{resume}");
        Ok(())
    }

    /// Writes what comes, and says how far it came.
    async fn read(&self, reached: &mut Option<u64>) -> Result<(), Failure> {
        let request = wire::ReplayRequest {
            from_offset: self.from,
            limit: self.limit,
            follow: self.follow,
            include_hashes: self.output == Lines::Json,
            from_recorded: self.from_recorded,
        };
        let mut client = self.target.connect_existing().await?;
        let mut messages = client.replay(request).await?.into_inner();
        let mut out = BufWriter::new(io::stdout());
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        let closed = loop {
            let next = tokio::select! {
                next = messages.message() => next,
                _ = &mut interrupted => return Ok(out.flush()?),
            };
            let next = match next {
                Ok(next) => next,
                Err(status) => {
                    out.flush()?;
                    return Err(status.into());
                }
            };
            match next.and_then(|next| next.message) {
                Some(Message::Events(chunk)) => {
                    let end = self.write(&mut out, chunk)?;
                    // What has not left this process does not count as reached.
                    out.flush()?;
                    *reached = end.max(*reached);
                }
                Some(Message::Progress(progress)) => {
                    out.flush()?;
                    *reached = Some(progress.scanned_to).max(*reached);
                }
                Some(Message::CaughtUp(_)) => out.flush()?,
                Some(Message::Closed(last)) => {
                    *reached = Some(last.resume_from).max(*reached);
                    break Some(last);
                }
                None => break None,
            }
        };
        out.flush()?;
        match closed {
            Some(last) if last.reason() == wire::ReplayClosedReason::ShuttingDown => {
                // The message says where to resume: nothing else has to.
                *reached = None;
                let resume = resume_text(last.resume_from);
                Err(Failure::failed(format!("the server shuts down; {resume}")))
            }
            Some(_) => Ok(()),
            None => Err(Failure::failed("the stream ended without a word of why")),
        }
    }

    /// Writes events, and answers the offset behind the last of them.
    fn write(&self, out: &mut impl Write, chunk: bytes::Bytes) -> Result<Option<u64>, Failure> {
        let chunk = wire::EventChunk::decode(chunk)
            .map_err(|error| Failure::failed(format!("not an event chunk: {error}")))?;
        let end = chunk.events.last().map(|recorded| recorded.offset + 1);
        for recorded in chunk.events {
            match self.output {
                Lines::Ndjson => writeln!(out, "{}", event_to_json(&recorded.event))?,
                Lines::Json => writeln!(out, "{}", recorded_json(&recorded))?,
                Lines::Table => {
                    let event = Event::stored(recorded.event.clone());
                    writeln!(
                        out,
                        "{:>10}  {}  {:<24}  {}#{}  {}",
                        recorded.offset,
                        time_text(recorded.recorded_at.as_ref()),
                        event.event_type(),
                        event.correlation_id(),
                        recorded.revision,
                        event.source()
                    )?;
                }
            }
        }
        Ok(end)
    }
}
