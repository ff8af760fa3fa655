//! The audit service's methods: convert, call, convert. Does not know how proofs are made.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, async_trait};

use super::evidence::export_evidence;
use super::reads::Reads;
use super::status::{IntoStatus, invalid, status};
use super::wire;
use super::wire::audit_service_server::AuditService;
use crate::audit::{Audit, AuditError, AuditOptions, ChainEntry, OrderProof, Period, SealProof};
use crate::event::Violation;
use crate::ledger::{FailureClass, Ledger};
use crate::log::{Hash, flags_of};
use crate::time::{signed, timestamp};

/// The audit of one ledger.
#[derive(Clone, Debug)]
pub(crate) struct Audits {
    ledger: Arc<Ledger>,
    options: AuditOptions,
    /// Opened when somebody asks for it first.
    audit: Arc<OnceCell<Arc<Audit>>>,
    /// Who reads which history.
    pub(super) reads: Reads,
}

impl Audits {
    pub(super) fn new(ledger: Arc<Ledger>, options: AuditOptions, reads: Reads) -> Self {
        Self { ledger, options, audit: Arc::default(), reads }
    }

    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Opens it where it is not open.
    pub(super) async fn open(&self) -> Result<&Arc<Audit>, AuditError> {
        let open = || async {
            let (ledger, options) = (Arc::clone(&self.ledger), self.options.clone());
            let opened = tokio::task::spawn_blocking(move || Audit::open(ledger, options)).await;
            opened.map_err(|_| AuditError::Closed)?.map(Arc::new)
        };
        self.audit.get_or_try_init(open).await
    }

    /// Runs a question where it may wait.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Audit) -> Result<T, AuditError> + Send + 'static,
    ) -> Result<T, Status> {
        let audit = Arc::clone(self.open().await.map_err(AuditError::into_status)?);
        blocking(move || question(&audit)).await
    }

    /// Signs a last checkpoint and stops.
    pub(super) async fn close(&self) {
        if let Some(audit) = self.audit.get().map(Arc::clone) {
            let _ = tokio::task::spawn_blocking(move || audit.close()).await;
        }
    }
}

/// Answers a question where it may wait.
pub(super) async fn blocking<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, AuditError> + Send + 'static,
) -> Result<T, Status> {
    let answer = tokio::task::spawn_blocking(question).await;
    let answer = answer.map_err(|error| {
        status(Code::Internal, "INTERNAL", FailureClass::Refused, error.to_string())
    })?;
    answer.map_err(AuditError::into_status)
}

fn hash_bytes(hash: &Hash) -> Bytes {
    Bytes::copy_from_slice(hash)
}

fn hashes(hashes: &[Hash]) -> Vec<Bytes> {
    hashes.iter().map(hash_bytes).collect()
}

/// An order must be named.
fn named(correlation_id: &str) -> Result<(), Status> {
    let missing = || invalid(&[Violation::new("correlation_id", "missing; name an order")]);
    if correlation_id.is_empty() { Err(missing()) } else { Ok(()) }
}

fn seal_proof(proof: &SealProof) -> wire::SealProof {
    wire::SealProof {
        offset: proof.entry.offset,
        revision: proof.entry.revision,
        recorded_at_ns: proof.entry.recorded_at_ns,
        previous: hash_bytes(&proof.entry.previous),
        body: proof.entry.event.body().clone(),
        inclusion: hashes(&proof.inclusion),
        checkpoint: proof.checkpoint.clone(),
    }
}

fn order_proof(seal: &SealProof, proof: &OrderProof) -> wire::GetOrderProofResponse {
    let flags = u32::from(flags_of(proof.correlation_id.as_bytes()));
    let entry = |entry: &ChainEntry| wire::LeafEntry {
        offset: entry.offset,
        flags,
        recorded_at_ns: entry.recorded_at_ns,
        occurred_at_ns: entry.occurred_at_ns,
        body_hash: hash_bytes(&entry.body_hash),
    };
    let reached = &proof.path.reached;
    let steps = proof.path.steps.iter().map(|step| wire::DirectoryStep {
        bit: step.bit.into(),
        sibling_entry_count: step.sibling.entry_count,
        sibling_hash: hash_bytes(&step.sibling.hash),
    });
    let path = wire::DirectoryPath {
        order_hash: hash_bytes(&reached.order),
        entry_count: reached.entry_count,
        head: hash_bytes(&reached.head),
        steps: steps.collect(),
    };
    wire::GetOrderProofResponse {
        entries: proof.chain.iter().map(entry).collect(),
        path: Some(path),
        last_inclusion: hashes(&proof.last_inclusion),
        seal: Some(seal_proof(seal)),
    }
}

fn period(period: Period) -> wire::Period {
    wire::Period {
        label: period.label,
        covered: period.covered,
        offset: period.offset,
        closed_at: Some(timestamp(signed(period.closed_at_ns))),
        actor: period.actor,
        reason: period.reason,
    }
}

