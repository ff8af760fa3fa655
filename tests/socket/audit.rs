//! The audit over the socket: what each method answers is verified with the library, as an auditor
//! would; what it refuses is told from everything else.

use std::path::Path;
use std::time::Duration;

use order_ledger::proto::append_stream_response::Result as Answer;
use order_ledger::proto::{
    AppendRequest, AppendStreamRequest, Basis, CreateSealRequest, ExportEvidenceRequest,
    GetCheckpointRequest, GetConsistencyProofRequest, GetInclusionProofRequest,
    GetOrderProofRequest, ListPeriodsRequest, OrderBasis, OrderFilter,
};
use order_ledger::{
    AuditOptions, AuditServiceClient, BundleOptions, BundleVerdict, Checkpoint, ConsistencyProof,
    Hash, InclusionProof, OrderProof, ServeOptions, VerifiedBundle, VerifierKey, verify_bundle,
};
use tonic::codegen::tokio_stream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::raw::{self, RawReplay};
use crate::support::{
    Client, Explained, Server, append, batch, event, explained, options, receipts, run,
};

type Audit = AuditServiceClient<Channel>;

/// A server that seals and signs when it is asked.
async fn start(folder: &Path) -> (Server, Client, Audit) {
    start_with(folder, AuditOptions::default()).await
}

async fn start_with(folder: &Path, audit: AuditOptions) -> (Server, Client, Audit) {
    let quiet = AuditOptions {
        checkpoint_interval: Duration::from_secs(3_600),
        seal_interval: None,
        ..audit
    };
    let serving = ServeOptions { audit: quiet, ..ServeOptions::default() };
    let server = Server::start_with(folder, options(), serving).await;
    let client = server.client().await;
    let audit = AuditServiceClient::new(server.channel().await);
    (server, client, audit)
}

async fn keys(audit: &mut Audit) -> Vec<VerifierKey> {
    let answer = audit.get_checkpoint(GetCheckpointRequest { at_least: 0 }).await.unwrap();
    let keys = answer.into_inner().verifier_keys;
    keys.iter().map(|key| VerifierKey::parse(key).unwrap()).collect()
}

async fn checkpoint(audit: &mut Audit, at_least: u64) -> Checkpoint {
    let answer = audit.get_checkpoint(GetCheckpointRequest { at_least }).await.unwrap();
    let answer = answer.into_inner();
    let checkpoint = Checkpoint::verify(&answer.checkpoint, &keys(audit).await).unwrap();
    assert_eq!((checkpoint.size, &checkpoint.root[..]), (answer.tree_size, &*answer.root_hash));
    checkpoint
}

/// The leaf hashes of an order as they are proven.
async fn proven(audit: &mut Audit, order: &str, covers: u64) -> Vec<Hash> {
    let request = GetOrderProofRequest { correlation_id: order.to_owned(), covers };
    let answer = audit.get_order_proof(request).await.unwrap().into_inner();
    let (seal, proof) = OrderProof::from_message(order, &answer).unwrap();
    let seal = seal.verify(&keys(audit).await).unwrap();
    assert!(seal.covered >= covers);
    proof.verify(&seal).unwrap()
}

