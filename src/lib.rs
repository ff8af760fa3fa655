//! Order Ledger
pub mod cli;
pub mod demo;
mod event;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod ledger;
mod limits;
mod log;
mod num;
mod order;
pub mod proto;
mod rpc;
mod time;
mod view;

pub use event::{
    EVENT_TYPES, Event, EventType, Group, RecordedEvent, Violation, event_to_json, event_type,
};
pub use ledger::{
    AppendError, Appended, AsOf, Batch, Chunk, FailureClass, Follow, Ledger, OpenError, Options,
    Order, Outcome, Pending, QueryError, Receipt, Replay, ReusedId, Sizes, Timeline, TimelineQuery,
    TimelineRow, VerifyReport, VerifyStep, WrongRevision, verify,
};
pub use limits::Limits;
pub use log::{Defect, Disk, DiskFile, FileSystem, Hash, LogError, SegmentAddress};
pub use order::{OrderReference, OrderSummary};
pub use rpc::{LedgerServiceClient, ServeError, ServeOptions, serve};
pub use view::ViewError;
