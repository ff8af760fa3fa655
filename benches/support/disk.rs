//! The limit that the disk sets: a small write made durable, on a file that was filled before.
//! Does not know the ledger.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Bytes of the prepared file.
const FILE_LEN: u64 = 16 * 1024 * 1024;
const CHUNK_LEN: u64 = 1024 * 1024;
/// Latencies beyond this are counted as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
const WRITE: [u8; 4096] = [0x5a; 4096];

/// A file that was filled with zeros and made durable, as a log segment is.
#[derive(Debug)]
pub(crate) struct PreparedFile {
    file: File,
    position: u64,
}

impl PreparedFile {
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join("prepared-file");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(path).unwrap();
        let zeros = vec![0; usize::try_from(CHUNK_LEN).unwrap()];
        for position in (0..FILE_LEN).step_by(zeros.len()) {
            file.write_all_at(&zeros, position).unwrap();
        }
        file.sync_all().unwrap();
        Self { file, position: 0 }
    }

    /// Writes 4 KiB at the next place and waits until they are durable.
    pub(crate) fn write_and_sync(&mut self) {
        self.file.write_all_at(&WRITE, self.position).unwrap();
        self.file.sync_data().unwrap();
        self.position = (self.position + 4096) % FILE_LEN;
    }
}

/// The median of a 4 KiB write with fdatasync on a prepared file, over some time.
pub(crate) fn sync_p50(folder: &Path, time: Duration) -> Duration {
    let mut file = PreparedFile::new(folder);
    let mut latency = Histogram::<u64>::new_with_max(LATENCY_NS_MAX, 3).unwrap();
    let begin = Instant::now();
    while begin.elapsed() < time {
        let before = Instant::now();
        file.write_and_sync();
        latency.saturating_record(u64::try_from(before.elapsed().as_nanos()).unwrap());
    }
    Duration::from_nanos(latency.value_at_quantile(0.5))
}
