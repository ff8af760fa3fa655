//! The binary `order-ledger`. Does not know what its commands do.

use std::process::ExitCode;

fn main() -> ExitCode {
    order_ledger::cli::run()
}
