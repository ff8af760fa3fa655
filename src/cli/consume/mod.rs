//! `consume`: a member of a consumer that writes deliveries as lines, and acknowledges what was
//! written. Does not know what becomes of the lines.

mod account;
mod writer;

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::failure::{Exit, Failure};
use super::output::{Output, clean, json_of, recorded_json, recorded_line};
use super::signals::asked_to_end;
use super::target::Target;
use crate::proto;
use crate::rpc::wire::consume_response::Message;
use crate::rpc::{DeliveryClient, SILENCE_MAX, Streaming, wire};
use account::Account;
use writer::Writer;

/// How long an end that was asked for may wait: for a line that nobody reads, and for the server.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often deliveries that cannot be written yet are said to be in progress, at the least.
const IN_PROGRESS_MIN: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub(super) struct Consume {
    #[command(flatten)]
    target: Target,
    /// The name of the consumer
    consumer: String,
    /// What the member calls itself, for those who look; without it `order-ledger` and its process
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
    /// Deliveries that may be on their way at once: 1 to 10,000
    #[arg(
        long,
        value_name = "DELIVERIES",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    credit: u32,
    /// End when so many deliveries are acknowledged
    #[arg(long, value_name = "DELIVERIES", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// End at the head, when all that the consumer wants is acknowledged, skipped or parked
    #[arg(long)]
    until_caught_up: bool,
    /// A line for people, or a JSON object a line with the event, its place and the delivery
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Consume {
    pub(super) async fn run(self) -> Result<(), Failure> {
        // Before the server knows of this member: it leaves in order from the beginning.
        let mut asked = Box::pin(asked_to_end()?);
        let mut client = self.target.existing().await?.delivery;
        let (mut member, mut messages) = tokio::select! {
            joined = self.join(&mut client) => joined?,
            () = &mut asked => return Ok(()),
        };
        let worked = member.work(&mut messages, asked).await;
        // With it a ledger in this process is closed.
        drop(client);
        let count = member.account.acknowledged();
        eprintln!("acknowledged {count}");
        let open = member.account.open();
        worked.map_err(|failure| match open {
            0 => failure,
            _ => failure.and(format!("{open} that are not acknowledged come again")),
        })
    }

    async fn join(
        &self,
        client: &mut DeliveryClient,
    ) -> Result<(Member<'_>, Streaming<wire::ConsumeResponse>), Failure> {
        let (outgoing, requests) = unbounded_channel();
        let process = || format!("order-ledger {}", std::process::id());
        let join = proto::JoinConsumer {
            consumer: self.consumer.clone(),
            member: self.member.clone().unwrap_or_else(process),
        };
        let (account, credit) = Account::new(self.credit, self.limit);
        let first = proto::ConsumeRequest { join: Some(join), credit, ..Default::default() };
        // The other end is in the next line.
        let _ = outgoing.send(first);
        let messages = client.consume(UnboundedReceiverStream::new(requests)).await?.into_inner();
        let member = Member {
            consume: self,
            outgoing: Some(outgoing),
            writer: Writer::start(),
            account,
            pending: Vec::new(),
            lost: BTreeSet::new(),
            caught_up: false,
            ending: false,
            failure: None,
            alive: interval(PATIENCE),
        };
        Ok((member, messages))
    }

    fn line(&self, delivery: &wire::Delivery) -> String {
        let recorded = delivery.event.clone().unwrap_or_default();
        match self.output {
            Output::Table => format!("{}{}\n", recorded_line(&recorded), again_text(delivery)),
            Output::Json | Output::Ndjson => format!("{}\n", delivery_json(&recorded, delivery)),
        }
    }
}

/// Somebody who works for a consumer.
struct Member<'c> {
    consume: &'c Consume,
    /// The member's side of the stream; `None` when it has ended it.
    outgoing: Option<UnboundedSender<proto::ConsumeRequest>>,
    writer: Writer,
    account: Account,
    /// Deliveries that the writer does not have yet.
    pending: Vec<wire::Delivery>,
    /// Offsets of which it was told that they are not its any more.
    lost: BTreeSet<u64>,
    /// Whether nothing was left to do when the server last said where the consumer stands.
    caught_up: bool,
    /// Whether nothing more is to be written.
    ending: bool,
    /// Why it ends, where that is no good end.
    failure: Option<Failure>,
    /// When deliveries that cannot be written yet are said to be in progress.
    alive: Interval,
}

