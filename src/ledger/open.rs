//! Opens a ledger: takes the lock, reads which ledger and format it is, recovers the end of the log
//! into the views, and starts the threads. Does not know what happens afterwards.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use tokio::sync::watch;

use super::admission::Admission;
use super::error::OpenError;
use super::leaves::LeafFeed;
use super::queue::Queue;
use super::writer::{Head, Writer};
use super::{Ledger, Options, Progress};
use crate::event::to_hex;
use crate::limits::Limits;
use crate::log::{
    Disk, LogError, LogFolder, LogReader, LogWriter, Point, is_segment_name, read_file, write_file,
};
use crate::order::Policy;
use crate::view::{Indexer, Origin, ViewError, Views};

const FORMAT: &str = "order-ledger format 1\n";

/// Names in the folder of a ledger.
pub(super) struct Place;

impl Place {
    const LOCK_FILE: &'static str = "LOCK";
    const ID_FILE: &'static str = "ledger.id";
    const FORMAT_FILE: &'static str = "format";
    const POLICY_FILE: &'static str = "policy.json";
    pub(super) const LOG_FOLDER: &'static str = "log";
    pub(super) const VIEWS_FILE: &'static str = "views.redb";
}

/// An entry says in two bytes how long its correlation id is.
const ID_BYTES_LIMIT: usize = 65_535;
/// Segments that hold less than the largest batch would refuse it.
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;

/// Opens a ledger. Views that turn out to be damaged on the way are made again.
pub(super) fn open(
    folder: &Path,
    options: Options,
    mut progress: impl FnMut(Progress),
) -> Result<Ledger, OpenError> {
    let opened = open_once(folder, options.clone(), &mut progress);
    if let Err(OpenError::View(ViewError::Damaged(_))) = opened {
        return open_once(folder, options, &mut progress);
    }
    opened
}

fn open_once(
    folder: &Path,
    options: Options,
    progress: impl FnMut(Progress),
) -> Result<Ledger, OpenError> {
    let Options { disk, limits, segment_bytes, policy } = options;
    check_options(&limits, segment_bytes)?;
    let io = |error| LogError::io(folder, error);
    disk.create_dir(folder).map_err(io)?;
    let lock = lock(&*disk, folder)?;
    let ledger_id = identify(&*disk, folder)?;
    disk.sync_dir(folder).map_err(io)?;
    let log = LogFolder::open(
        Arc::clone(&disk),
        &folder.join(Place::LOG_FOLDER),
        ledger_id,
        segment_bytes,
    )?;
    let reader = log.reader();
    let path = folder.join(Place::VIEWS_FILE);
    let origin = Origin { disk: Arc::clone(&disk), path, reader: reader.clone(), ledger_id };
    let policy = settle_policy(&*origin.disk, folder, policy)?;
    let (views, checkpoint) = Views::open(origin, policy.clone())?;
    let views = Arc::new(views);
    let log = recover((log, checkpoint.end), &views, progress)?;
    let head =
        Head { point: log.end(), recorded_at: last_recorded_at(&reader, &views, log.end())? };
    let start = |error| OpenError::Log(LogError::io(folder, error));
    let indexer = Indexer::start(Arc::clone(&views)).map_err(start)?;
    let passes = indexer.passes();
    let block_len_max = log.block_len_max();
    let (sender, receiver) = watch::channel(head);
    let (commands, incoming) = channel();
    let queue = Arc::new(Queue::default());
    let leaves = Arc::new(LeafFeed::default());
    let writer = Writer {
        admission: Admission::starting_at(log.end(), log.reader()),
        log,
        views: Arc::clone(&views),
        indexer,
        head: sender,
        queue: Arc::clone(&queue),
        leaves: Arc::clone(&leaves),
        commands: incoming,
        tail_entries_max: limits.tail_entries_max,
        answers: Vec::new(),
        settling: Vec::new(),
        deferred: None,
    };
    let thread = writer.start().map_err(start)?;
    Ok(Ledger {
        commands,
        thread: std::sync::Mutex::new(Some(thread)),
        queue,
        head: receiver,
        views,
        passes,
        reader,
        limits,
        policy,
        block_len_max,
        id: to_hex(&ledger_id),
        folder: folder.to_owned(),
        disk,
        delivers: std::sync::atomic::AtomicBool::new(false),
        lookout: super::Lookout::default(),
        leaves,
        _lock: lock,
    })
}

/// The policy that is asked for, which the ledger keeps from then on, or else the one it has.
fn settle_policy(
    disk: &dyn Disk,
    folder: &Path,
    asked: Option<Policy>,
) -> Result<Policy, OpenError> {
    let path = folder.join(Place::POLICY_FILE);
    let io = |error| OpenError::Log(LogError::io(&path, error));
    let kept: Option<Vec<u8>> = match read_file(disk, &path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io(error)),
    };
    match (asked, kept) {
        (None, None) => Ok(Policy::default()),
        (None, Some(text)) => serde_json::from_slice(&text).map_err(|error| OpenError::Format {
            path: path.clone(),
            found: error.to_string(),
            expected: "a policy; give one, and it is written again",
        }),
        (Some(asked), kept) => {
            // A policy is made of texts and numbers: it can be written.
            let text = serde_json::to_vec(&asked).unwrap_or_default();
            if kept.as_ref() != Some(&text) {
                write_file(disk, &path, &text).map_err(io)?;
            }
            Ok(asked)
        }
    }
}