/// The bytes of a file of evidence, or why there are none, wherever the stream says so.
async fn exported(audit: &mut Audit, request: ExportEvidenceRequest) -> Result<Vec<u8>, Status> {
    let mut parts = audit.export_evidence(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.message().await? {
        assert!((1..=256 * 1024).contains(&part.data.len()));
        bytes.extend(part.data);
    }
    Ok(bytes)
}

fn of_orders(orders: &[&str]) -> ExportEvidenceRequest {
    let correlation_ids = orders.iter().map(|order| (*order).to_owned()).collect();
    ExportEvidenceRequest { correlation_ids, ..ExportEvidenceRequest::default() }
}

async fn shown(audit: &mut Audit, request: ExportEvidenceRequest) -> VerifiedBundle {
    let bytes = exported(audit, request).await.unwrap();
    match verify_bundle(&bytes, &keys(audit).await, &BundleOptions::default()) {
        BundleVerdict::Verified(shown) => *shown,
        other @ (BundleVerdict::Tampered(_)
        | BundleVerdict::Inconclusive(_)
        | BundleVerdict::Unreadable(_)) => panic!("{other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> Explained {
    explained(&answer.unwrap_err())
}

const INVALID: (Code, &str, &str) = (Code::InvalidArgument, "INVALID_REQUEST", "refused");
const BEYOND: (Code, &str, &str) = (Code::OutOfRange, "BEYOND_HEAD", "refused");

#[test]
fn checkpoints_and_proofs_hold_and_go_on_from_each_other() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, mut client, mut audit) = start(folder.path()).await;
        assert_eq!(checkpoint(&mut audit, 0).await.size, 0);
        let mut last: Option<Checkpoint> = None;
        for round in 0..3_u32 {
            let events = (0..50).map(|n| event(&format!("erp/{}", n % 7), round * 50 + n));
            let appended = append(&mut client, events).await;
            let now = checkpoint(&mut audit, appended.head).await;
            assert_eq!(now.size, appended.head);
            for receipt in receipts(&appended).iter().step_by(13) {
                let tree_size = Some(now.size);
                let request = GetInclusionProofRequest { offset: receipt.offset, tree_size };
                let answer = audit.get_inclusion_proof(request).await.unwrap().into_inner();
                assert_eq!((&*answer.leaf_hash, &*answer.checkpoint), (&*receipt.leaf_hash, ""));
                let proof = InclusionProof::from_message(&answer).unwrap();
                proof.verify(receipt.offset, &now.root).unwrap();
                assert!(proof.verify(receipt.offset + 1, &now.root).is_err());
            }
            if let Some(before) = last {
                let from_size = before.size;
                let request = GetConsistencyProofRequest { from_size, to_size: None };
                let answer = audit.get_consistency_proof(request).await.unwrap().into_inner();
                let known = keys(&mut audit).await;
                assert_eq!(Checkpoint::verify(&answer.checkpoint, &known).unwrap(), now);
                let proof = ConsistencyProof::from_message(&answer).unwrap();
                proof.verify((before.size, &before.root), &now.root).unwrap();
            }
            last = Some(now);
        }
        server.stop().await;
    });
}

#[test]
fn what_was_just_acknowledged_is_proven_whole_and_what_never_came_absent() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, mut client, mut audit) = start(folder.path()).await;
        let mut leaves = Vec::new();
        for n in 0..6 {
            let appended = append(&mut client, [event("erp/1", n), event("erp/2", n)]).await;
            leaves.push(receipts(&appended)[0].leaf_hash.clone());
            let proven = proven(&mut audit, "erp/1", appended.head).await;
            assert_eq!(proven.iter().map(|leaf| leaf.to_vec()).collect::<Vec<_>>(), leaves);
            assert!(self::proven(&mut audit, "erp/never", appended.head).await.is_empty());
        }
        let request = GetOrderProofRequest { correlation_id: "erp/1".into(), covers: 0 };
        let answer = audit.get_order_proof(request).await.unwrap().into_inner();
        let known = keys(&mut audit).await;
        // Each entry left out, and each one changed, is seen.
        for index in 0..answer.entries.len() {
            let mut less = answer.clone();
            less.entries.remove(index);
            let mut other = answer.clone();
            other.entries[index].recorded_at_ns += 1;
            for forged in [less, other] {
                let (seal, proof) = OrderProof::from_message("erp/1", &forged).unwrap();
                assert!(proof.verify(&seal.verify(&known).unwrap()).is_err(), "entry {index}");
            }
        }
        server.stop().await;
    });
}

