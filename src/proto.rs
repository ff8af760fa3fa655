//! The messages of `proto/orderledger/v1`, generated. Does not know services.
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    reason = "generated from proto/, which has the comments"
)]

include!(concat!(env!("OUT_DIR"), "/messages/orderledger.v1.rs"));
