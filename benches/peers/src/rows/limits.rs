//! What the machine can do without any store: the disk, and gRPC that does nothing. Knows no peer.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;

use crate::bench::Bench;
use crate::feed::{Bodies, Told};
use crate::figures::{Measure, Work};
use crate::load::client::{BytesClient, connect};
use crate::load::echo::{Parcel, REPEAT};
use crate::load::pipeline::Exchange;
use crate::server::{Kind, Server};

const PAGE: usize = 4_096;
const PREPARED_PAGES: u64 = 4_096;
const SEQUENTIAL_BYTES: u64 = 512 * 1024 * 1024;
const CHUNK_BYTES: usize = 1024 * 1024;
/// Events of a message of the bare stream.
const CHUNK_EVENTS: u64 = 900;

/// Parcels of the size of an append of one event, sent and sent back.
#[derive(Clone)]
pub(crate) struct Parcels(Bytes);

impl Parcels {
    pub(crate) fn of_one(bodies: &Bodies) -> Self {
        let content = bodies.bytes(Told { order: 0, revision: 0 });
        Self(Parcel { content, times: 1 }.encode_to_vec().into())
    }
}

impl Exchange for Parcels {
    fn request(&mut self, _number: u64) -> Bytes {
        self.0.clone()
    }

    fn answered(&self, _number: u64, answer: Bytes) -> u64 {
        u64::from(Parcel::decode(answer).unwrap().times)
    }
}

pub(crate) async fn measure_all(bench: &mut Bench) {
    if !bench.args.wants("limit") {
        return;
    }
    let echo = bench.new_server(Kind::Echo).await;
    let names = ["limit: 4 KiB write and fdatasync of a prepared file", GROWN, SEQUENTIAL, STREAM];
    let works: Vec<Work> = names.into_iter().map(Work::new).collect();
    for round in 1..=bench.args.rounds {
        let time = bench.args.run_time();
        let folder = bench.folder.clone();
        let stream = stream(bench, &echo).await;
        let values = [
            (syncs(&folder, time, true), "per s"),
            (syncs(&folder, time, false), "per s"),
            (sequential(&folder, bench.args.quick), "MB/s"),
            (stream, "events/s"),
        ];
        for (work, value) in works.iter().zip(values) {
            let mut measure = Measure::new(work, Kind::Echo, round, value);
            if value.1 == "per s" {
                measure = measure.beside("mean us", 1e6 / value.0);
            }
            bench.figures.add(measure);
        }
    }
    works.iter().for_each(|work| bench.figures.print(work));
    bench.save();
    bench.discard(vec![echo]);
}

const GROWN: &str = "limit: 4 KiB write and fdatasync of a growing file";
const SEQUENTIAL: &str = "limit: sequential write";
const STREAM: &str = "limit: bare gRPC stream";

fn file(folder: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    options.open(folder.join("limit")).unwrap()
}

/// Small durable writes in a second, one after the other.
fn syncs(folder: &Path, time: Duration, prepared: bool) -> f64 {
    let file = file(folder);
    let page = [0x5a; PAGE];
    if prepared {
        for at in 0..PREPARED_PAGES {
            file.write_all_at(&[0; PAGE], at * PAGE as u64).unwrap();
        }
        file.sync_all().unwrap();
    }
    let (mut count, begin) = (0, Instant::now());
    while begin.elapsed() < time {
        let at = if prepared { count % PREPARED_PAGES } else { count };
        file.write_all_at(&page, at * PAGE as u64).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    count as f64 / begin.elapsed().as_secs_f64()
}

/// Megabytes in a second of one long write that is durable at its end.
fn sequential(folder: &Path, quick: bool) -> f64 {
    let file = file(folder);
    let chunk = vec![0x5a; CHUNK_BYTES];
    let bytes = if quick { SEQUENTIAL_BYTES / 8 } else { SEQUENTIAL_BYTES };
    let begin = Instant::now();
    for at in (0..bytes).step_by(CHUNK_BYTES) {
        file.write_all_at(&chunk, at).unwrap();
    }
    file.sync_all().unwrap();
    bytes as f64 / 1e6 / begin.elapsed().as_secs_f64()
}

/// Events in a second of a stream that repeats one message of many.
async fn stream(bench: &Bench, echo: &Server) -> f64 {
    echo.go_on();
    let bodies = bench.setting.bodies(Kind::Echo);
    let mut content = Vec::new();
    for order in 0..CHUNK_EVENTS {
        bodies.write(Told { order, revision: 0 }, &mut content);
    }
    let times = bench.args.stored_events() / CHUNK_EVENTS;
    let parcel = Parcel { content: content.into(), times: u32::try_from(times).unwrap() };
    let mut client = BytesClient::new(connect(&echo.url()).await);
    let request = Bytes::from(parcel.encode_to_vec());
    let begin = Instant::now();
    let mut answers = client.server_streaming(REPEAT, request).await.unwrap();
    let mut messages = 0;
    while answers.message().await.unwrap().is_some() {
        messages += 1;
    }
    echo.pause();
    (messages * CHUNK_EVENTS) as f64 / begin.elapsed().as_secs_f64()
}