#[test]
fn evidence_shows_what_is_named_and_what_passes_a_filter() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, mut client, mut audit) = start(folder.path()).await;
        let events = (0..40).map(|n| event(&format!("erp/{}", n % 4), n));
        let head = append(&mut client, events).await.head;
        let named = shown(&mut audit, of_orders(&["erp/1", "erp/never", "erp/1"])).await;
        let counts: Vec<_> = named
            .orders
            .iter()
            .map(|order| (&*order.correlation_id, order.entry_count, order.shown_count))
            .collect();
        assert_eq!(counts, [("erp/1", 10, 10), ("erp/never", 0, 0)]);
        assert!(named.seal.covered >= head);

        let filter = Some(OrderFilter { sources: vec!["wms:dc1".into()], ..<_>::default() });
        let mut all = of_orders(&["erp/3"]);
        all.filter = filter;
        assert_eq!(shown(&mut audit, all.clone()).await.orders.len(), 4);

        let basis = Basis { as_of_offset: Some(20), ..Basis::default() };
        all.as_of = Some(OrderBasis { basis: Some(basis), as_of_occurred: None });
        let older = shown(&mut audit, all).await;
        assert!(older.orders.iter().all(|order| (order.entry_count, order.shown_count) == (10, 5)));
        assert_eq!(older.basis.offset, 20);
        server.stop().await;
    });
}

#[test]
fn a_period_is_closed_once_and_listed() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, mut client, mut audit) = start(folder.path()).await;
        let head = append(&mut client, [event("erp/1", 1)]).await.head;
        let request = CreateSealRequest {
            label: "2026-Q3".into(),
            actor: "anna".into(),
            reason: "quarter's end".into(),
        };
        let made = audit.create_seal(request.clone()).await.unwrap().into_inner();
        assert_eq!(made.covered, head);
        let known = keys(&mut audit).await;
        assert!(Checkpoint::verify(&made.checkpoint, &known).unwrap().size > made.offset);
        let again = audit.create_seal(request.clone()).await.unwrap().into_inner();
        assert_eq!((again.offset, again.covered), (made.offset, made.covered));

        let other = CreateSealRequest { actor: "bert".into(), ..request };
        let said = refused(audit.create_seal(other).await);
        assert_eq!(said.kind(), (Code::AlreadyExists, "PERIOD_EXISTS", "refused"));
        assert!(said.message.contains("anna"), "{}", said.message);
        let unnamed = CreateSealRequest { label: "2026 Q4".into(), ..<_>::default() };
        let said = refused(audit.create_seal(unnamed).await);
        assert_eq!((said.kind(), said.fields()), (INVALID, vec!["label", "actor", "reason"]));

        let list = |label: &str| ListPeriodsRequest { label: label.into() };
        let periods = audit.list_periods(list("")).await.unwrap().into_inner().periods;
        assert_eq!((periods.len(), &*periods[0].label), (1, "2026-Q3"));
        assert_eq!((periods[0].covered, periods[0].offset), (head, made.offset));
        let said = refused(audit.list_periods(list("2026-Q2")).await);
        assert_eq!(said.kind(), (Code::NotFound, "UNKNOWN_PERIOD", "refused"));
        server.stop().await;
    });
}

#[test]
fn what_the_log_does_not_have_is_refused_with_its_field() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, mut client, mut audit) = start(folder.path()).await;
        let said = refused(audit.create_seal(CreateSealRequest::default()).await);
        assert_eq!(said.kind(), INVALID, "an empty ledger");
        let head = append(&mut client, (0..10).map(|n| event("erp/1", n))).await.head;

        let at_least = head + 1;
        let said = refused(audit.get_checkpoint(GetCheckpointRequest { at_least }).await);
        assert_eq!(said.kind(), BEYOND);
        let inclusion = |offset, tree_size| GetInclusionProofRequest { offset, tree_size };
        let said = refused(audit.get_inclusion_proof(inclusion(head, None)).await);
        assert_eq!(said.kind(), BEYOND);
        let said = refused(audit.get_inclusion_proof(inclusion(3, Some(head + 1))).await);
        assert_eq!(said.kind(), BEYOND);
        let said = refused(audit.get_inclusion_proof(inclusion(3, Some(3))).await);
        assert_eq!((said.kind(), said.fields()), (INVALID, vec!["tree_size"]));
        let consistency = |from_size, to_size| GetConsistencyProofRequest { from_size, to_size };
        let said = refused(audit.get_consistency_proof(consistency(4, Some(3))).await);
        assert_eq!((said.kind(), said.fields()), (INVALID, vec!["to_size"]));
        let said = refused(audit.get_consistency_proof(consistency(head + 1, None)).await);
        assert_eq!(said.kind(), BEYOND);
        let proof = |id: &str, covers| GetOrderProofRequest { correlation_id: id.into(), covers };
        let said = refused(audit.get_order_proof(proof("", 0)).await);
        assert_eq!((said.kind(), said.fields()), (INVALID, vec!["correlation_id"]));
        let said = refused(audit.get_order_proof(proof("erp/1", head + 1)).await);
        assert_eq!(said.kind(), BEYOND);
        server.stop().await;
    });
}

