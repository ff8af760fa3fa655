//! Order Ledger: an embedded, event-sourced database for the life of orders.
//!
//! It is an append-only log of canonical order events, keyed by order, with views that are derived
//! from it; everything that was acknowledged is durable, every retry is recognised, and every
//! answer says at which head it was made. It is not a message broker, it has no consensus, and it
//! knows no business rule that would refuse an inconvenient fact.
//!
//! [`Ledger`] is the library; [`serve`] puts one behind gRPC; [`LedgerServiceClient`] talks to one.
//! ARCHITECTURE.md says how it is made, docs/format.md what is on disk.
//!
//! ```
//! use order_ledger::{Batch, Event, Ledger, Limits, Options, TimelineQuery};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let ledger = Ledger::open(&folder, Options::default())?;
//! let picked = Event::from_json(
//!     r#"{"correlation_id":"erp/7","source":"wms:dc1","event_id":"p-1","type":"pick.confirmed"}"#,
//!     &Limits::default(),
//! )
//! .map_err(|violations| format!("{violations:?}"))?;
//!
//! let first = ledger.append(Batch::of([picked.clone()]).expect_revision("erp/7", 0))?;
//! let again = ledger.append(Batch::of([picked]))?;
//! assert_eq!(first.outcomes[0].receipt(), again.outcomes[0].receipt(), "no second copy");
//!
//! let timeline = ledger.get_timeline(&TimelineQuery::of("erp/7"))?;
//! assert_eq!(timeline.rows[0].recorded.event.event_type(), "pick.confirmed");
//! assert_eq!(timeline.basis, 1);
//! # Ok(())
//! # }
//! ```

mod audit;
pub mod cli;
mod delivery;
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

pub use audit::{
    Audit, AuditError, AuditOptions, BundleDamage, BundleDefect, BundleDoubt, BundleOptions,
    BundleVerdict, ChainEntry, Checkpoint, CheckpointFinding, ComparedCheckpoint, ConsistencyProof,
    Evidence, EvidenceBasis, EvidenceError, EvidenceOrder, EvidenceQuery, EvidenceRole,
    InclusionProof, KeyDefect, LedgerVerdict, MalformedProof, NewOrigin, NoteDefect, OrderProof,
    OrderProofDefect, OriginStart, PageCheck, Period, ProofDefect, ProvenSeal, SealMade, SealProof,
    SignedCheckpoint, SinceDefect, TreeOrigin, Verdict, VerifiedBundle, VerifiedOrder, VerifierKey,
    VerifyError, VerifyOptions, add_signing_key, continues_history, export_evidence, signing_keys,
    verify_bundle, verify_ledger,
};
pub use delivery::{
    Consumers, DeadLetterClosed, DeadLetterError, DeadLetters, DeadLettersFull, Delivered,
    DeliveryError, Keeping, Member, RawBatch, Redriven, Refused, Start, Told, Voice,
};
pub use event::{
    EVENT_TYPES, Event, EventType, Group, RecordedEvent, Violation, event_to_json, event_type,
    order_to_json,
};
pub use ledger::{
    AppendError, Appended, AsOf, Batch, Chunk, FailureClass, Follow, FullHistory, Ledger,
    OpenError, Options, Order, Outcome, Pending, Progress, QueryError, Receipt, Replay, ReusedId,
    Sizes, SourceWatermark, Timeline, TimelineQuery, TimelineRow, VerifyReport, WrongRevision,
    verify,
};
pub use limits::Limits;
pub use log::{Defect, Disk, DiskFile, FileSystem, Hash, LogError, SegmentAddress};
pub use order::{History, Policy, WarehousePolicy, fold};
pub use rpc::{
    AuditServiceClient, DeliveryServiceClient, LedgerServiceClient, ServeError, ServeOptions,
    serve, while_opening,
};
pub use view::ViewError;

/// The README's Rust example, run as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
