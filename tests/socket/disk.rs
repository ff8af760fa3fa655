//! A disk that fails, fills up, delays or stands still when a test says so: the log's folder, or the
//! views.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use order_ledger::{Disk, DiskFile, FileSystem};

/// What a test says to the disk.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// Syncs of the log fail.
    pub(crate) sync_fails: AtomicBool,
    /// There is no room for another log segment.
    pub(crate) full: AtomicBool,
    /// What changes the views fails.
    pub(crate) views_fail: AtomicBool,
    /// How long each change of the views takes beside its own time, in milliseconds.
    pub(crate) views_delay_ms: AtomicU64,
    stands_still: Mutex<bool>,
    views_stand_still: Mutex<bool>,
    goes_on: Condvar,
}

impl Switches {
    /// Lets syncs of the log wait, or go on.
    pub(crate) fn stand_still(&self, still: bool) {
        *self.stands_still.lock().unwrap() = still;
        self.goes_on.notify_all();
    }

    /// Lets changes of the views wait, or go on.
    pub(crate) fn stand_still_views(&self, still: bool) {
        *self.views_stand_still.lock().unwrap() = still;
        self.goes_on.notify_all();
    }

    fn change_views(&self) -> io::Result<()> {
        let still = self.views_stand_still.lock().unwrap();
        drop(self.goes_on.wait_while(still, |still| *still).unwrap());
        std::thread::sleep(Duration::from_millis(self.views_delay_ms.load(Ordering::SeqCst)));
        if self.views_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("the test's disk fails"));
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let still = self.stands_still.lock().unwrap();
        drop(self.goes_on.wait_while(still, |still| *still).unwrap());
        if self.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the test's disk fails"));
        }
        Ok(())
    }
}

/// The file system of this machine, behind switches.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestDisk(pub(crate) Arc<Switches>);

#[derive(Debug)]
struct LogFile {
    file: Arc<dyn DiskFile>,
    switches: Arc<Switches>,
}

#[derive(Debug)]
struct ViewsFile {
    file: Arc<dyn DiskFile>,
    switches: Arc<Switches>,
}

impl TestDisk {
    fn wrapped(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let switches = Arc::clone(&self.0);
        if path.ends_with("views.redb") {
            return Arc::new(ViewsFile { file, switches });
        }
        if !is_log(path) {
            return file;
        }
        Arc::new(LogFile { file, switches })
    }
}

fn is_log(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("log"))
}

impl Disk for TestDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        FileSystem.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        FileSystem.list(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        FileSystem.open(path).map(|file| self.wrapped(path, file))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if is_log(path) && self.0.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        FileSystem.create(path).map(|file| self.wrapped(path, file))
    }

    fn create_secret(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        FileSystem.create_secret(path).map(|file| self.wrapped(path, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        FileSystem.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        FileSystem.lock(path)
    }
}

impl DiskFile for LogFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.file.write_at(bytes, position)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.switches.sync()?;
        self.file.sync()
    }
}

impl DiskFile for ViewsFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.switches.change_views()?;
        self.file.write_at(bytes, position)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.switches.change_views()?;
        self.file.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.switches.change_views()?;
        self.file.sync()
    }
}
