//! A server that knows many orders: states, look-ups and lists, warm and cold, and how fast the
//! views that they are read from are made.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use order_ledger::proto::{self, Basis, ListOrdersRequest, OrderFilter};
use order_ledger::{Event, History, LedgerServiceClient, Limits, Policy, RecordedEvent, fold};
use prost::Message as _;
use tonic::transport::Channel;

use super::append::{Batches, memory};
use crate::load::args::Args;
use crate::load::callers::{Caller, Run, Runs, median, run};
use crate::load::child::Server;
use crate::load::client::{BytesClient, connect, connect_callers};
use crate::load::report::{Report, Row};
use crate::support::feed::{OPEN_ORDERS, Orders, Stories, order_name};

const LOADERS: u64 = 4;
const BATCH_EVENTS: u64 = 1_000;
const CALLERS: [usize; 2] = [8, 32];
pub(super) const GET_ORDER: &str = "/orderledger.v1.LedgerService/GetOrder";
const FIND_ORDERS: &str = "/orderledger.v1.LedgerService/FindOrders";
/// Orders whose histories are folded again and again, so that memory is no limit.
const FOLDED_ORDERS: u64 = 1_000;
/// 2026-02-01, behind all that the stories tell.
const RECORDED_AT_NS: u64 = 1_769_904_000_000_000_000;
/// Calls that find nothing in memory.
const COLD_CALLS: u64 = 1_000;

pub(crate) async fn measure(args: &Args, folder: &Path, report: &mut Report) {
    if args.wants("orders, fold") {
        folds(args, report);
    }
    let names = ["load", "rebuild", "GetOrder", "FindOrders", "first page", "hot order"];
    if !names.iter().any(|name| args.wants(&format!("orders, {name}"))) {
        return;
    }
    let folder = folder.join("orders");
    let server = Server::of_ledger(&folder);
    load(args, &server, report).await;
    server.stop();
    if args.wants("orders, rebuild") {
        rebuild(args, &folder, report);
    }
    let server = Server::of_ledger(&folder);
    for (name, method, request) in LOOK_UPS {
        if args.wants(name) {
            for callers in CALLERS {
                warm(args, (&server, callers), (name, method, request), report).await;
            }
        }
    }
    lists(args, &server, report).await;
    super::hot::measure(args, &server, report).await;
    let row = Row::new("orders, memory under reads", server.memory().1 as f64 / 1e6, "MB");
    report.add(row.at_most(256.0).what(memory(&server)));
    server.stop();
    for (name, method, request) in LOOK_UPS {
        if args.wants(name) {
            cold(args, &folder, (name, method, request), report).await;
        }
    }
}

/// A question about one order: the name of the row, the method, and the encoded request.
pub(super) type LookUp = (&'static str, &'static str, fn(u64) -> Vec<u8>);

pub(super) const LOOK_UPS: [LookUp; 3] = [
    ("orders, GetOrder", GET_ORDER, |order| {
        let correlation_id = order_name(order);
        proto::GetOrderRequest { correlation_id, ..Default::default() }.encode_to_vec()
    }),
    ("orders, FindOrders by its own number", FIND_ORDERS, |order| find(order_name(order))),
    ("orders, FindOrders by tracking number", FIND_ORDERS, |order| find(format!("JJD{order:010}"))),
];

fn find(value: String) -> Vec<u8> {
    proto::FindOrdersRequest { value, ..Default::default() }.encode_to_vec()
}

/// One core, no ledger: events in memory become states.
fn folds(args: &Args, report: &mut Report) {
    let stories = Stories::of_a_distributor();
    let mut feed = Orders::default().feed_of(stories.clone(), FOLDED_ORDERS);
    let limits = Limits::default();
    let mut histories = vec![Vec::new(); usize::try_from(FOLDED_ORDERS).unwrap()];
    let bodies = feed.bodies(histories.len() * usize::try_from(stories.len()).unwrap());
    for (offset, body) in (0..).zip(bodies) {
        let event = Event::parse(body, &limits).unwrap();
        let (order, revision) = (offset % FOLDED_ORDERS, offset / FOLDED_ORDERS);
        let recorded = RecordedEvent {
            offset,
            revision,
            recorded_at_ns: RECORDED_AT_NS + offset,
            event,
            previous: [0; 32],
        };
        histories[usize::try_from(order).unwrap()].push(recorded);
    }
    let policy = Policy::default();
    let mut rates = Vec::new();
    for _ in 0..3 {
        let (begin, mut events) = (Instant::now(), 0);
        while begin.elapsed() < args.run_time() / 2 {
            for (order, own) in (0..).zip(&histories) {
                let name = order_name(order);
                let history = History { correlation_id: &name, events: own, incoming: &[] };
                let state = fold(&history, &policy);
                assert!(state.anomalies.is_empty() && !state.lines.is_empty());
                events += own.len();
            }
        }
        rates.push(events as f64 / begin.elapsed().as_secs_f64());
    }
    let row = Row::new("orders, fold", median(rates, |rate| *rate), "events/s");
    let what = format!("one core, {} events an order into a whole state", stories.len());
    report.add(row.at_least(1_000_000.0).what(what));
}

