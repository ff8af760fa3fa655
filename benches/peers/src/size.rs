//! What the files of a server hold. Knows of the servers only that PostgreSQL has a folder for its
//! log.

use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Bytes of a server's files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    /// Up to the last byte of a file that is not zero.
    pub(crate) data: u64,
    /// Zeros behind it that have a place on the disk.
    pub(crate) prepared: u64,
    /// PostgreSQL's write-ahead log, which is used again and again and stands for no event.
    pub(crate) log: u64,
}

impl Size {
    pub(crate) fn of(folder: &Path) -> Self {
        let mut size = Self::default();
        for path in files(folder) {
            let Ok(metadata) = path.metadata() else { continue };
            let allocated = metadata.blocks() * 512;
            if path.components().any(|part| part.as_os_str() == "pg_wal") {
                size.log += allocated;
            } else {
                let used = filled(&path, metadata.len()).min(allocated);
                size.data += used;
                size.prepared += allocated - used;
            }
        }
        size
    }
}

/// Bytes of a file without the zeros at its end.
fn filled(path: &Path, length: u64) -> u64 {
    const CHUNK: u64 = 1024 * 1024;
    let Ok(file) = std::fs::File::open(path) else { return 0 };
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(CHUNK);
        let mut chunk = vec![0; usize::try_from(end - begin).unwrap()];
        if file.read_exact_at(&mut chunk, begin).is_err() {
            return length;
        }
        if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
            return begin + last as u64 + 1;
        }
        end = begin;
    }
    0
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                folders.push(entry.path());
            } else if kind.is_ok_and(|kind| kind.is_file()) {
                found.push(entry.path());
            }
        }
    }
    found
}
