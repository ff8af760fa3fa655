//! `verify sample`: reads random entries of a ledger, and has it prove each of them. Does not know what
//! makes a proof hold.

use std::collections::HashMap;

use clap::Args;
use prost::Message as _;
use serde_json::json;

use super::since::ask;
use super::verdict::Verdict;
use super::{Source, Stop, Trust, malformed, prove_consistent, tell};
use crate::audit::{
    ChainEntry, Checkpoint, InclusionProof, Sampled, VerifierKey, entry_of, part_found,
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

#[derive(Debug, Args)]
pub(in crate::cli) struct Sample {
    /// How many entries are read
    #[arg(short, long, value_name = "ENTRIES", default_value_t = 299)]
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
    covered: u64,
    orders: HashMap<String, Known>,
}

impl Sample {
    pub(super) async fn run(self) -> Result<(), Failure> {
        tell(self.check().await, self.trust.output)
    }

    async fn check(&self) -> Result<Verdict, Stop> {
        let keys = self.trust.keys()?;
        let mut clients = self.source.connect().await?;
        let (seal, _) = ask(&mut clients.audit, (ANY_ORDER, self.covers), &keys).await?;
        if seal.covered < self.covers {
            let what =
                format!("the seal covers {} entries, {} are required", seal.covered, self.covers);
            return Err(malformed(&what).into());
        }
        let seed = self.seed.unwrap_or_else(random);
        let offsets = sample_offsets(seed, self.n, seal.covered);
        let (mut bar, total) = (Bar::new(), u64_from(offsets.len()));
        let (covered, orders) = (seal.covered, HashMap::new());
        let mut sampling = Sampling { clients, keys: &keys, covered, orders };
        let mut defects = Vec::new();
        for (done, offset) in (0..).zip(offsets) {
            bar.show(Progress { what: "entries sampled", done, total });
            if let Err(defect) = sampling.check(offset).await? {
                defects.push(defect);
            }
        }
        drop(bar);
        sampling.one_history(seal.checkpoint.clone()).await?;
        let told = |verdict: Verdict| {
            verdict
                .with("samples", json!(total))
                .with("seed", json!(seed))
                .with("seal", json!(seal.offset))
                .with("covered", json!(covered))
                .with("origin", json!(seal.checkpoint.origin))
                .and(format!(
                    "seed {seed}, seal #{}, origin {}",
                    seal.offset, seal.checkpoint.origin
                ))
        };
        if !defects.is_empty() {
            let sentence =
                format!("{} of {total} sampled entries are not what was sealed", defects.len());
            return Err(told(Verdict::tampered(sentence, defects)).into());
        }
        let entries = grouped(covered);
        let sentence =
            format!("{total} of {entries} entries stand where their orders' sealed histories say");
        Ok(told(Verdict::verified(sentence))
            .and(self.shows(total, covered))
            .but("an entry that was not sampled: only replaying the log looks at each one"))
    }

    /// What so many samples show.
    fn shows(&self, total: u64, covered: u64) -> String {
        if total == covered {
            return "every entry that the seal covers was looked at".to_owned();
        }
        let percent = part_found(self.n) * 100.0;
        format!("{total} samples find a {percent:.2} % fraud with 95 % certainty")
    }
}

impl Sampling<'_> {
    /// Reads an entry and checks it; what is wrong with it is no reason to stop.
    async fn check(&mut self, offset: u64) -> Result<Result<(), String>, Stop> {
        let entry = match read_entry(&mut self.clients.ledger, offset).await? {
            Ok(entry) => entry,
            Err(what) => return Ok(Err(format!("offset {offset}: {what}"))),
        };
        let order = entry.event.correlation_id().to_owned();
        if !self.orders.contains_key(&order) {
            let covers = self.covered;
            let (seal, proof) = ask(&mut self.clients.audit, (&order, covers), self.keys).await?;
            let leaves = match proof.verify(&seal) {
                Ok(leaves) => leaves,
                Err(defect) => return Ok(Err(format!("offset {offset}: {defect}"))),
            };
            let (chain, checkpoint) = (proof.chain, seal.checkpoint);
            self.orders.insert(order.clone(), Known { chain, leaves, checkpoint });
        }
        let Some(Known { chain, leaves, checkpoint }) = self.orders.get(&order) else {
            return Ok(Err(format!("offset {offset}: its order has no proof")));
        };
        let tree_size = Some(checkpoint.size);
        let request = proto::GetInclusionProofRequest { offset, tree_size };
        let answer = self.clients.audit.get_inclusion_proof(request).await?.into_inner();
        let proof = match InclusionProof::from_message(&answer) {
            Ok(proof) => proof,
            Err(malformed) => return Ok(Err(format!("offset {offset}: {malformed}"))),
        };
        let inclusion = &proof.hashes;
        let sampled = Sampled { offset, entry: &entry, chain, leaves, checkpoint, inclusion };
        Ok(sampled.check().map_err(|defect| defect.to_string()))
    }

    /// Checks that all checkpoints that were shown meanwhile are of one log.
    async fn one_history(&mut self, first: Checkpoint) -> Result<(), Stop> {
        let shown = self.orders.values().map(|known| known.checkpoint.clone());
        let mut shown: Vec<_> = [first].into_iter().chain(shown).collect();
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
