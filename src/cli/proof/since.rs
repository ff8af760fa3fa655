//! `verify since`: an older file of evidence against a newer one, or against a ledger. Does not know
//! how histories are proven.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::bundle::verified_bundle;
use super::verdict::Verdict;
use super::{Source, Stop, Trust, malformed, of_note, prove_consistent, tell};
use crate::audit::{
    Checkpoint, OrderProof, OrderProofDefect, ProvenSeal, SealProof, VerifiedBundle, VerifierKey,
    continues_history,
};
use crate::cli::failure::Failure;
use crate::cli::output::grouped;
use crate::log::Hash;
use crate::proto;
use crate::rpc::AuditClient;

#[derive(Debug, Args)]
pub(in crate::cli) struct Since {
    /// The older file of evidence
    old: PathBuf,
    /// The newer one; without it, what a ledger proves now
    new: Option<PathBuf>,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    source: Source,
}

impl Since {
    pub(super) async fn run(self) -> Result<(), Failure> {
        tell(self.check().await, self.trust.output)
    }

    async fn check(&self) -> Result<Verdict, Stop> {
        let keys = self.trust.keys()?;
        let old = verified_bundle(&self.old, &keys)?;
        match &self.new {
            Some(new) => between(&old, &verified_bundle(new, &keys)?),
            None => {
                let mut client = self.source.connect().await?.audit;
                against(&old, &mut client, &keys).await
            }
        }
    }
}

/// Of two files, offline: what both are about is compared entry by entry.
fn between(old: &VerifiedBundle, new: &VerifiedBundle) -> Result<Verdict, Stop> {
    let (before, after) = (&old.seal.checkpoint, &new.seal.checkpoint);
    if before.origin != after.origin {
        let what = format!("{} and {}", before.origin, after.origin);
        return Err(Verdict::inconclusive("the files are of two origins", [what]).into());
    }
    if old.seal.covered > new.seal.covered {
        let what = "the seal of the newer file covers less: name the older file first";
        return Err(Verdict::inconclusive("the files are in the wrong order", [what.into()]).into());
    }
    if before.size == after.size && before.root != after.root {
        let what = format!("both files are of {} entries, and their roots differ", before.size);
        return Err(Verdict::tampered("one log was shown in two ways", [what]).into());
    }
    let (mut defects, mut missing) = (Vec::new(), Vec::new());
    for order in &old.orders {
        let newer = new.orders.iter().find(|newer| newer.correlation_id == order.correlation_id);
        let Some(newer) = newer else {
            missing.push(format!("{} is not in the newer file", order.correlation_id));
            continue;
        };
        let id = &order.correlation_id;
        let continued = continues_history(id, &order.leaf_hashes, &newer.leaf_hashes);
        defects.extend(continued.err().map(|defect| defect.to_string()));
    }
    if !defects.is_empty() {
        return Err(rewritten(defects).into());
    }
    if !missing.is_empty() {
        return Err(Verdict::inconclusive("the newer file shows less", missing).into());
    }
    Ok(continued(old, &new.seal).but(
        "that the whole log of the newer file begins with that of the older one: only a ledger \
         proves that; leave the newer file out, and name the ledger",
    ))
}

fn rewritten(defects: Vec<String>) -> Verdict {
    Verdict::tampered("what was proven before is not there any more", defects)
}

fn continued(old: &VerifiedBundle, seal: &ProvenSeal) -> Verdict {
    let count = old.orders.len();
    let orders = if count == 1 { "1 order".to_owned() } else { format!("{count} orders") };
    let sentence = format!(
        "nothing of {orders} is gone or changed between seal #{} and seal #{} ({} entries)",
        old.seal.offset,
        seal.offset,
        grouped(seal.covered)
    );
    Verdict::verified(sentence)
        .with("orders", json!(count))
        .with("from_seal", json!(old.seal.offset))
        .with("to_seal", json!(seal.offset))
        .with("covered", json!(seal.covered))
        .and(format!("origin {}", seal.checkpoint.origin))
}

/// Against a ledger: the whole log is continued, and each order.
async fn against(
    old: &VerifiedBundle,
    client: &mut AuditClient,
    keys: &[VerifierKey],
) -> Result<Verdict, Stop> {
    let request = proto::GetCheckpointRequest { at_least: 0 };
    let answer = client.get_checkpoint(request).await?.into_inner();
    let now = Checkpoint::verify(&answer.checkpoint, keys);
    let now = now.map_err(|defect| of_note("the server's checkpoint", &defect))?;
    let before = &old.seal.checkpoint;
    if now.size < before.size && now.origin == before.origin {
        let what = format!(
            "the file is of a log of {} entries; the server has {}",
            grouped(before.size),
            grouped(now.size)
        );
        return Err(rewritten(vec![what]).into());
    }
    prove_consistent(client, before, &now).await?;
    let (mut defects, mut newest) = (Vec::new(), old.seal.clone());
    for order in &old.orders {
        let id = &order.correlation_id;
        let (seal, leaves) = proven(client, (id, now.size), keys).await?;
        prove_consistent(client, before, &seal.checkpoint).await?;
        let continued = continues_history(id, &order.leaf_hashes, &leaves);
        defects.extend(continued.err().map(|defect| defect.to_string()));
        newest = seal;
    }
    if !defects.is_empty() {
        return Err(rewritten(defects).into());
    }
    Ok(continued(old, &newest))
}

/// What a server proves of an order, under a seal that covers so many entries.
async fn proven(
    client: &mut AuditClient,
    (order, covers): (&str, u64),
    keys: &[VerifierKey],
) -> Result<(ProvenSeal, Vec<Hash>), Stop> {
    let (seal, proof) = ask(client, (order, covers), keys).await?;
    let leaves = proof.verify(&seal).map_err(|defect| malformed(&defect))?;
    Ok((seal, leaves))
}

/// Asks for the proof of an order, and checks its seal.
pub(super) async fn ask(
    client: &mut AuditClient,
    (order, covers): (&str, u64),
    keys: &[VerifierKey],
) -> Result<(ProvenSeal, OrderProof), Stop> {
    let request = proto::GetOrderProofRequest { correlation_id: order.to_owned(), covers };
    let answer = client.get_order_proof(request).await?.into_inner();
    let (seal, proof): (SealProof, OrderProof) =
        OrderProof::from_message(order, &answer).map_err(|error| malformed(&error))?;
    match seal.verify(keys) {
        Ok(seal) => Ok((seal, proof)),
        Err(OrderProofDefect::Checkpoint(defect)) => {
            Err(of_note("the server's checkpoint", &defect).into())
        }
        Err(defect) => Err(malformed(&defect).into()),
    }
}