impl Member<'_> {
    /// Writes and acknowledges until there is a reason to end, and the server has confirmed it.
    async fn work(
        &mut self,
        messages: &mut Streaming<wire::ConsumeResponse>,
        mut asked: impl Future<Output = ()> + Unpin,
    ) -> Result<(), Failure> {
        let patience = sleep(PATIENCE);
        tokio::pin!(patience);
        let mut silence = interval(SILENCE_MAX / 2);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent_ticks = 0;
        loop {
            let writing = self.account.is_writing();
            tokio::select! {
                message = messages.message() => {
                    silent_ticks = 0;
                    let message = message.map_err(|status| self.failure_of(status.into()))?;
                    let Some(message) = message.and_then(|message| message.message) else {
                        let what = "the stream ended without a word of why";
                        return Err(self.failure_of(Failure::failed(what)));
                    };
                    if let Message::Closed(closed) = message {
                        return self.closed(closed.reason());
                    }
                    self.take(message);
                }
                written = self.writer.written(), if writing => match written {
                    Ok(()) => self.acknowledge(),
                    Err(error) => {
                        self.failure = Some(error.into());
                        self.account.give_up();
                        self.end(patience.as_mut());
                    }
                },
                () = &mut asked, if !self.ending => self.end(patience.as_mut()),
                () = &mut patience, if self.ending => {
                    if self.outgoing.is_none() {
                        let what = format!("the server did not confirm the end in {PATIENCE:?}");
                        return Err(self.failure_of(Failure::failed(what)));
                    }
                    // Nobody reads what is being written.
                    self.account.give_up();
                    patience.as_mut().reset(Instant::now() + PATIENCE);
                }
                _ = self.alive.tick() => self.say_in_progress(),
                // Whole halves: the first may be over when it begins.
                _ = silence.tick() => {
                    silent_ticks += 1;
                    if silent_ticks > 2 {
                        let what = format!("the server said nothing for {SILENCE_MAX:?}");
                        return Err(self.failure_of(Failure::failed(what)));
                    }
                }
            }
            self.go_on(patience.as_mut());
        }
    }

    /// Gives the writer what it can take; ends where all is done.
    fn go_on(&mut self, patience: std::pin::Pin<&mut Sleep>) {
        if !self.account.is_writing() && !self.ending && !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            self.account.write(pending.iter().map(offset_of).collect());
            self.writer.write(pending.iter().map(|delivery| self.consume.line(delivery)).collect());
        }
        let nothing_left = self.pending.is_empty() && !self.account.is_writing();
        let caught_up = self.consume.until_caught_up && self.caught_up && nothing_left;
        if !self.ending && (caught_up || self.account.is_done()) {
            self.end(patience);
        }
        if self.ending && !self.account.is_writing() {
            // What was acknowledged is sent before the stream ends.
            self.outgoing = None;
        }
    }

    /// Begins no further line; what is being written may come to its end.
    fn end(&mut self, patience: std::pin::Pin<&mut Sleep>) {
        self.ending = true;
        self.pending.clear();
        patience.reset(Instant::now() + PATIENCE);
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Joined(joined) => {
                let settings = joined.settings.unwrap_or_default();
                let timeout = settings.ack_timeout.unwrap_or_default();
                let timeout = Duration::try_from(timeout).unwrap_or_default();
                self.alive = interval((timeout / 3).max(IN_PROGRESS_MIN));
                self.alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
                self.progress(joined.progress.unwrap_or_default());
            }
            Message::Deliveries(deliveries) => {
                self.caught_up = false;
                for delivery in &deliveries.deliveries {
                    self.lost.remove(&offset_of(delivery));
                }
                self.account.came(deliveries.deliveries.len());
                if !self.ending {
                    self.pending.extend(deliveries.deliveries);
                }
            }
            Message::Progress(progress) => self.progress(progress),
            Message::Refused(refused) => {
                let reason = &refused.reason;
                eprintln!("refused: {} ({})", clean(&refused.message), clean(reason));
                if let Some(offset) = refused.offset {
                    self.lost(offset);
                }
            }
            // Who reads the messages has seen to it.
            Message::Closed(_) => {}
        }
    }

    /// A delivery is not this member's any more: what is not written yet is not written, and what
    /// was acknowledged does not count.
    fn lost(&mut self, offset: u64) {
        let waiting = self.pending.len();
        self.pending.retain(|delivery| offset_of(delivery) != offset);
        let is_written = waiting == self.pending.len() && !self.account.writing().contains(&offset);
        if is_written && self.lost.insert(offset) {
            let credit = self.account.refused();
            self.say(proto::ConsumeRequest { credit, ..Default::default() });
        }
    }

    fn progress(&mut self, progress: proto::ConsumeProgress) {
        let done = progress.acknowledged_to >= progress.head;
        self.caught_up = done && progress.scanned_to >= progress.head;
    }

    /// What was written has left this process.
    fn acknowledge(&mut self) {
        let (acks, credit) = self.account.written();
        self.say(proto::ConsumeRequest { acks, credit, ..Default::default() });
    }

    /// Whoever reads the lines takes its time: what waits is not to be delivered to others.
    fn say_in_progress(&mut self) {
        let waiting = self.pending.iter().map(offset_of);
        let in_progress: Vec<u64> = self.account.writing().iter().copied().chain(waiting).collect();
        if !in_progress.is_empty() {
            self.say(proto::ConsumeRequest { in_progress, ..Default::default() });
        }
    }

    fn say(&self, request: proto::ConsumeRequest) {
        if let Some(outgoing) =
            self.outgoing.as_ref().filter(|_| request != proto::ConsumeRequest::default())
        {
            // Where the stream is gone, its other side says why.
            let _ = outgoing.send(request);
        }
    }

    fn closed(&mut self, reason: proto::ConsumeClosedReason) -> Result<(), Failure> {
        let name = &self.consume.consumer;
        let failure = match reason {
            proto::ConsumeClosedReason::Left | proto::ConsumeClosedReason::Unspecified => None,
            proto::ConsumeClosedReason::Deleted => {
                Some(Failure::new(Exit::NotFound, format!("consumer {name} was deleted")))
            }
            // Who leaves anyway need not know.
            proto::ConsumeClosedReason::ShuttingDown | proto::ConsumeClosedReason::Reset
                if self.outgoing.is_none() =>
            {
                None
            }
            proto::ConsumeClosedReason::ShuttingDown => {
                Some(Failure::failed("the server shuts down; run it again when it is back"))
            }
            proto::ConsumeClosedReason::Reset => {
                Some(Failure::failed(format!("consumer {name} was moved; run it again")))
            }
        };
        self.failure.take().or(failure).map_or(Ok(()), Err)
    }

    /// The first reason of an end counts.
    fn failure_of(&mut self, failure: Failure) -> Failure {
        self.failure.take().unwrap_or(failure)
    }
}

