//! `parked`: orders that a consumer could not be told of, what is wrong with each, and what becomes
//! of them. Does not know why a delivery fails.

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use super::as_of::parse_time;
use super::consumer::counted;
use super::failure::{Exit, Failure};
use super::grid::{Grid, column};
use super::list::{Limit, open_text, word};
use super::output::{Output, duration_text, json_of, width};
use super::target::Target;
use crate::proto;
use crate::time::{now_ns, ns_from_parts};

#[derive(Debug, Args)]
pub(super) struct ParkedCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List parked orders, those that wait longest first: what failed, and beside it what the
    /// order itself says
    List(List),
    /// Have parked orders delivered again, from the event that they stand at
    Replay(Replay),
    /// Leave out the event that each of some parked orders stands at
    Skip(Skip),
}

/// Which parked orders are meant. All that is said must hold; of several values of a flag any may.
#[derive(Debug, Args)]
struct Selection {
    /// Only this order; may be given several times
    #[arg(long = "order", value_name = "ORDER")]
    orders: Vec<String>,
    /// Only those that stand at an event of these types, such as `pick.confirmed` or `pick.*`
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only those parked at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Only those parked before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before: Option<Timestamp>,
    /// Only those whose last reason contains this, upper and lower case alike
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason_contains: String,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    target: Target,
    /// Only of this consumer; without it of all
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    consumer: String,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    limit: Limit,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Replay {
    #[command(flatten)]
    target: Target,
    /// The name of the consumer
    consumer: String,
    #[command(flatten)]
    selection: Selection,
    /// Only say how much that would be
    #[arg(long)]
    dry_run: bool,
    /// Who asks, for the record
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true)]
    actor: String,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Skip {
    #[command(flatten)]
    target: Target,
    /// The name of the consumer
    consumer: String,
    #[command(flatten)]
    selection: Selection,
    /// All that waits of these orders, and not only the event that each stands at
    #[arg(long)]
    all_waiting: bool,
    /// Only say how much that would be
    #[arg(long)]
    dry_run: bool,
    /// Who answers for it
    #[arg(long, value_name = "WHO")]
    actor: String,
    /// Why
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl ParkedCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::List(list) => list.run().await,
            Action::Replay(replay) => replay.run().await,
            Action::Skip(skip) => skip.run().await,
        }
    }
}

impl Selection {
    /// As a request says it; `None` where nothing was said.
    fn filter(&self) -> Option<proto::ParkedFilter> {
        let filter = proto::ParkedFilter {
            correlation_ids: self.orders.clone(),
            types: self.types.clone(),
            parked_since: self.since,
            parked_before: self.before,
            reason_contains: self.reason_contains.clone(),
        };
        (filter != proto::ParkedFilter::default()).then_some(filter)
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.existing().await?.delivery;
        let mut request = proto::ListParkedRequest {
            consumer: self.consumer.clone(),
            filter: self.selection.filter(),
            ..Default::default()
        };
        let mut orders = Vec::new();
        let (total, more) = loop {
            request.page_size = self.limit.page_size(orders.len());
            let page = client.list_parked(request.clone()).await?.into_inner();
            orders.extend(page.orders);
            let more = !page.next_page_token.is_empty();
            if !more || self.limit.is_reached(orders.len()) {
                break (page.total, more);
            }
            request.page_token = page.next_page_token;
        };
        self.print(&orders, (total, more))?;
        if more {
            self.limit.say_more();
        }
        Ok(())
    }

    fn print(&self, orders: &[proto::ParkedOrder], (total, more): (u64, bool)) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let mut rows = orders.iter().map(|order| json_of("ParkedOrder", order));
        match self.output {
            Output::Table => grid_of(orders, now_ns()).write(&mut out, width()),
            Output::Json => {
                let rows: Vec<Json> = rows.collect();
                writeln!(out, "{}", json!({ "total": total, "orders": rows, "more": more }))
            }
            Output::Ndjson => rows.try_for_each(|row| writeln!(out, "{row}")),
        }
    }
}

