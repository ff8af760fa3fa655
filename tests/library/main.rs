//! The library through its public API.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that is surprised fails, and says what it was doing"
)]

mod append;
mod as_of;
mod audit;
mod audit_power;
mod audited;
mod consumers;
mod corruption;
mod dead_letters;
mod fault;
mod faults;
mod filters;
mod found;
mod medium;
mod model;
mod operator;
mod power;
mod random;
mod replay_filter;
mod rewriter;
mod simulated_disk;
mod support;
mod threads;
mod workload;
