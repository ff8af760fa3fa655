//! `consumer`: who is told of events, where they stand, and what they are. Does not know how
//! events reach them.

mod page;
mod settings;

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use super::as_of::parse_time;
use super::failure::{Exit, Failure};
use super::output::{Output, grouped, json_of, width};
use super::target::Target;
use crate::proto;
use crate::rpc::wire::create_consumer_request::Start;
use crate::rpc::wire::reset_consumer_request::To;
use crate::rpc::{DeliveryClient, wire};
use settings::SettingsArguments;

pub(super) use page::counted;

#[derive(Debug, Args)]
pub(super) struct ConsumerCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a consumer; one that is there with the same settings is the same consumer
    Create(Box<Create>),
    /// Change the settings of a consumer, those that are given
    Update(Box<Update>),
    /// List all consumers
    List(List),
    /// Show where a consumer stands, what it is, and who works for it
    Show(Show),
    /// Move a consumer to another place in the log; what it has parked stays parked
    Reset(Reset),
    /// Delete a consumer: its members are closed and its place is forgotten; its history stays
    Delete(Delete),
}

/// One consumer of a ledger, and how it is shown.
#[derive(Debug, Args)]
struct One {
    #[command(flatten)]
    target: Target,
    /// The name of the consumer
    name: String,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    beginning: Beginning,
    /// Who asks, for the record
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true)]
    actor: String,
}

/// Where a new consumer begins; without any of these at the first event.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Beginning {
    /// Begin at this offset; without it at 0, so that it gets everything
    #[arg(long, value_name = "OFFSET")]
    from: Option<u64>,
    /// Begin at the first entry recorded at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from_recorded: Option<Timestamp>,
    /// Begin behind everything that is there
    #[arg(long)]
    at_head: bool,
}

#[derive(Debug, Args)]
struct Update {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    settings: SettingsArguments,
    /// Every event again, whatever filters there were
    #[arg(long, conflicts_with_all = FILTERS)]
    all_events: bool,
    /// Who asks, for the record
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true)]
    actor: String,
}

/// The flags of filters, by the names of their fields.
const FILTERS: [&str; 6] = ["types", "groups", "sources", "orders", "order_prefixes", "warehouses"];

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    target: Target,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    one: One,
}

#[derive(Debug, Args)]
struct Reset {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    to: Place,
    /// Who answers for it
    #[arg(long, value_name = "WHO")]
    actor: String,
    /// Why
    #[arg(long, value_name = "WHY")]
    reason: String,
}

/// Where a consumer goes on.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Go on at this offset
    #[arg(long, value_name = "OFFSET")]
    to: Option<u64>,
    /// Go on at the first entry recorded at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to_recorded: Option<Timestamp>,
    /// Go on behind everything that is there
    #[arg(long)]
    to_head: bool,
}

#[derive(Debug, Args)]
struct Delete {
    #[command(flatten)]
    one: One,
    /// Who asks, for the record
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true)]
    actor: String,
}

impl ConsumerCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create(create) => create.run().await,
            Action::Update(update) => update.run().await,
            Action::List(list) => list.run().await,
            Action::Show(show) => show.run().await,
            Action::Reset(reset) => reset.run().await,
            Action::Delete(delete) => delete.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let name = &self.one.name;
        let request = wire::CreateConsumerRequest {
            settings: Some(self.settings.of_new(name)),
            start: self.beginning.start(),
            actor: self.actor,
        };
        let mut client = self.one.client().await?;
        let created = client.create_consumer(request).await?.into_inner();
        let consumer = created.consumer.unwrap_or_default();
        let said = if created.existed {
            format!("{name} was there before, with the same settings")
        } else {
            format!("{name} is created, at offset {}", grouped(consumer.acknowledged_to))
        };
        let more = json!({ "existed": created.existed });
        Ok(self.one.print(&said, &consumer, &more)?)
    }
}

impl Beginning {
    fn start(&self) -> Option<Start> {
        let offset = self.from.map(Start::FromOffset);
        let recorded = self.from_recorded.map(Start::FromRecorded);
        offset.or(recorded).or(self.at_head.then_some(Start::AtHead(proto::AtHead {})))
    }
}