/// What failed, and beside it what the order itself says, at a time in nanoseconds of the Unix
/// epoch.
fn grid_of(orders: &[proto::ParkedOrder], now_ns: u64) -> Grid {
    let mut grid = Grid::new([
        column("CONSUMER").wrap(),
        column("ORDER").wrap(),
        column("STANDS AT").wrap(),
        column("ATTEMPTS").right().spare(),
        column("LAST REASON").wrap(),
        column("WAITING").right(),
        column("PARKED FOR"),
        column("EXCEPTION"),
        column("OPEN").optional().wrap(),
    ]);
    for order in orders {
        let parked = order.parked.clone().unwrap_or_default();
        let at = order.parked_at.as_ref().and_then(|at| ns_from_parts(at.seconds, at.nanos));
        let at_ns = at.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(now_ns);
        let status = order.status.as_ref();
        grid.row([
            order.consumer.clone(),
            parked.correlation_id,
            format!("{} #{}", parked.r#type, parked.offset),
            parked.attempts.to_string(),
            parked.reason,
            counted(order.waiting_events, "event", "events"),
            duration_text(now_ns.saturating_sub(at_ns)),
            status.map_or_else(|| "-".to_owned(), |status| word(status.exception.as_ref())),
            status.map(open_text).unwrap_or_default(),
        ]);
    }
    grid
}

impl Replay {
    async fn run(self) -> Result<(), Failure> {
        let request = proto::ReplayParkedRequest {
            consumer: self.consumer.clone(),
            filter: self.selection.filter(),
            dry_run: self.dry_run,
            actor: self.actor,
        };
        let selects = request.filter.is_some();
        let mut client = self.target.existing().await?.delivery;
        let answer = client.replay_parked(request).await?.into_inner();
        let counts = (answer.order_count, answer.event_count);
        let verb = Verb { done: "delivered again", dry_run: self.dry_run };
        verb.print(counts, self.output)?;
        if selects && answer.order_count == 0 {
            return Err(none_of(&self.consumer));
        }
        Ok(())
    }
}

impl Skip {
    async fn run(self) -> Result<(), Failure> {
        let filter = self.selection.filter();
        if filter.is_none() {
            let flags = "--order, --type, --since, --before or --reason-contains";
            let message = format!("say which orders: {flags}");
            return Err(Failure::new(Exit::Usage, message));
        }
        let request = proto::SkipParkedRequest {
            consumer: self.consumer.clone(),
            filter,
            all_waiting: self.all_waiting,
            dry_run: self.dry_run,
            actor: self.actor,
            reason: self.reason,
        };
        let mut client = self.target.existing().await?.delivery;
        let answer = client.skip_parked(request).await?.into_inner();
        let verb = Verb { done: "left out", dry_run: self.dry_run };
        verb.print((answer.order_count, answer.event_count), self.output)?;
        if answer.order_count == 0 {
            return Err(none_of(&self.consumer));
        }
        Ok(())
    }
}

fn none_of(consumer: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("no order that {consumer} has parked is meant"))
}

/// What is done with parked orders, or would be.
struct Verb {
    done: &'static str,
    dry_run: bool,
}

impl Verb {
    fn text(&self, (orders, events): (u64, u64)) -> String {
        let verb = match (self.dry_run, events) {
            (true, _) => "would be",
            (false, 1) => "is",
            (false, _) => "are",
        };
        let orders = counted(orders, "order", "orders");
        let events = counted(events, "event", "events");
        format!("{events} of {orders} {verb} {}", self.done)
    }

    fn print(&self, counts: (u64, u64), output: Output) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match output {
            Output::Table => writeln!(out, "{}", self.text(counts)),
            Output::Json | Output::Ndjson => {
                let (orders, events) = counts;
                let document = json!({
                    "order_count": orders, "event_count": events, "dry_run": self.dry_run,
                });
                writeln!(out, "{document}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::grid::columns_of;
    use crate::proto::{DimensionStatus, OrderStatus, ParkedAt};

    fn parked() -> proto::ParkedOrder {
        proto::ParkedOrder {
            consumer: "erp-updater".into(),
            parked: Some(ParkedAt {
                correlation_id: "erp/7".into(),
                offset: 41,
                r#type: "pick.shorted".into(),
                attempts: 10,
                reason: "ERP says: material is locked".into(),
            }),
            parked_at: Some(Timestamp { seconds: 1_774_000_000, nanos: 0 }),
            waiting_events: 3,
            status: Some(OrderStatus {
                exception: Some(DimensionStatus { word: "blocked".into(), ..Default::default() }),
                open_exception_count: 1,
                open_reasons: vec!["INV.SHORT".into()],
                ..Default::default()
            }),
        }
    }

    fn text(orders: &[proto::ParkedOrder], width: Option<usize>) -> String {
        let mut out = Vec::new();
        grid_of(orders, (1_774_000_000 + 5_400) * 1_000_000_000).write(&mut out, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_has_what_failed_and_beside_it_what_the_order_says() {
        let row = "erp-updater  erp/7  pick.shorted #41        10  ERP says: material is locked  \
                   3 events  1 h 30 min  blocked    1: INV.SHORT\n";
        let table = text(&[parked()], None);
        assert!(table.ends_with(row), "{table}");
        let behind = proto::ParkedOrder { status: None, ..parked() };
        let table = text(&[behind], None);
        assert!(table.ends_with("1 h 30 min  -\n") && !table.contains("OPEN"), "{table}");
        for width in [40, 60, 80, 100] {
            for line in text(&[parked()], Some(width)).lines() {
                assert!(columns_of(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn what_is_done_is_told_from_what_would_be() {
        let done = Verb { done: "left out", dry_run: false };
        assert_eq!(done.text((1, 1)), "1 event of 1 order is left out");
        assert_eq!(done.text((2, 1_200)), "1,200 events of 2 orders are left out");
        let dry = Verb { done: "delivered again", dry_run: true };
        assert_eq!(dry.text((1, 1)), "1 event of 1 order would be delivered again");
    }
}