#[test]
fn evidence_of_none_or_too_many_or_of_what_has_not_come_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, mut client, mut audit) = start(folder.path()).await;
        let head = append(&mut client, (0..10).map(|n| event("erp/1", n))).await.head;
        let filter = |source: &str| {
            Some(OrderFilter { sources: vec![source.to_owned()], ..OrderFilter::default() })
        };
        let many: Vec<String> = (0..1_001).map(|n| format!("erp/{n}")).collect();
        let many = ExportEvidenceRequest { correlation_ids: many, ..<_>::default() };
        let none = ExportEvidenceRequest { filter: filter("nobody"), ..<_>::default() };
        for (request, field) in [
            (of_orders(&[]), "correlation_ids"),
            (of_orders(&["erp/1", ""]), "correlation_ids[1]"),
            (many, "correlation_ids"),
        ] {
            let said = refused(exported(&mut audit, request).await);
            assert_eq!((said.kind(), said.fields()), (INVALID, vec![field]));
        }
        let said = refused(exported(&mut audit, none).await);
        assert_eq!(said.kind(), (Code::NotFound, "NO_ORDER", "refused"));
        let beyond = ExportEvidenceRequest { covers: Some(head + 1), ..of_orders(&["erp/1"]) };
        assert_eq!(refused(exported(&mut audit, beyond).await).kind(), BEYOND);
        let as_of = |basis| ExportEvidenceRequest {
            as_of: Some(OrderBasis { basis: Some(basis), as_of_occurred: None }),
            ..of_orders(&["erp/1"])
        };
        let offset = Basis { as_of_offset: Some(head + 1), ..Basis::default() };
        assert_eq!(refused(exported(&mut audit, as_of(offset)).await).kind(), BEYOND);
        let time = prost_types::Timestamp { seconds: 9_000_000_000, nanos: 0 };
        let future = Basis { as_of_recorded: Some(time), ..Basis::default() };
        let said = refused(exported(&mut audit, as_of(future)).await);
        assert_eq!(said.kind(), (Code::InvalidArgument, "IN_FUTURE", "refused"));
        assert_eq!(said.fields(), ["as_of.basis.as_of_recorded"]);
        server.stop().await;
    });
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_restored_backup_signs_nothing_and_goes_on_otherwise() {
    run(async {
        let (folder, backup, copies) = (
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
        );
        let with_copies = || AuditOptions {
            checkpoint_copies: vec![copies.path().to_owned()],
            ..AuditOptions::default()
        };
        let (server, mut client, mut audit) = start_with(folder.path(), with_copies()).await;
        append(&mut client, [event("erp/1", 1)]).await;
        drop((client, audit));
        server.stop().await;
        copy(folder.path(), backup.path());
        let (server, mut client, second) = start_with(folder.path(), with_copies()).await;
        append(&mut client, [event("erp/1", 2)]).await;
        drop((client, second));
        server.stop().await;

        let (server, client, restored) = start_with(backup.path(), with_copies()).await;
        let mut client = client;
        audit = restored;
        let covered = AppendRequest { with_checkpoint: true, ..batch([event("erp/1", 3)]) };
        let appended = client.append(covered).await.unwrap().into_inner();
        assert_eq!((appended.head, &*appended.checkpoint), (2, ""), "appended all the same");
        let refusals = [
            refused(audit.get_checkpoint(GetCheckpointRequest { at_least: 0 }).await),
            refused(audit.create_seal(CreateSealRequest::default()).await),
            refused(exported(&mut audit, of_orders(&["erp/1"])).await),
            refused(
                audit
                    .get_order_proof(GetOrderProofRequest {
                        correlation_id: "erp/1".into(),
                        covers: 0,
                    })
                    .await,
            ),
        ];
        for said in refusals {
            assert_eq!(said.kind(), (Code::FailedPrecondition, "SIGNING_REFUSED", "refused"));
            assert!(said.message.contains("--new-origin"), "{}", said.message);
        }
        drop((client, audit));
        server.stop().await;
    });
}

