//! Folders that outlive a power cut. Does not know what is in them.

use std::io;
use std::path::Path;

use crate::log::Disk;

/// Makes a folder and its parents, and their names durable: its own, and those of as many above it.
pub(super) fn make_folder(disk: &dyn Disk, folder: &Path, levels: usize) -> io::Result<()> {
    let mut missing: Vec<_> = folder.ancestors().take(levels).collect();
    missing.reverse();
    for made in missing {
        disk.create_dir(made)?;
        match made.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => disk.sync_dir(parent)?,
            None => disk.sync_dir(Path::new("."))?,
        }
    }
    Ok(())
}
