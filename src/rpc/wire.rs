//! The service over stored bytes, generated: bytes stand where other clients see events.
//! Does not know what the methods do.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/, which has the comments"
)]

include!(concat!(env!("OUT_DIR"), "/stored/orderledger.v1.rs"));
