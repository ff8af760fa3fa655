//! The ledger over gRPC: convert, call, convert. The only place that knows tonic.
//! Does not know how answers are found.

mod append;
mod audit;
mod client;
mod codec;
mod connection;
mod consume;
mod convert;
mod dead_letters;
mod delivery;
mod encode;
mod evidence;
mod explain;
mod opening;
mod orders;
mod query;
mod reads;
mod replay;
mod serve;
mod service;
mod silence;
#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod stalled_tests;
mod status;
mod stream;
mod stream_orders;
pub(crate) mod wire;

pub use client::{AuditServiceClient, DeliveryServiceClient, LedgerServiceClient};
pub use opening::while_opening;
pub use serve::{ServeError, ServeOptions, serve};

pub(crate) use client::{
    Actor, AuditClient, Clients, DeliveryClient, LedgerClient, connect, connect_local,
};
pub(crate) use serve::{open_audit, serve_audited};
pub(crate) use silence::{SILENCE_MAX, heard};
pub(crate) use status::{class_of, error_details};
pub(crate) use tonic::{Code, Status, Streaming};
