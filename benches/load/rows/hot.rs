//! An order of very many events in a ledger of many orders: what it costs to ask for it, to list it,
//! and what others feel of it.

use std::time::Instant;

use bytes::Bytes;
use order_ledger::LedgerServiceClient;
use order_ledger::proto::{
    AppendRequest, Basis, GetOrderRequest, Line, ListOrdersRequest, OrderEvent,
};
use prost::Message as _;
use tonic::transport::Channel;

use super::orders::{GET_ORDER, LOOK_UPS, look_up};
use crate::load::args::Args;
use crate::load::callers::{Caller, Run, run};
use crate::load::child::Server;
use crate::load::client::{BytesClient, connect};
use crate::load::report::{Report, Row};

const HOT_EVENTS: u64 = 5_000;
const BATCH_EVENTS: u64 = 1_000;
/// Lists behind an append each.
const LISTS: u64 = 50;
const HOT_ORDER: &str = "erp:prd-100/hot";

pub(crate) async fn measure(args: &Args, server: &Server, report: &mut Report) {
    let name = "orders, hot order";
    if !args.wants(name) {
        return;
    }
    let channel = connect(&server.url).await;
    let mut client = LedgerServiceClient::new(channel.clone());
    for first in (0..HOT_EVENTS).step_by(usize::try_from(BATCH_EVENTS).unwrap()) {
        append(&mut client, first..first + BATCH_EVENTS).await;
    }
    let mut listed = Run::empty();
    for number in HOT_EVENTS..HOT_EVENTS + LISTS {
        let at_least = append(&mut client, number..number + 1).await;
        let basis = Some(Basis { at_least, ..Basis::default() });
        let request = ListOrdersRequest { page_size: 1, basis, ..ListOrdersRequest::default() };
        let before = Instant::now();
        let list = client.list_orders(request).await.unwrap().into_inner();
        listed.record(before.elapsed(), 1);
        assert_eq!(list.orders[0].correlation_id, HOT_ORDER);
    }
    let alone = others(args, server).await;
    let hot = Hot(BytesClient::new(channel));
    let asking = tokio::spawn(run(vec![hot], args.run_time()));
    let beside = others(args, server).await;
    let (asked, _) = asking.await.unwrap();
    let row = |ms: f64| Row::new(name, ms, "ms");
    let events = HOT_EVENTS + LISTS;
    let what = format!("GetOrder of {events} events, p50; {}", asked.latencies());
    report.add(row(asked.quantile_us(0.5) / 1e3).what(what));
    let what = format!("a list behind an append to it, p50; {}", listed.latencies());
    report.add(row(listed.quantile_us(0.5) / 1e3).what(what));
    let what = format!(
        "GetOrder of other orders beside it, p50; {}; alone {}",
        beside.latencies(),
        alone.latencies()
    );
    report.add(row(beside.quantile_us(0.5) / 1e3).what(what));
}

/// Asks for other orders, one after the other.
async fn others(args: &Args, server: &Server) -> Run {
    let caller = look_up(args, connect(&server.url).await, LOOK_UPS[0], 0);
    run(vec![caller], args.run_time() / 2).await.0
}

/// Picks one piece in each event; the head afterwards.
async fn append(client: &mut LedgerServiceClient<Channel>, numbers: std::ops::Range<u64>) -> u64 {
    let event = |number: u64| OrderEvent {
        correlation_id: HOT_ORDER.into(),
        source: "wms:dc3".into(),
        event_id: format!("hot-{number}"),
        r#type: "pick.confirmed".into(),
        lines: vec![Line {
            line_id: (number % 100).to_string(),
            quantity: "1".into(),
            unit: "EA".into(),
            ..Line::default()
        }],
        ..OrderEvent::default()
    };
    let events = numbers.map(event).collect();
    let request = AppendRequest { events, ..AppendRequest::default() };
    client.append(request).await.unwrap().into_inner().head
}

/// Asks for the hot order.
struct Hot(BytesClient);

impl Caller for Hot {
    async fn call(&mut self) -> u64 {
        let request = GetOrderRequest { correlation_id: HOT_ORDER.into(), ..Default::default() };
        let answer = self.0.unary(GET_ORDER, Bytes::from(request.encode_to_vec())).await;
        assert!(answer.unwrap().len() > 1_000);
        1
    }
}
