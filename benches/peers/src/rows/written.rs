//! Bytes that reach the disk for an event: what the block device has written while a server ran
//! alone, the journal of the file system included. Does not know how a server writes.
//!
//! What the kernel says of a process (`/proc/PID/io`) counts whole folios of the page cache, up to
//! megabytes for a small write, and so cannot be used.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bench::Bench;
use crate::client::{self, Guard, connect};
use crate::figures::Measure;
use crate::load::callers::run;
use crate::rows::append::Appender;

pub(crate) const NAME: &str = "bytes written to disk an event";
/// Callers, and events of a request.
const RUNS: [(usize, usize); 3] = [(1, 1), (32, 1), (4, 1_000)];
const SECTOR_BYTES: f64 = 512.0;
/// How long others are listened to.
const QUIET: Duration = Duration::from_millis(500);

pub(crate) async fn measure_all(bench: &mut Bench) {
    if !bench.args.wants(NAME) {
        return;
    }
    let device = device_of(&bench.folder);
    if written(&device).is_none() {
        println!("{NAME}: left out, {} does not count", device.display());
        return;
    }
    for (callers, batch) in RUNS {
        let work = bench.work(NAME).callers(callers).batch(batch);
        let servers = bench.new_servers(&[]).await;
        for round in 1..=bench.args.rounds {
            for server in &servers {
                rustix::fs::sync();
                let others = written(&device).unwrap();
                tokio::time::sleep(QUIET).await;
                let others = (written(&device).unwrap() - others) / QUIET.as_secs_f64() / 1e6;
                server.go_on();
                let clients = connect(server, &bench.setting, callers).await.into_iter();
                let feed = || server.orders.feed(100);
                let appender = |client| Appender::new(client, feed(), (batch, Guard::Blind));
                let appenders = clients.map(appender).collect();
                let before = written(&device).unwrap() - server.prepared();
                let (run, appenders) = run(appenders, bench.args.run_time()).await;
                client::settle(server).await;
                drop(appenders);
                server.pause();
                rustix::fs::sync();
                let bytes = written(&device).unwrap() - server.prepared() - before;
                let value = (bytes / run.count as f64, "bytes");
                let measure = Measure::new(&work, server.kind, round, value)
                    .beside("events", run.count as f64)
                    .beside("others wrote MB/s", others);
                bench.figures.add(measure);
            }
        }
        bench.figures.print(&work);
        bench.save();
        bench.discard(servers);
    }
}

fn device_of(folder: &Path) -> PathBuf {
    let device = folder.metadata().unwrap().dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"))
}

/// Bytes that a device has written since the machine was started.
fn written(device: &Path) -> Option<f64> {
    let stat = std::fs::read_to_string(device).ok()?;
    let sectors: f64 = stat.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors * SECTOR_BYTES)
}
