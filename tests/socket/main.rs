//! The service over a real socket: every method, every refusal, and what the wire does to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that is surprised fails"
)]
#![allow(
    clippy::needless_pass_by_value,
    clippy::large_futures,
    clippy::large_stack_arrays,
    reason = "events are made where they are used"
)]

mod append;
mod append_stream;
mod audit;
mod basis;
mod consumers;
mod dead_letters;
mod disk;
mod doubt;
mod effects;
#[path = "../library/filters.rs"]
mod filters;
mod find;
mod follow;
mod garbage;
mod golden;
mod hot;
mod lists;
mod opening;
mod operations;
mod order;
mod order_stream;
mod overload;
#[path = "../library/random.rs"]
mod random;
mod raw;
mod read_writes;
mod reads;
mod refusals;
mod replay;
mod replay_filter;
mod shutdown;
mod stream_orders;
mod support;
mod timeline;
mod unknown_fields;
