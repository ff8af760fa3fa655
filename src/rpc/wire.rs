//! The service as the server speaks it, generated: stored bytes stand where a client sees events.
//! Does not know what the methods do.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    reason = "generated from proto/, which has the comments"
)]

include!(concat!(env!("OUT_DIR"), "/server/orderledger.v1.rs"));
