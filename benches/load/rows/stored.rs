//! A server that holds many events: what it takes of memory and disk, how long it takes to open,
//! and what reading it brings.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use order_ledger::LedgerServiceClient;
use order_ledger::proto::GetHeadRequest;

use super::append::{Batches, memory};
use super::read;
use crate::load::args::Args;
use crate::load::callers::{Caller as _, median};
use crate::load::child::Server;
use crate::load::client::{connect, connect_callers};
use crate::load::report::{Report, Row};
use crate::support::feed::{Feed, OPEN_ORDERS, Orders};

const LOADERS: u64 = 4;
const BATCH_EVENTS: u64 = 1_000;

pub(crate) async fn measure(args: &Args, folder: &Path, report: &mut Report) {
    let names = ["stored:", "served, replay", "served, timeline of 12 events", "memory", "opening"];
    if !names.iter().any(|name| args.wants(name)) {
        return;
    }
    let folder = folder.join("stored");
    let server = Server::of_ledger(&folder);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = server.memory().0 as f64 / 1e6;
    report
        .add(Row::new("memory of the idle server", idle, "MB").at_most(50.0).what("empty ledger"));
    let orders = Orders::default();
    let stored = args.stored_events();
    load(&server, &orders, stored / 2, OPEN_ORDERS).await;
    let half = memory(&server);
    load(&server, &orders, stored / 2, OPEN_ORDERS).await;
    let (now, most) = server.memory();
    let what = format!(
        "{stored} events in batches of 1,000; now {:.0} MB; after half of them {half}",
        now as f64 / 1e6
    );
    report.add(Row::new("memory under load, at most", most as f64 / 1e6, "MB").what(what));
    server.kill();
    opened(&folder, "after kill -9 under load", stored, report).await;

    let mut times = Vec::new();
    for _ in 0..3 {
        let server = Server::of_ledger(&folder);
        times.push(server.opened_in.as_secs_f64());
        server.stop();
    }
    let what = format!("{stored} events, after a clean close, median of three");
    let time = median(times, |time| *time);
    report.add(Row::new("opening a ledger", time, "s").at_most(0.3).what(what));
    let size = Size::of(&folder);
    let row = Row::new("stored: bytes on disk an event", size.an_event(stored), "bytes");
    report.add(row.at_most(420.0).what(size.words(stored)));

    let server = Server::of_ledger(&folder);
    read::replay(args, &server, stored, report).await;
    read::timelines(args, &server, orders.count(), report).await;
    let (now, most) = server.memory();
    let what = format!("after replays and timelines; now {:.0} MB", now as f64 / 1e6);
    report.add(Row::new("memory under reads, at most", most as f64 / 1e6, "MB").what(what));
    server.stop();
    spread(args, &folder.with_file_name("spread"), report).await;
}

/// Appends so many events from a few callers; a whole number of orders for each.
pub(super) async fn load(server: &Server, orders: &Orders, events: u64, open: u64) {
    let channels = connect_callers(&server.url, usize::try_from(LOADERS).unwrap(), 1).await;
    let loaders = channels.into_iter().map(|channel| {
        let feed: Feed = orders.feed(open);
        let mut loader = Batches::new(channel, feed);
        tokio::spawn(async move {
            for _ in 0..events / LOADERS / BATCH_EVENTS {
                loader.call().await;
            }
        })
    });
    for loader in loaders.collect::<Vec<_>>() {
        loader.await.unwrap();
    }
}

async fn opened(folder: &Path, how: &str, stored: u64, report: &mut Report) {
    let server = Server::of_ledger(folder);
    let mut client = LedgerServiceClient::new(connect(&server.url).await);
    let head = client.get_head(GetHeadRequest::default()).await.unwrap().into_inner().head;
    assert_eq!(head, stored, "every acknowledged event is there");
    let what = format!("{stored} events, {how}");
    report.add(Row::new("opening a ledger", server.opened_in.as_secs_f64(), "s").what(what));
    server.stop();
}

/// Orders whose events are far apart in the log: each in another pass over the views.
async fn spread(args: &Args, folder: &Path, report: &mut Report) {
    let name = "stored: spread";
    if !args.wants(name) {
        return;
    }
    let server = Server::of_ledger(folder);
    let open = args.stored_events() / 24 / LOADERS;
    let stored = open * LOADERS * 12 / BATCH_EVENTS * BATCH_EVENTS;
    load(&server, &Orders::default(), stored, open).await;
    server.stop();
    let size = Size::of(folder);
    let what = format!("{} orders open at a time; {}", open * LOADERS, size.words(stored));
    report.add(Row::new(name, size.an_event(stored), "bytes").what(what));
}

/// Bytes of a ledger's files.
struct Size {
    /// Bytes of the log up to the end of its last block.
    log: u64,
    /// Bytes of all segments, prepared ones included.
    log_files: u64,
    views_allocated: u64,
    views_length: u64,
}

impl Size {
    fn of(folder: &Path) -> Self {
        let (mut log, mut log_files) = (0, 0);
        for file in std::fs::read_dir(folder.join("log")).unwrap() {
            let path = file.unwrap().path();
            log_files += path.metadata().unwrap().len();
            if path.extension().is_some_and(|extension| extension == "seg") {
                // Blocks never end in a zero.
                let bytes = std::fs::read(&path).unwrap();
                log += bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1);
            }
        }
        let views = folder.join("views.redb").metadata().unwrap();
        let (views_allocated, views_length) = (views.blocks() * 512, views.len());
        Self { log, log_files, views_allocated, views_length }
    }

    fn an_event(&self, events: u64) -> f64 {
        (self.log + self.views_allocated) as f64 / events as f64
    }

    fn words(&self, events: u64) -> String {
        let [log, views] = [self.log, self.views_allocated].map(|size| size as f64 / events as f64);
        format!(
            "log {log:.1} + views {views:.1}; files: segments {} MB, views {} MB long",
            self.log_files / 1_000_000,
            self.views_length / 1_000_000
        )
    }
}
