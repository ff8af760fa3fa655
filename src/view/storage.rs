//! Lets redb keep its file on the ledger's disk. Does not know tables.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::log::{DiskFile, read_full_at, write_all_at};

/// A file of the ledger's disk as redb wants it.
#[derive(Debug)]
pub(super) struct Storage(pub(super) Arc<dyn DiskFile>);

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if read_full_at(&*self.0, out, offset)? == out.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_size(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_all_at(&*self.0, data, offset)
    }
}