#[test]
fn an_append_is_answered_with_a_checkpoint_that_covers_it_also_as_a_duplicate() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, mut client, mut audit) = start(folder.path()).await;
        let covered = |n| AppendRequest { with_checkpoint: true, ..batch([event("erp/1", n)]) };
        let known = keys(&mut audit).await;
        let first = client.append(covered(1)).await.unwrap().into_inner();
        append(&mut client, [event("erp/1", 2)]).await;
        let again = client.append(covered(1)).await.unwrap().into_inner();
        assert_eq!(receipts(&again), receipts(&first));
        for answer in [&first, &again] {
            let checkpoint = Checkpoint::verify(&answer.checkpoint, &known).unwrap();
            assert!(checkpoint.size >= answer.head);
            let receipt = &receipts(answer)[0];
            let tree_size = Some(checkpoint.size);
            let request = GetInclusionProofRequest { offset: receipt.offset, tree_size };
            let proof = audit.get_inclusion_proof(request).await.unwrap().into_inner();
            assert_eq!(proof.leaf_hash, receipt.leaf_hash);
            let proof = InclusionProof::from_message(&proof).unwrap();
            proof.verify(receipt.offset, &checkpoint.root).unwrap();
        }
        let plain = client.append(batch([event("erp/1", 3)])).await.unwrap().into_inner();
        assert_eq!(plain.checkpoint, "");

        let requests = [covered(4), batch([event("erp/1", 5)]), covered(1)];
        let requests: Vec<_> = (1..)
            .zip(requests)
            .map(|(request_id, append)| AppendStreamRequest { request_id, append: Some(append) })
            .collect();
        let answers = client.append_stream(tokio_stream::iter(requests)).await.unwrap();
        let mut answers = answers.into_inner();
        for (id, with) in [(1, true), (2, false), (3, true)] {
            let answer = answers.message().await.unwrap().unwrap();
            assert_eq!(answer.request_id, id);
            let Some(Answer::Appended(appended)) = answer.result else { panic!("request {id}") };
            let size = Checkpoint::verify(&appended.checkpoint, &known).map(|one| one.size);
            assert_eq!(size.is_ok_and(|size| size >= appended.head), with, "request {id}");
        }
        server.stop().await;
    });
}

#[test]
fn what_a_newer_auditor_asks_for_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, _client, _audit) = start(folder.path()).await;
        let mut newer = Vec::new();
        raw::put_bytes(&mut newer, 99, b"newer");
        for method in [
            "GetCheckpoint",
            "GetInclusionProof",
            "GetConsistencyProof",
            "GetOrderProof",
            "ExportEvidence",
            "CreateSeal",
            "ListPeriods",
        ] {
            let path = format!("/orderledger.v1.AuditService/{method}");
            let channel = server.channel().await;
            let said = refused(raw::unary_at::<RawReplay>(channel, &path, newer.clone()).await);
            assert_eq!((said.kind(), said.fields()), (INVALID, vec!["99"]), "{method}");
        }
    });
}
