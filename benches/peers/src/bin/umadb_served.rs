//! The server of UmaDB as its own program makes it: its options, its runtime, the system's
//! allocator. Does not know who calls it.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    umadb::start_server_with_cli_options(umadb::parse_cli_options(std::env::args())?)
}