impl Update {
    async fn run(self) -> Result<(), Failure> {
        let mut client = self.one.client().await?;
        let present = self.one.consumer(&mut client).await?.settings.unwrap_or_default();
        let mut settings = self.settings.over(present.clone());
        if self.all_events {
            settings.filters.clear();
        }
        if settings == present {
            let message = format!("nothing to change: {} is so already", self.one.name);
            return Err(Failure::new(Exit::Usage, message));
        }
        let request = wire::UpdateConsumerRequest { settings: Some(settings), actor: self.actor };
        let updated = client.update_consumer(request).await?.into_inner();
        let said = format!("{} has other settings now", self.one.name);
        Ok(self.one.print(&said, &updated.consumer.unwrap_or_default(), &json!({}))?)
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.existing().await?.delivery;
        let listed = client.list_consumers(wire::ListConsumersRequest {}).await?.into_inner();
        let mut rows = listed.consumers.iter().map(|consumer| json_of("Consumer", consumer));
        let mut out = io::stdout().lock();
        match self.output {
            Output::Table => page::table(&listed.consumers).write(&mut out, width())?,
            Output::Json => {
                let rows: Vec<Json> = rows.collect();
                writeln!(out, "{}", json!({ "consumers": rows }))?;
            }
            Output::Ndjson => rows.try_for_each(|row| writeln!(out, "{row}"))?,
        }
        Ok(())
    }
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let mut client = self.one.client().await?;
        let consumer = self.one.consumer(&mut client).await?;
        Ok(self.one.print("", &consumer, &json!({}))?)
    }
}

impl Reset {
    async fn run(self) -> Result<(), Failure> {
        let mut client = self.one.client().await?;
        let request = wire::ResetConsumerRequest {
            consumer: self.one.name.clone(),
            to: self.to.to(),
            actor: self.actor,
            reason: self.reason,
        };
        let reset = client.reset_consumer(request).await?.into_inner();
        let consumer = reset.consumer.unwrap_or_default();
        let place = grouped(consumer.acknowledged_to);
        let said = format!("{} goes on at offset {place}", self.one.name);
        Ok(self.one.print(&said, &consumer, &json!({}))?)
    }
}

impl Place {
    fn to(&self) -> Option<To> {
        let recorded = self.to_recorded.map(To::Recorded);
        self.to.map(To::Offset).or(recorded).or(self.to_head.then_some(To::Head(proto::AtHead {})))
    }
}

impl Delete {
    async fn run(self) -> Result<(), Failure> {
        let mut client = self.one.client().await?;
        let name = &self.one.name;
        let request = wire::DeleteConsumerRequest { consumer: name.clone(), actor: self.actor };
        client.delete_consumer(request).await?;
        let mut out = io::stdout().lock();
        match self.one.output {
            Output::Table => writeln!(out, "{name} is deleted; its history stays")?,
            Output::Json | Output::Ndjson => writeln!(out, "{}", json!({ "deleted": name }))?,
        }
        Ok(())
    }
}

impl One {
    async fn client(&self) -> Result<DeliveryClient, Failure> {
        Ok(self.target.existing().await?.delivery)
    }

    async fn consumer(&self, client: &mut DeliveryClient) -> Result<proto::Consumer, Failure> {
        let request = wire::GetConsumerRequest { consumer: self.name.clone() };
        let answer = client.get_consumer(request).await?.into_inner();
        answer.consumer.ok_or_else(|| Failure::failed("the server did not show the consumer"))
    }

    /// What was done, in a sentence, and the consumer as it is now.
    fn print(&self, said: &str, consumer: &proto::Consumer, more: &Json) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.output {
            Output::Table => {
                if !said.is_empty() {
                    writeln!(out, "{said}\n")?;
                }
                page::write(&mut out, consumer, width())
            }
            Output::Json | Output::Ndjson => {
                let mut document = more.as_object().cloned().unwrap_or_default();
                document.insert("consumer".to_owned(), json_of("Consumer", consumer));
                writeln!(out, "{}", Json::Object(document))
            }
        }
    }
}
