//! Files that are read or written once from the front to the back, in large pieces.
//! Does not know what is in them.

use std::io;
use std::sync::Arc;

use crate::log::{DiskFile, read_full_at, write_all_at};
use crate::num::{u64_from, usize_from};

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

/// Reads a part of a file.
#[derive(Debug)]
pub(super) struct Input {
    file: Arc<dyn DiskFile>,
    /// What was not read yet begins here.
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    /// What was read and not taken yet begins here, in the buffer.
    begin: usize,
    crc: crc32fast::Hasher,
}

/// Writes a file from some position on.
#[derive(Debug)]
pub(super) struct Output {
    file: Arc<dyn DiskFile>,
    position: u64,
    buffer: Vec<u8>,
    crc: crc32fast::Hasher,
}

impl Input {
    pub(super) fn of(file: Arc<dyn DiskFile>, position: u64, end: u64) -> Self {
        let crc = crc32fast::Hasher::new();
        Self { file, position, end, buffer: Vec::new(), begin: 0, crc }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// `UnexpectedEof` where the part ends before; otherwise what the disk says.
    pub(super) fn take(&mut self, length: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.begin < length {
            self.fill(length)?;
        }
        let begin = self.begin;
        self.begin += length;
        self.buffer.get(begin..self.begin).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// CRC-32 of what was read; of the whole part, when all of it was taken.
    pub(super) fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    fn fill(&mut self, length: usize) -> io::Result<()> {
        self.buffer.drain(..self.begin);
        self.begin = 0;
        let kept = self.buffer.len();
        let rest = usize_from(self.end.saturating_sub(self.position));
        let wanted = length.max(PIECE).saturating_sub(kept).min(rest);
        if kept + wanted < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.resize(kept + wanted, 0);
        let fresh = self.buffer.get_mut(kept..).unwrap_or_default();
        if read_full_at(&*self.file, fresh, self.position)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.crc.update(fresh);
        self.position += u64_from(wanted);
        Ok(())
    }
}

impl Output {
    pub(super) fn to(file: Arc<dyn DiskFile>, position: u64) -> Self {
        Self { file, position, buffer: Vec::new(), crc: crc32fast::Hasher::new() }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what waits; the CRC-32 of all that was written.
    pub(super) fn finish(mut self) -> io::Result<u32> {
        self.flush()?;
        Ok(self.crc.finalize())
    }

    fn flush(&mut self) -> io::Result<()> {
        write_all_at(&*self.file, &self.buffer, self.position)?;
        self.crc.update(&self.buffer);
        self.position += u64_from(self.buffer.len());
        self.buffer.clear();
        Ok(())
    }
}
