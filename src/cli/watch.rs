//! `watch`: each order that changed, with its state, as it changes. Does not know how changes are
//! noticed.

use std::collections::BTreeSet;
use std::io::Write as _;

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::follow::{Follow, Out, Said, follow};
use super::grid::cut;
use super::list::word;
use super::output::{Output, clean, json_of, seconds_text, width};
use super::target::Target;
use crate::proto::Order;
use crate::rpc::wire;
use crate::rpc::wire::stream_orders_response::Message;

#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    target: Target,
    /// Orders with an event at or behind this offset
    #[arg(long, value_name = "OFFSET", default_value_t = 0)]
    from: u64,
    /// Go on live at the head, until interrupted
    #[arg(long)]
    follow: bool,
    /// A line for people, or a JSON object a line with the order and its basis
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Watch {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let request = wire::StreamOrdersRequest { from_offset: self.from, follow: self.follow };
        let messages = client.stream_orders(request).await?.into_inner();
        follow(&self, messages, Some(self.from)).await
    }
}

impl Follow for Watch {
    type Message = wire::StreamOrdersResponse;
    type Brings = wire::OrderChunk;

    fn said(message: wire::StreamOrdersResponse) -> Option<Said<wire::OrderChunk>> {
        Some(match message.message? {
            Message::Orders(chunk) => Said::Brings(chunk),
            Message::Progress(progress) => Said::Progress(progress),
            Message::CaughtUp(caught_up) => Said::CaughtUp(caught_up),
            Message::Closed(closed) => Said::Closed(closed),
        })
    }

    fn says_where(&self) -> bool {
        true
    }

    fn write(&self, out: &mut Out, chunk: wire::OrderChunk) -> Result<Option<u64>, Failure> {
        for changed in chunk.orders {
            let (order, basis) = (changed.order.unwrap_or_default(), changed.basis);
            match self.output {
                Output::Table => writeln!(out, "{}", cut(&line_of(&order, basis), width()))?,
                Output::Json | Output::Ndjson => {
                    let order = json_of("Order", &order);
                    writeln!(out, "{}", json!({ "basis": basis, "order": order }))?;
                }
            }
        }
        Ok(Some(chunk.scanned_to))
    }

    fn caught_up(&self, head: u64) {
        if self.follow {
            eprintln!("caught up at {head}");
        }
    }
}

fn line_of(order: &Order, basis: u64) -> String {
    let sides = [&order.commercial, &order.fulfillment, &order.shipment, &order.exception];
    let words: Vec<String> =
        sides.iter().map(|side| word(side.as_ref())).filter(|word| !word.is_empty()).collect();
    let last = order.last_event.clone().unwrap_or_default();
    let id = format!("{}#{}", order.correlation_id, order.revision.saturating_sub(1));
    let at = seconds_text(last.recorded_at.as_ref());
    let open = open_text(order);
    let parts = [format!("{basis:>10}"), at, id, words.join(" / "), open, last.r#type];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    clean(&parts.collect::<Vec<_>>().join("  "))
}

/// How much stands in the way of an order, and why.
fn open_text(order: &Order) -> String {
    let holds = order.holds.iter().filter(|hold| hold.open).map(|hold| &hold.reason);
    let exceptions = order.exceptions.iter().filter(|exception| exception.open);
    let open: Vec<_> = holds.chain(exceptions.map(|exception| &exception.reason)).collect();
    if open.is_empty() {
        return String::new();
    }
    let codes = open.iter().filter_map(|reason| Some(reason.as_ref()?.code.as_str()));
    let codes: BTreeSet<&str> = codes.filter(|code| !code.is_empty()).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let why = if codes.is_empty() { String::new() } else { format!(": {}", codes.join(", ")) };
    format!("{} open{why}", open.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{DimensionStatus, Hold, OrderException, Reason};

    #[test]
    fn a_line_says_where_the_order_stands_and_what_is_in_its_way() {
        let status = |word: &str| Some(DimensionStatus { word: word.into(), ..Default::default() });
        let reason = |code: &str| Some(Reason { code: code.into(), ..Default::default() });
        let raised =
            |code: &str, open| OrderException { reason: reason(code), open, ..Default::default() };
        let order = Order {
            correlation_id: "erp/7".into(),
            revision: 3,
            fulfillment: status("picked"),
            exception: status("blocked"),
            holds: vec![Hold { open: true, ..Default::default() }],
            exceptions: vec![raised("INV.SHORT", true), raised("CAR.DELAY", false)],
            ..Default::default()
        };
        let line = line_of(&order, 40);
        assert!(line.starts_with("        40  "), "{line}");
        assert!(line.contains("erp/7#2  picked / blocked  2 open: INV.SHORT"), "{line}");
        let clear = Order { revision: 1, ..Default::default() };
        assert!(!line_of(&clear, 1).contains("open"));
    }
}
