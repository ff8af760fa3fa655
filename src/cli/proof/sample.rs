//! `verify sample`: reads random entries of a ledger, and has it prove each of them.
//! Does not know what makes a proof hold.

use std::collections::HashMap;
use std::fmt::Display;

use clap::Args;
use prost::Message as _;
use serde_json::json;

use super::since::ask;
use super::verdict::Verdict;
use super::{Source, Stop, Trust, prove_consistent, tell};
use crate::audit::{
    ChainEntry, Checkpoint, InclusionProof, ProvenSeal, Sampled, VerifierKey, entry_of, part_found,
    sample_offsets,
};
use crate::cli::bar::Bar;
use crate::cli::failure::Failure;
use crate::cli::output::grouped;
use crate::event::RecordedEvent;
use crate::ledger::Progress;
use crate::log::Hash;
use crate::num::u64_from;
use crate::proto;
use crate::rpc::wire::replay_response::Message;
use crate::rpc::{Clients, LedgerClient, SILENCE_MAX, heard, wire};
use crate::time::{now_ns, ns_from_parts};

/// An order that hardly any ledger has: asked for where only the seal is wanted.
const ANY_ORDER: &str = "order-ledger/sample";
/// How often a sample begins, where newer seals are made meanwhile.
const STARTS_MAX: usize = 5;

#[derive(Debug, Args)]
pub(in crate::cli) struct Sample {
    /// How many entries are read
    #[arg(short, long, value_name = "ENTRIES", default_value_t = 299,
        value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// Which ones; without it nobody knows beforehand
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The number of entries that the seal has to cover; 0: the newest seal
    #[arg(long, value_name = "ENTRIES", default_value_t = 0, hide_default_value = true)]
    covers: u64,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    source: Source,
}

/// What was proven of the order of an entry.
struct Known {
    chain: Vec<ChainEntry>,
    leaves: Vec<Hash>,
    checkpoint: Checkpoint,
}

/// What goes on from entry to entry.
struct Sampling<'a> {
    clients: Clients,
    keys: &'a [VerifierKey],
    /// Every order is proven under this one, so that all of them are parts of one directory.
    seal: ProvenSeal,
    orders: HashMap<String, Known>,
}

/// What was found out about an entry.
enum Looked {
    Sound,
    Wrong(String),
    /// Its order was proven under another seal than the first.
    OtherSeal(ProvenSeal),
}

impl Sample {
    pub(super) async fn run(self) -> Result<(), Failure> {
        tell(self.check().await, self.trust.output)
    }

    /// A ledger makes seals while it is asked: then the sample begins again, under the newer one.
    async fn check(&self) -> Result<Verdict, Stop> {
        let keys = self.trust.keys()?;
        let mut clients = self.source.connect().await?;
        let seed = self.seed.unwrap_or_else(random);
        for _ in 0..STARTS_MAX {
            let (seal, _) = ask(&mut clients.audit, (ANY_ORDER, self.covers), &keys).await?;
            let (clients, orders) = (clients.clone(), HashMap::new());
            let sampling = Sampling { clients, keys: &keys, seal, orders };
            if let Some(verdict) = self.under_one_seal(sampling, seed).await? {
                return Ok(verdict);
            }
        }
        let what = format!("{STARTS_MAX} times the proofs were of more than one seal; ask again");
        Err(Verdict::inconclusive("the seal changed while entries were sampled", [what]).into())
    }

