//! Reads NDJSON: files, compressed files and standard input, line by line.
//! Does not know what becomes of the events.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::failure::Failure;
use crate::event::{Event, Violation};
use crate::limits::Limits;
use crate::num::u64_from;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// One line that holds an event, or what is wrong with it.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    /// The line as it stands there, without its end.
    pub(super) text: Bytes,
    pub(super) event: Result<Bytes, Vec<Violation>>,
}

/// The lines of one input.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: u64,
    limits: Limits,
}

/// Counts the bytes of a file that were read, before they are decompressed.
struct Counting<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.fetch_add(u64_from(read), Ordering::Relaxed);
        Ok(read)
    }
}

/// Bytes of all inputs together; `None` where standard input is among them.
pub(super) fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    let sizes = paths.iter().map(|path| {
        let is_file = path.as_os_str() != "-";
        is_file.then(|| std::fs::metadata(path).ok().map(|data| data.len())).flatten()
    });
    sizes.sum()
}

impl Lines {
    /// Opens an input; `-` is standard input. Compression is seen by its magic bytes.
    pub(super) fn open(path: &Path, read: Arc<AtomicU64>) -> Result<Self, Failure> {
        let raw: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(
                File::open(path)
                    .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?,
            )
        };
        let mut raw = BufReader::with_capacity(256 * 1024, Counting(raw, read));
        let gzip = raw.fill_buf()?.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn BufRead + Send> = if gzip {
            let decoder = flate2::bufread::MultiGzDecoder::new(raw);
            Box::new(BufReader::with_capacity(256 * 1024, decoder))
        } else {
            Box::new(raw)
        };
        Ok(Self { reader, number: 0, limits: Limits::default() })
    }

    fn parse(&self, line: &str) -> Result<Bytes, Vec<Violation>> {
        Ok(Event::from_json(line, &self.limits)?.body().clone())
    }
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut bytes = Vec::new();
            match self.reader.read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            self.number += 1;
            let event = match std::str::from_utf8(&bytes) {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => self.parse(line.trim_end()),
                Err(error) => Err(vec![Violation::new("", format!("not UTF-8: {error}"))]),
            };
            for end in [b'\n', b'\r'] {
                bytes.pop_if(|last| *last == end);
            }
            return Some(Ok(Line { number: self.number, text: bytes.into(), event }));
        }
    }
}
