//! Fills the next segment with zeros before it is needed, in a thread of its own, so that an append
//! never waits for a file to grow. Does not know what the segment will hold.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::disk::{Disk, DiskFile, write_all_at};
use super::segments::PREPARED_NAME;
use crate::num::{u64_from, usize_from};

/// Zeros that are made durable at a time: few enough not to hold up the log's own sync, and enough
/// that the file system does not write its journal for every one.
const CHUNK_LEN: usize = 4 * 1024 * 1024;
/// How often a full disk is tried again while somebody asks for a segment.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Makes segments ahead of need.
#[derive(Debug)]
pub(crate) struct Preparer {
    requests: Option<SyncSender<()>>,
    prepared: Receiver<io::Result<Arc<dyn DiskFile>>>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// Whether an answer is outstanding.
    requested: bool,
    /// The last failure, which stands until it is time to try again.
    failure: Option<(Instant, io::ErrorKind)>,
}

/// Where and how large.
#[derive(Clone, Debug)]
pub(crate) struct Preparation {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    /// Bytes of the whole file.
    pub(crate) capacity: u64,
}

impl Preparation {
    /// Creates the next segment under its temporary name, all zeros and durable.
    pub(crate) fn run(&self, stop: &AtomicBool) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.folder.join(PREPARED_NAME);
        if let Some(file) = self.left_over(&path)? {
            return Ok(file);
        }
        let file = self.disk.create(&path)?;
        let filled = self.fill(&*file, stop);
        if filled.is_err() {
            // Gives the space back to whoever needs it more; the file is made anew each time.
            let _ = self.disk.remove(&path);
        }
        filled.map(|()| file)
    }

    /// A segment that was prepared whole and not used. It is written front to back, so its size
    /// says that it is whole; at most a header stands in it, which will be written again.
    fn left_over(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        match self.disk.open(path) {
            Ok(file) => Ok((file.size()? == self.capacity).then_some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fill(&self, file: &dyn DiskFile, stop: &AtomicBool) -> io::Result<()> {
        let zeros = vec![0; CHUNK_LEN.min(usize_from(self.capacity))];
        let mut position = 0;
        while position < self.capacity {
            if stop.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = zeros.len().min(usize_from(self.capacity - position));
            write_all_at(file, zeros.get(..length).unwrap_or_default(), position)?;
            file.sync()?;
            position += u64_from(length);
        }
        Ok(())
    }
}

impl Preparer {
    pub(crate) fn start(preparation: Preparation) -> io::Result<Self> {
        let (requests, incoming) = sync_channel::<()>(1);
        let (outgoing, prepared) = sync_channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("log-prepare".into()).spawn(move || {
            while incoming.recv().is_ok() {
                if outgoing.send(preparation.run(&stopping)).is_err() {
                    return;
                }
            }
        })?;
        let thread = Some(thread);
        let requests = Some(requests);
        Ok(Self { requests, prepared, thread, stop, requested: false, failure: None })
    }

    /// Asks for a segment, unless one is on its way.
    pub(crate) fn request(&mut self) {
        if let (false, Some(requests)) = (self.requested, &self.requests) {
            self.requested = requests.try_send(()).is_ok();
        }
    }

    /// The prepared segment, as soon as it is there.
    ///
    /// A failure is answered at once for a while, then tried again: a full disk ends by itself when
    /// space returns.
    pub(crate) fn take(&mut self) -> io::Result<Arc<dyn DiskFile>> {
        if let Some((_, kind)) = self.failure.filter(|(at, _)| at.elapsed() < RETRY_AFTER) {
            return Err(kind.into());
        }
        // What was asked for long ago may have failed for a reason that is gone by now.
        let early = self.requested;
        let taken = self.wait().or_else(|error| if early { self.wait() } else { Err(error) });
        self.failure = taken.as_ref().err().map(|error| (Instant::now(), error.kind()));
        taken
    }

    fn wait(&mut self) -> io::Result<Arc<dyn DiskFile>> {
        self.request();
        let ended = |_| io::Error::other("the thread that prepares segments has ended");
        let prepared = self.prepared.recv().map_err(ended)?;
        self.requested = false;
        prepared
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.requests = None;
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