    /// What a sample under one seal comes to; `None` where the ledger has shown another one.
    async fn under_one_seal(
        &self,
        mut sampling: Sampling<'_>,
        seed: u64,
    ) -> Result<Option<Verdict>, Stop> {
        let seal = sampling.seal.clone();
        let offsets = sample_offsets(seed, self.n, seal.covered);
        let (mut bar, total) = (Bar::new(), u64_from(offsets.len()));
        let mut defects = Vec::new();
        for (done, offset) in (0..).zip(offsets) {
            bar.show(Progress { what: "entries sampled", done, total });
            match sampling.check(offset).await? {
                Looked::Sound => {}
                Looked::Wrong(defect) => defects.push(defect),
                Looked::OtherSeal(other) => {
                    drop(bar);
                    sampling.one_history(Some(other)).await?;
                    return Ok(None);
                }
            }
        }
        drop(bar);
        sampling.one_history(None).await?;
        let told = |verdict: Verdict| {
            let place = format!("seal #{}, origin {}", seal.offset, seal.checkpoint.origin);
            verdict
                .with("samples", json!(total))
                .with("seed", json!(seed))
                .with("seal", json!(seal.offset))
                .with("covered", json!(seal.covered))
                .with("origin", json!(seal.checkpoint.origin))
                .and(format!("seed {seed}, {place}"))
        };
        if !defects.is_empty() {
            let sentence =
                format!("{} of {total} sampled entries are not what was sealed", defects.len());
            return Err(told(Verdict::tampered(sentence, defects)).into());
        }
        let entries = grouped(seal.covered);
        let sentence =
            format!("{total} of {entries} entries stand where their orders' sealed histories say");
        let verdict = told(Verdict::verified(sentence));
        Ok(Some(self.shows(verdict, total, seal.covered)))
    }

    /// What so many samples show, and what they do not.
    fn shows(&self, verdict: Verdict, total: u64, covered: u64) -> Verdict {
        let verdict = if total == covered {
            verdict.and("every entry that the seal covers was looked at")
        } else {
            let percent = part_found(self.n) * 100.0;
            verdict
                .and(format!("{total} samples find a {percent:.2} % fraud with 95 % certainty"))
                .but("an entry that was not sampled: only replaying the log looks at each one")
        };
        verdict.but(
            "a file of evidence under another seal: only the directory of this seal was sampled",
        )
    }
}

impl Sampling<'_> {
    /// Reads an entry and checks it; what is wrong with it is no reason to stop.
    async fn check(&mut self, offset: u64) -> Result<Looked, Stop> {
        let wrong = |what: &dyn Display| Ok(Looked::Wrong(format!("offset {offset}: {what}")));
        let entry = match read_entry(&mut self.clients.ledger, offset).await? {
            Ok(entry) => entry,
            Err(what) => return wrong(&what),
        };
        let order = entry.event.correlation_id().to_owned();
        if !self.orders.contains_key(&order) {
            let covers = self.seal.covered;
            let (seal, proof) = ask(&mut self.clients.audit, (&order, covers), self.keys).await?;
            if !is_same_seal(&seal, &self.seal) {
                return Ok(Looked::OtherSeal(seal));
            }
            let leaves = match proof.verify(&seal) {
                Ok(leaves) => leaves,
                Err(defect) => return wrong(&defect),
            };
            let (chain, checkpoint) = (proof.chain, seal.checkpoint);
            self.orders.insert(order.clone(), Known { chain, leaves, checkpoint });
        }
        let Some(Known { chain, leaves, checkpoint }) = self.orders.get(&order) else {
            return wrong(&"its order has no proof");
        };
        let tree_size = Some(checkpoint.size);
        let request = proto::GetInclusionProofRequest { offset, tree_size };
        let answer = self.clients.audit.get_inclusion_proof(request).await?.into_inner();
        let proof = match InclusionProof::from_message(&answer) {
            Ok(proof) => proof,
            Err(malformed) => return wrong(&malformed),
        };
        let inclusion = &proof.hashes;
        let sampled = Sampled { offset, entry: &entry, chain, leaves, checkpoint, inclusion };
        Ok(match sampled.check() {
            Ok(()) => Looked::Sound,
            Err(defect) => Looked::Wrong(defect.to_string()),
        })
    }

    /// Checks that all checkpoints that were shown meanwhile are of one log.
    async fn one_history(&mut self, other: Option<ProvenSeal>) -> Result<(), Stop> {
        let first = [Some(self.seal.clone()), other].into_iter().flatten();
        let shown = self.orders.values().map(|known| known.checkpoint.clone());
        let mut shown: Vec<_> = first.map(|seal| seal.checkpoint).chain(shown).collect();
        shown.sort_by_key(|checkpoint| checkpoint.size);
        shown.dedup();
        for pair in shown.windows(2) {
            if let [older, newer] = pair {
                prove_consistent(&mut self.clients.audit, older, newer).await?;
            }
        }
        Ok(())
    }
}

