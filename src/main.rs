//! The binary `order-ledger`. Does not know what its commands do.

use std::process::ExitCode;

/// Folding and answering make many small pieces on several threads: the allocator of the platform
/// spends an eighth of a query on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    order_ledger::cli::run()
}