fn offset_of(delivery: &wire::Delivery) -> u64 {
    delivery.event.as_ref().map_or(0, |recorded| recorded.offset)
}

/// What a delivery is beside a first one, behind its line.
fn again_text(delivery: &wire::Delivery) -> String {
    let said = |holds: bool, text: String| if holds { text } else { String::new() };
    [
        said(delivery.replayed, "  replayed".to_owned()),
        said(delivery.attempt > 1, format!("  attempt {}", delivery.attempt)),
        said(
            !delivery.last_reason.is_empty(),
            format!("  after: {}", clean(&delivery.last_reason)),
        ),
    ]
    .concat()
}

/// The event with its place, as `replay` writes it, and what there is to say of the delivery.
fn delivery_json(recorded: &wire::RecordedEvent, delivery: &wire::Delivery) -> Json {
    let mut json = recorded_json(recorded);
    let said = json_of("Delivery", &wire::Delivery { event: None, ..delivery.clone() });
    if let (Some(object), Json::Object(said)) = (json.as_object_mut(), said) {
        object.insert("delivery".to_owned(), json!(said));
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_a_delivery_is_beside_a_first_one() {
        let first = wire::Delivery { attempt: 1, ..Default::default() };
        assert_eq!(again_text(&first), "");
        let later = wire::Delivery {
            attempt: 3,
            replayed: true,
            last_reason: "no such\nmaterial".into(),
            ..Default::default()
        };
        assert_eq!(again_text(&later), "  replayed  attempt 3  after: no such\u{fffd}material");
    }

    #[test]
    fn a_delivery_has_its_own_words_beside_the_event() {
        let recorded = wire::RecordedEvent { offset: 7, ..Default::default() };
        let delivery =
            wire::Delivery { event: Some(recorded.clone()), attempt: 2, ..Default::default() };
        let json = delivery_json(&recorded, &delivery);
        assert_eq!((&json["offset"], &json["event"]), (&json!(7), &json!({})));
        assert_eq!(json["delivery"], json!({ "attempt": 2, "replayed": false }));
    }
}