/// Appends every order's story, and waits until the views have all of it.
async fn load(args: &Args, server: &Server, report: &mut Report) {
    let (orders, stories) = (Orders::default(), Stories::of_a_distributor());
    let events = args.known_orders() * stories.len();
    let channels = connect_callers(&server.url, usize::try_from(LOADERS).unwrap(), 1).await;
    let (begin, before) = (Instant::now(), server.processor_us());
    let loaders = channels.into_iter().map(|channel| {
        let mut loader = Batches::new(channel, orders.feed_of(stories.clone(), OPEN_ORDERS));
        tokio::spawn(async move {
            for _ in 0..events / LOADERS / BATCH_EVENTS {
                loader.call().await;
            }
        })
    });
    for loader in loaders.collect::<Vec<_>>() {
        loader.await.unwrap();
    }
    let appended = begin.elapsed();
    let mut client = LedgerServiceClient::new(connect(&server.url).await);
    while client.list_orders(newest_at(events)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let all = begin.elapsed();
    let used = (server.processor_us() - before) / events as f64;
    let what = format!(
        "{LOADERS} x 1,000; {events} events of {:.0} bytes, {} orders; appended in {:.1} s, in the \
         views {:.1} s later; server uses {used:.2} us an event",
        stories.mean_len(),
        args.known_orders(),
        appended.as_secs_f64(),
        all.saturating_sub(appended).as_secs_f64(),
    );
    let row = Row::new("orders, load with views", events as f64 / all.as_secs_f64(), "events/s");
    report.add(row.at_least(200_000.0).what(what));
}

fn newest_at(head: u64) -> ListOrdersRequest {
    let basis = Some(Basis { at_least: head, ..Basis::default() });
    ListOrdersRequest { page_size: 1, basis, ..ListOrdersRequest::default() }
}

/// Makes all views again, as after they were deleted.
fn rebuild(args: &Args, folder: &Path, report: &mut Report) {
    std::fs::remove_file(folder.join("views.redb")).unwrap();
    let server = Server::of_ledger(folder);
    let seconds = server.opened_in.as_secs_f64();
    let events = (args.known_orders() * Stories::of_a_distributor().len()) as f64;
    let what = format!("opening without views: {seconds:.1} s; {}", memory(&server));
    let row = Row::new("orders, rebuild of all views", events / seconds, "events/s");
    report.add(row.at_least(300_000.0).what(what));
    server.stop();
}

/// Asks about orders all over the ledger; answers stay bytes.
pub(super) struct LookUps {
    client: BytesClient,
    method: &'static str,
    request: fn(u64) -> Vec<u8>,
    next: u64,
    orders: u64,
}

impl Caller for LookUps {
    async fn call(&mut self) -> u64 {
        self.next = (self.next + 7_919) % self.orders;
        let request = (self.request)(self.next).into();
        let answer = self.client.unary(self.method, request).await.unwrap();
        assert!(answer.len() > 100, "the order is found");
        1
    }
}

pub(super) fn look_up(
    args: &Args,
    channel: Channel,
    (_, method, request): LookUp,
    next: u64,
) -> LookUps {
    LookUps {
        client: BytesClient::new(channel),
        method,
        request,
        next,
        orders: args.known_orders(),
    }
}

async fn warm(
    args: &Args,
    (server, caller_count): (&Server, usize),
    look_up_of: LookUp,
    report: &mut Report,
) {
    let channels = connect_callers(&server.url, caller_count, args.callers_per_connection).await;
    let callers = (0..).zip(channels);
    let callers =
        callers.map(|(at, channel)| look_up(args, channel, look_up_of, at * 104_729)).collect();
    let before = server.processor_us();
    let mut runs = Runs::of(callers, args.run_time()).await;
    let run = runs.median().await;
    let used = (server.processor_us() - before) / runs.total as f64;
    let what = format!(
        "{caller_count} callers, all of {} orders, answers left as bytes; {}; server uses {used:.1} us",
        args.known_orders(),
        run.latencies()
    );
    report.add(Row::new(look_up_of.0, run.rate(), "calls/s").at_least(20_000.0).what(what));
}

/// Asks a server that has just started, when nothing of the ledger is in the page cache.
async fn cold(args: &Args, folder: &Path, look_up_of: LookUp, report: &mut Report) {
    forget_pages(folder);
    let server = Server::of_ledger(folder);
    let mut caller = look_up(args, connect(&server.url).await, look_up_of, 0);
    let mut run = Run::empty();
    let begin = Instant::now();
    for _ in 0..COLD_CALLS {
        let before = Instant::now();
        let count = caller.call().await;
        run.record(before.elapsed(), count);
    }
    run.elapsed = begin.elapsed();
    let what = format!("1 caller, {COLD_CALLS} orders, page cache dropped; {}", run.latencies());
    let row = Row::new(look_up_of.0, run.quantile_us(0.99) / 1e3, "ms");
    report.add(row.at_most(10.0).what(format!("cold p99: {what}")));
    server.stop();
}

/// Has the operating system drop what it keeps of the ledger's files.
fn forget_pages(folder: &Path) {
    let log = std::fs::read_dir(folder.join("log")).unwrap();
    let files = log.map(|file| file.unwrap().path()).chain([folder.join("views.redb")]);
    for file in files {
        let input = format!("if={}", file.display());
        let dropped = Command::new("dd").args([&input, "iflag=nocache", "count=0"]).output();
        assert!(dropped.unwrap().status.success());
    }
}

/// Asks for first pages of a list.
struct Lists {
    client: LedgerServiceClient<Channel>,
    request: ListOrdersRequest,
}

impl Caller for Lists {
    async fn call(&mut self) -> u64 {
        let list = self.client.list_orders(self.request.clone()).await.unwrap().into_inner();
        assert!(!list.orders.is_empty());
        1
    }
}

async fn lists(args: &Args, server: &Server, report: &mut Report) {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let filters = [
        ("all orders", OrderFilter::default()),
        (
            "exception blocked",
            OrderFilter { exception: words(&["blocked"]), ..OrderFilter::default() },
        ),
        (
            "commercial released, fulfillment packed",
            OrderFilter {
                commercial: words(&["released"]),
                fulfillment: words(&["packed"]),
                ..OrderFilter::default()
            },
        ),
        (
            "fulfillment shipped, exception clear, of one source",
            OrderFilter {
                fulfillment: words(&["shipped"]),
                exception: words(&["clear"]),
                sources: words(&["carrier:dhl"]),
                ..OrderFilter::default()
            },
        ),
        (
            "stood still in fulfillment for a day",
            OrderFilter {
                stage_age: Some(proto::StageAge {
                    dimension: proto::StatusDimension::Fulfillment.into(),
                    at_least: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
                }),
                ..OrderFilter::default()
            },
        ),
        (
            "open reason INV.SHORT at dc3",
            OrderFilter {
                open_reasons: words(&["INV.SHORT"]),
                warehouses: words(&["dc3"]),
                ..OrderFilter::default()
            },
        ),
    ];
    for (what, filter) in filters {
        for sort in [proto::OrderSort::Updated, proto::OrderSort::StageAge] {
            let name = "orders, first page of ListOrders";
            if !args.wants(name) {
                continue;
            }
            let filter = Some(filter.clone());
            let request =
                ListOrdersRequest { filter, sort: sort.into(), ..ListOrdersRequest::default() };
            let client = LedgerServiceClient::new(connect(&server.url).await);
            let (run, _) = run(vec![Lists { client, request }], args.run_time() / 4).await;
            let row = Row::new(name, run.quantile_us(0.99) / 1e3, "ms").at_most(20.0);
            let sort = sort.as_str_name();
            report.add(row.what(format!("p99, {what}, {sort}; {}", run.latencies())));
        }
    }
}
