//! The binary as people and scripts use it: arguments in, output and exit codes out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "what helpers of a test cannot do, fails the test"
)]

mod append;
mod audit;
mod bad_lines;
mod consume;
mod consumer;
mod crash;
mod dead_letters;
mod demo;
mod diff;
mod erp_updater;
mod events;
mod evidence_reader;
mod find;
mod format_reader;
mod import;
mod list;
mod olist;
mod order;
mod output;
mod parked;
mod real_data;
mod replay;
mod report;
mod serve;
mod stats;
mod support;
mod timeline;
mod unknown_fields;
mod usage;
mod verify;
mod verify_signed;
mod watch;