/// Recovers the log behind what the views have, into their tail.
fn recover(
    (log, from): (LogFolder, Point),
    views: &Arc<Views>,
    mut progress: impl FnMut(Progress),
) -> Result<LogWriter, OpenError> {
    let mut view_error = None;
    let segments = log.reader().segments();
    let bytes_before = |point: Point| {
        let full = segments.partition_point(|segment| segment.first_offset <= point.offset);
        let full = segments.iter().take(full.saturating_sub(1)).map(|segment| segment.capacity);
        full.sum::<u64>() + u64::from(point.position)
    };
    let begin = bytes_before(from);
    let total = segments.iter().map(|segment| segment.capacity).sum::<u64>() - begin;
    let log = log.recover(from, |placed| {
        if placed.begins_block() {
            let at = Point { offset: placed.entry.offset, position: placed.block_position };
            let done = bytes_before(at).saturating_sub(begin);
            progress(Progress { what: "reading the log into the views", done, total });
        }
        if view_error.is_none() {
            view_error = views.recovered(&placed).err();
        }
    });
    // Nothing may go on behind a ledger that could not be opened.
    let end = log.as_ref().map(LogWriter::end).unwrap_or_default();
    let settled = views.recovered_to(end);
    let log = log?;
    if let Some(error) = view_error {
        return Err(error.into());
    }
    settled?;
    Ok(log)
}

fn check_options(limits: &Limits, segment_bytes: u64) -> Result<(), OpenError> {
    if !(SEGMENT_BYTES_MIN..=u64::from(u32::MAX)).contains(&segment_bytes) {
        let what = format!(
            "segment_bytes is {segment_bytes}; allowed is {SEGMENT_BYTES_MIN} to {}",
            u32::MAX
        );
        return Err(OpenError::Options(what));
    }
    if limits.tail_entries_max == 0 {
        let what = "tail_entries_max is 0; allowed is at least 1".to_owned();
        return Err(OpenError::Options(what));
    }
    if limits.id_bytes_max > ID_BYTES_LIMIT {
        let given = limits.id_bytes_max;
        let what = format!("id_bytes_max is {given}; allowed is at most {ID_BYTES_LIMIT}");
        return Err(OpenError::Options(what));
    }
    Ok(())
}

/// Keeps other processes away until the answer is dropped.
pub(super) fn lock(
    disk: &dyn Disk,
    folder: &Path,
) -> Result<Box<dyn std::fmt::Debug + Send + Sync>, OpenError> {
    disk.lock(&folder.join(Place::LOCK_FILE)).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            OpenError::Locked(folder.to_owned())
        } else {
            LogError::io(folder, error).into()
        }
    })
}

/// Reads which ledger this is, or makes it one where nothing is.
fn identify(disk: &dyn Disk, folder: &Path) -> Result<[u8; 16], OpenError> {
    match disk.open(&folder.join(Place::FORMAT_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => found_new(disk, folder),
        Ok(_) | Err(_) => read_identity(disk, folder),
    }
}

/// Reads which ledger this is.
pub(super) fn read_identity(disk: &dyn Disk, folder: &Path) -> Result<[u8; 16], OpenError> {
    let wrong = |path: PathBuf, found: &[u8], expected| OpenError::Format {
        path,
        found: String::from_utf8_lossy(found).trim_end().to_owned(),
        expected,
    };
    let read = |path: &Path| {
        read_file(disk, path).map_err(|error| OpenError::Log(LogError::io(path, error)))
    };
    let path = folder.join(Place::FORMAT_FILE);
    let found = read(&path)?;
    if found != FORMAT.as_bytes() {
        return Err(wrong(path, &found, FORMAT));
    }
    let path = folder.join(Place::ID_FILE);
    let text = read(&path)?;
    parse_id(&text).ok_or_else(|| wrong(path, &text, "32 lower-case hexadecimal digits"))
}

/// Makes an empty folder a ledger: first its id, then its format, which says that it is whole.
fn found_new(disk: &dyn Disk, folder: &Path) -> Result<[u8; 16], OpenError> {
    let io = |error| OpenError::Log(LogError::io(folder, error));
    let log = folder.join(Place::LOG_FOLDER);
    disk.create_dir(&log).map_err(io)?;
    if disk.list(&log).map_err(io)?.iter().any(|name| is_segment_name(name)) {
        return Err(OpenError::Format {
            path: folder.join(Place::FORMAT_FILE),
            found: "no such file, but log segments".to_owned(),
            expected: FORMAT,
        });
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| io(io::Error::other(error.to_string())))?;
    let text = format!("{}\n", to_hex(&id));
    // The folder itself may be new: a power cut must not take it away, ledger and all.
    disk.sync_dir(parent_of(folder)).map_err(io)?;
    write_file(disk, &folder.join(Place::ID_FILE), text.as_bytes()).map_err(io)?;
    write_file(disk, &folder.join(Place::FORMAT_FILE), FORMAT.as_bytes()).map_err(io)?;
    Ok(id)
}

fn parent_of(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => folder,
    }
}

fn parse_id(text: &[u8]) -> Option<[u8; 16]> {
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let lower = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let bytes = crate::event::from_hex(digits).filter(|_| lower)?;
    bytes.try_into().ok()
}

fn last_recorded_at(reader: &LogReader, views: &Views, end: Point) -> Result<u64, OpenError> {
    let mut recorded_at = 0;
    let Some(last) = end.offset.checked_sub(1) else {
        return Ok(0);
    };
    let mut at = views.seek(last)?;
    while at.offset < end.offset {
        let blocks = reader.blocks(at, end, super::replay::CHUNK_LEN)?;
        blocks.each(|placed| recorded_at = placed.entry.recorded_at)?;
        at = blocks.next;
    }
    Ok(recorded_at)
}
