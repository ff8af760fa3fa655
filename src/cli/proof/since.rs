//! `verify since`: an older file of evidence against a newer one, or against a ledger.
//! Does not know how histories are proven.

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
use crate::num::u64_from;
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
        if let Some(new) = &self.new {
            return between(&old, &verified_bundle(new, &keys)?);
        }
        let mut client = self.source.connect().await?.audit;
        against(&old, &mut client, &keys).await
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
    let (mut defects, mut missing, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for order in &old.orders {
        let newer = new.orders.iter().find(|newer| newer.correlation_id == order.correlation_id);
        let Some(newer) = newer else {
            missing.push(format!("{} is not in the newer file", order.correlation_id));
            continue;
        };
        let id = &order.correlation_id;
        let continued = continues_history(id, &order.leaf_hashes, &newer.leaf_hashes);
        defects.extend(continued.err().map(|defect| defect.to_string()));
        counts.push(newer.entry_count);
    }
    if !defects.is_empty() {
        return Err(rewritten(defects).into());
    }
    if !missing.is_empty() {
        return Err(Verdict::inconclusive("the newer file shows less", missing).into());
    }
    Ok(continued(old, &new.seal, &counts).but(
        "that the whole log of the newer file begins with that of the older one: only a ledger \
         proves that; leave the newer file out, and name the ledger",
    ))
}

fn rewritten(defects: Vec<String>) -> Verdict {
    Verdict::tampered("what was proven before is not there any more", defects)
}

/// The verdict where nothing is gone; `counts` has the entries of each order that there are now.
fn continued(old: &VerifiedBundle, seal: &ProvenSeal, counts: &[u64]) -> Verdict {
    let count = old.orders.len();
    let orders = if count == 1 { "1 order".to_owned() } else { format!("{count} orders") };
    let sentence = format!(
        "nothing of {orders} is gone or changed between seal #{} and seal #{} ({} entries)",
        old.seal.offset,
        seal.offset,
        grouped(seal.covered)
    );
    let rows = || old.orders.iter().zip(counts);
    let histories = rows().map(|(order, now)| {
        let (id, then) = (&order.correlation_id, order.entry_count);
        json!({ "order": id, "entries_then": then, "entries_now": now })
    });
    let verdict = Verdict::verified(sentence)
        .with("orders", json!(count))
        .with("histories", histories.collect())
        .with("from_seal", json!(old.seal.offset))
        .with("to_seal", json!(seal.offset))
        .with("covered", json!(seal.covered))
        .and(format!("origin {}", seal.checkpoint.origin));
    rows().fold(verdict, |verdict, (order, now)| {
        let (id, then) = (&order.correlation_id, order.entry_count);
        let entries = if then == 1 { "entry" } else { "entries" };
        verdict.and(format!("{id}: {then} {entries} then, {now} now"))
    })
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
    let (mut defects, mut counts, mut newest) = (Vec::new(), Vec::new(), old.seal.clone());
    for order in &old.orders {
        let id = &order.correlation_id;
        let (seal, leaves) = proven(client, (id, now.size), keys).await?;
        prove_consistent(client, before, &seal.checkpoint).await?;
        let continued = continues_history(id, &order.leaf_hashes, &leaves);
        defects.extend(continued.err().map(|defect| defect.to_string()));
        counts.push(u64_from(leaves.len()));
        newest = seal;
    }
    if !defects.is_empty() {
        return Err(rewritten(defects).into());
    }
    Ok(continued(old, &newest, &counts))
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

/// Asks for the proof of an order, and checks its seal, which has to cover what was asked for.
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
        Ok(seal) if !reaches(&seal, covers) => {
            let covered = grouped(seal.covered);
            let what =
                format!("its seal covers {covered} entries; {} were asked for", grouped(covers));
            Err(malformed(&what).into())
        }
        Ok(seal) => Ok((seal, proof)),
        Err(OrderProofDefect::Checkpoint(defect)) => {
            Err(of_note("the server's checkpoint", &defect).into())
        }
        Err(defect) => Err(malformed(&defect).into()),
    }
}

/// Whether a seal covers so many entries, or all but itself.
fn reaches(seal: &ProvenSeal, covers: u64) -> bool {
    let is_last = seal.offset == seal.covered && covers == seal.covered.saturating_add(1);
    seal.covered >= covers || is_last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen red with the seal believed to reach whatever was asked for.
    #[test]
    fn an_older_seal_than_was_asked_for_is_no_answer() {
        let checkpoint = Checkpoint { origin: "o".to_owned(), size: 40, root: [7; 32] };
        let seal = |offset, covered| ProvenSeal {
            checkpoint: checkpoint.clone(),
            signed_by: Vec::new(),
            offset,
            recorded_at_ns: 0,
            covered,
            directory_root: [0; 32],
        };
        assert!(reaches(&seal(30, 30), 30) && reaches(&seal(35, 30), 30));
        assert!(reaches(&seal(30, 30), 31), "the entry that is not covered is the seal");
        assert!(!reaches(&seal(31, 30), 31) && !reaches(&seal(30, 30), 32));
    }
}
