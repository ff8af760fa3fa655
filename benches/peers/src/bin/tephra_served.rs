//! The server of Tephra as its own program makes it: its defaults, jemalloc with background
//! threads, its log of events of the process at `info`. Does not know who calls it.
//!
//! The program of `tephra-server` keeps its settings to itself; these are what an empty file of
//! settings gives there.

use std::path::PathBuf;

use tephra::log::set::{SegmentConfig, SegmentSet};
use tephra::writer::{WriteCoordinator, WriterConfig};
use tephra_server::{Server, ServerConfig};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// `segment.size` of an empty file of settings.
const SEGMENT_BYTES: usize = 256 * 1024 * 1024;

/// The flags that are used here, named as in `tephra-server`.
#[derive(clap::Parser)]
struct Args {
    #[arg(long)]
    bind: String,
    #[arg(long)]
    data_dir: PathBuf,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = <Args as clap::Parser>::parse();
    tikv_jemalloc_ctl::background_thread::write(true).map_err(|error| error.to_string())?;
    let set = SegmentSet::open(&args.data_dir, SegmentConfig::new(SEGMENT_BYTES))?;
    let (coordinator, handle) = WriteCoordinator::start(set, WriterConfig::default())?;
    let server = Server::bind(&args.bind, handle, ServerConfig::default())?;
    let server = server.with_data_dir(&args.data_dir);
    let shutdown = server.shutdown_handle();
    ctrlc::set_handler(move || shutdown.shutdown())?;
    server.run()?;
    coordinator.shutdown();
    Ok(())
}