/// One seal has one directory, in which each entry is counted once. Under two of them an entry
/// could be counted in one place here and in another one there.
fn is_same_seal(one: &ProvenSeal, other: &ProvenSeal) -> bool {
    (one.offset, one.covered, one.directory_root)
        == (other.offset, other.covered, other.directory_root)
}

/// The entry at an offset, or why what came is none.
async fn read_entry(
    client: &mut LedgerClient,
    offset: u64,
) -> Result<Result<RecordedEvent, String>, Stop> {
    let request = wire::ReplayRequest {
        from_offset: offset,
        limit: 1,
        include_ledger_entries: true,
        ..Default::default()
    };
    let mut messages = client.replay(request).await?.into_inner();
    while let Some(message) = heard(&mut messages, SILENCE_MAX).await? {
        let Some(Message::Events(chunk)) = message.message else { continue };
        let Ok(chunk) = wire::EventChunk::decode(chunk) else {
            return Ok(Err("what the server sent is no entry".to_owned()));
        };
        let Some(recorded) = chunk.events.into_iter().next() else { continue };
        let at = recorded.recorded_at.and_then(|at| ns_from_parts(at.seconds, at.nanos));
        let Some(at) = at.and_then(|at| u64::try_from(at).ok()) else {
            return Ok(Err("the entry has no time of recording".to_owned()));
        };
        let place = (recorded.offset, recorded.revision);
        return Ok(entry_of(place, at, recorded.event).map_err(|error| error.to_string()));
    }
    Ok(Err("the server has no entry there".to_owned()))
}

/// A seed that nobody knows beforehand.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| now_ns())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::audit::AuditOptions;
    use crate::event::Event;
    use crate::ledger::{Batch, Ledger, Options};
    use crate::proto::OrderEvent;
    use crate::rpc::connect_local;

    fn append(ledger: &Ledger, id: u32) {
        let event = OrderEvent {
            correlation_id: format!("erp/{id}"),
            source: "wms".into(),
            event_id: id.to_string(),
            r#type: "pick.confirmed".into(),
            ..OrderEvent::default()
        };
        ledger.append(Batch::of([Event::new(&event).unwrap()])).unwrap();
    }

    /// A proof under each seal holds by itself; an order could be counted in one of them alone.
    /// Seen red with the proofs of any seal taken.
    #[tokio::test]
    async fn a_proof_under_another_seal_is_none_of_this_sample() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::open(&folder, Options::default()).unwrap());
        (0..3).for_each(|id| append(&ledger, id));
        let quiet = AuditOptions { seal_interval: None, ..AuditOptions::default() };
        let mut clients = connect_local(Arc::clone(&ledger), quiet);
        let request = proto::GetCheckpointRequest { at_least: 0 };
        let keys = clients.audit.get_checkpoint(request).await.unwrap().into_inner().verifier_keys;
        let keys: Vec<_> = keys.iter().map(|key| VerifierKey::parse(key).unwrap()).collect();
        let Ok((seal, _)) = ask(&mut clients.audit, (ANY_ORDER, 3), &keys).await else {
            panic!("a ledger that is sound")
        };
        let orders = HashMap::new();
        let mut sampling = Sampling { clients: clients.clone(), keys: &keys, seal, orders };
        assert!(matches!(sampling.check(0).await, Ok(Looked::Sound)));
        append(&ledger, 3);
        clients.audit.create_seal(proto::CreateSealRequest::default()).await.unwrap();
        assert!(
            matches!(sampling.check(1).await, Ok(Looked::OtherSeal(other)) if other.covered > 3)
        );
    }
}