#[async_trait]
impl AuditService for Audits {
    async fn get_checkpoint(
        &self,
        request: Request<wire::GetCheckpointRequest>,
    ) -> Result<Response<wire::GetCheckpointResponse>, Status> {
        let at_least = request.into_inner().at_least;
        let answer = self.ask(move |audit| {
            let signed = audit.checkpoint(at_least)?;
            let keys = audit.verifier_keys().iter().map(ToString::to_string);
            Ok(wire::GetCheckpointResponse {
                checkpoint: signed.note.clone(),
                tree_size: signed.checkpoint.size,
                root_hash: hash_bytes(&signed.checkpoint.root),
                verifier_keys: keys.collect(),
            })
        });
        answer.await.map(Response::new)
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<wire::GetInclusionProofRequest>,
    ) -> Result<Response<wire::GetInclusionProofResponse>, Status> {
        let wire::GetInclusionProofRequest { offset, tree_size } = request.into_inner();
        let answer = self.ask(move |audit| {
            let proof = audit.inclusion_proof(offset, tree_size)?;
            Ok(wire::GetInclusionProofResponse {
                tree_size: proof.tree_size,
                leaf_hash: hash_bytes(&proof.leaf_hash),
                hashes: hashes(&proof.hashes),
                checkpoint: proof.signed.map(|signed| signed.note.clone()).unwrap_or_default(),
            })
        });
        answer.await.map(Response::new)
    }

    async fn get_consistency_proof(
        &self,
        request: Request<wire::GetConsistencyProofRequest>,
    ) -> Result<Response<wire::GetConsistencyProofResponse>, Status> {
        let wire::GetConsistencyProofRequest { from_size, to_size } = request.into_inner();
        let answer = self.ask(move |audit| {
            let proof = audit.consistency_proof(from_size, to_size)?;
            Ok(wire::GetConsistencyProofResponse {
                tree_size: proof.tree_size,
                hashes: hashes(&proof.hashes),
                checkpoint: proof.signed.map(|signed| signed.note.clone()).unwrap_or_default(),
            })
        });
        answer.await.map(Response::new)
    }

    async fn get_order_proof(
        &self,
        request: Request<wire::GetOrderProofRequest>,
    ) -> Result<Response<wire::GetOrderProofResponse>, Status> {
        let id = request.get_ref().correlation_id.clone();
        named(&id)?;
        self.reads.of_orders("GetOrderProof", &request, &[&id]).await?;
        let wire::GetOrderProofRequest { correlation_id, covers } = request.into_inner();
        let answer = self.ask(move |audit| {
            let (seal, orders) = audit.order_proofs(&[correlation_id], Some(covers))?;
            let proof = orders.first().ok_or(AuditError::Closed)?;
            Ok(order_proof(&seal, proof))
        });
        answer.await.map(Response::new)
    }

    type ExportEvidenceStream = ReceiverStream<Result<wire::ExportEvidenceResponse, Status>>;

    async fn export_evidence(
        &self,
        request: Request<wire::ExportEvidenceRequest>,
    ) -> Result<Response<Self::ExportEvidenceStream>, Status> {
        let reader = self.reads.reader("ExportEvidence", &request);
        export_evidence(self, request.into_inner(), reader).await.map(Response::new)
    }

    async fn create_seal(
        &self,
        request: Request<wire::CreateSealRequest>,
    ) -> Result<Response<wire::CreateSealResponse>, Status> {
        let wire::CreateSealRequest { label, actor, reason } = request.into_inner();
        let answer = self.ask(move |audit| {
            let made = audit.seal(&label, &actor, &reason)?;
            Ok(wire::CreateSealResponse {
                offset: made.offset,
                covered: made.covered,
                checkpoint: made.signed.note.clone(),
            })
        });
        answer.await.map(Response::new)
    }

    async fn list_periods(
        &self,
        request: Request<wire::ListPeriodsRequest>,
    ) -> Result<Response<wire::ListPeriodsResponse>, Status> {
        let label = request.into_inner().label;
        let ledger = Arc::clone(&self.ledger);
        let found = blocking(move || match &*label {
            "" => Period::all(&ledger),
            label => Period::find(&ledger, label).map(|period| vec![period]),
        });
        let periods = found.await?.into_iter().map(period).collect();
        Ok(Response::new(wire::ListPeriodsResponse { periods }))
    }
}

impl IntoStatus for AuditError {
    fn into_status(self) -> Status {
        let refused = FailureClass::Refused;
        let message = self.to_string();
        let plain = |code, reason| status(code, reason, refused, message.clone());
        match self {
            Self::Invalid(violations) => invalid(&violations),
            Self::SigningRefused(_) => plain(Code::FailedPrecondition, "SIGNING_REFUSED"),
            Self::Behind { .. } => {
                status(Code::Unavailable, "AUDIT_BEHIND", FailureClass::NotWritten, message)
            }
            Self::PeriodExists { .. } => plain(Code::AlreadyExists, "PERIOD_EXISTS"),
            Self::UnknownPeriod(_) => plain(Code::NotFound, "UNKNOWN_PERIOD"),
            Self::Key { .. } => plain(Code::DataLoss, "KEY_DAMAGED"),
            Self::OtherOrigin { .. }
            | Self::OriginEnded(_)
            | Self::KeyMissing { .. }
            | Self::KeyName { .. }
            | Self::KeyOrigin(_) => plain(Code::FailedPrecondition, "AUDIT_MISCONFIGURED"),
            Self::Unproven(_) => {
                tracing::error!(error = %message, "evidence was refused");
                plain(Code::DataLoss, "UNPROVEN")
            }
            Self::AlreadyOpen => plain(Code::FailedPrecondition, "ALREADY_OPEN"),
            Self::Closed => {
                status(Code::Unavailable, "SHUTTING_DOWN", FailureClass::NotWritten, message)
            }
            Self::Stopped(_) => plain(Code::Internal, "AUDIT_STOPPED"),
            Self::Storage(_) | Self::Io { .. } | Self::Directory(_) => {
                tracing::error!(error = %message, "the audit met a failure");
                plain(Code::Internal, "STORAGE")
            }
            Self::Query(error) => error.into_status(),
            Self::Append(error) => error.into_status(),
        }
    }
}
