//! Order Ledger
mod event;
mod limits;
mod log;
mod num;
pub mod proto;
mod time;

pub use event::{
    EVENT_TYPES, Event, EventType, Group, Violation, event_from_json, event_to_json, event_type,
};
pub use limits::Limits;
pub use log::{Defect, Disk, DiskFile, FileSystem, Hash, LogError, SegmentAddress};
