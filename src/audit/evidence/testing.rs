//! A small log in memory with all that proofs are made of, by the naive definitions. Does not know
//! files, nor how a ledger does the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::convert::Infallible;

use super::{Evidence, EvidenceBasis, EvidenceOrder, EvidenceRole};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::directory::{DirectoryPath, Node, OrderNode, Step};
use crate::audit::note::{SignerKey, VerifierKey};
use crate::audit::order_proof::{ChainEntry, OrderProof, SEAL_MADE, SEALS, SealProof};
use crate::audit::tree::{inclusion_proof, subtree_root};
use crate::demo::Demo;
use crate::event::{Event, RecordedEvent};
use crate::ledger::AsOf;
use crate::log::{Hash, NO_PREVIOUS, order_hash};
use crate::num::{u64_from, usize_from};
use crate::order::Policy;
use crate::proto::{LedgerEntry, OrderEvent, Seal};

/// The time of the first entry.
pub(super) const BEGIN_NS: u64 = 1_767_592_800_000_000_000;
const STEP_NS: u64 = 1_000_000_000;

pub(super) struct TestLog {
    pub(super) entries: Vec<RecordedEvent>,
    pub(super) key: SignerKey,
    known: HashSet<(String, String, String)>,
}

impl TestLog {
    pub(super) fn new() -> Self {
        let seed = [5; 32];
        let key = SignerKey::parse(&secret("ledger.example/orders", &seed)).unwrap();
        Self { entries: Vec::new(), key, known: HashSet::new() }
    }

    /// A log with so many orders of the demo.
    pub(super) fn of_demo(orders: u64) -> Self {
        let mut log = Self::new();
        for event in (Demo { orders, ..Demo::default() }).events() {
            log.append(&event);
        }
        log
    }

    pub(super) fn append(&mut self, event: &OrderEvent) {
        self.push(Event::new(event).unwrap());
    }

    /// Appends an event that is not known yet, a second after the one before it or after it
    /// occurred.
    pub(super) fn push(&mut self, event: Event) {
        let name = [event.correlation_id(), event.source(), event.event_id()].map(str::to_owned);
        let [order, source, id] = name;
        if !self.known.insert((order.clone(), source, id)) {
            return;
        }
        let before = self.entries.last().map_or(BEGIN_NS, |last| last.recorded_at_ns + STEP_NS);
        let occurred = event.occurred_at_ns().and_then(|at| u64::try_from(at).ok());
        let own = self.of_order(&order);
        let entry = RecordedEvent {
            offset: u64_from(self.entries.len()),
            revision: u64_from(own.len()),
            recorded_at_ns: before.max(occurred.unwrap_or(0) + STEP_NS),
            event,
            previous: own.last().map_or(NO_PREVIOUS, RecordedEvent::leaf_hash),
        };
        self.entries.push(entry);
    }

    pub(super) fn of_order(&self, correlation_id: &str) -> Vec<RecordedEvent> {
        self.entries.iter().filter(|one| one.event.is_about(correlation_id)).cloned().collect()
    }

    /// Seals all that is there; answers the offset of the seal.
    pub(super) fn seal(&mut self) -> u64 {
        let orders = self.directory(self.entries.len());
        let covered = u64_from(self.entries.len());
        let root = root_of(&orders, 0).unwrap();
        assert_eq!(root.entry_count, covered);
        let seal = Seal {
            covered,
            directory_root: root.hash.to_vec(),
            order_count: u64_from(orders.len()),
        };
        let entry = LedgerEntry { seal: Some(seal), ..LedgerEntry::default() };
        let name = (format!("{SEALS}2026-01-05"), covered.to_string());
        self.push(Event::of_ledger(name, (SEAL_MADE, entry)));
        covered
    }

    /// What the directory says of the first `covered` entries.
    pub(super) fn directory(&self, covered: usize) -> Vec<OrderNode> {
        let mut orders: BTreeMap<Hash, OrderNode> = BTreeMap::new();
        for entry in &self.entries[..covered] {
            let order = order_hash(entry.event.correlation_id().as_bytes());
            let node = OrderNode { order, entry_count: 0, head: NO_PREVIOUS };
            let node = orders.entry(order).or_insert(node);
            node.entry_count += 1;
            node.head = entry.leaf_hash();
        }
        orders.into_values().collect()
    }

    pub(super) fn inclusion(&self, offset: u64) -> Vec<Hash> {
        let leaves: Vec<Hash> = self.entries.iter().map(RecordedEvent::leaf_hash).collect();
        let mut node = |level: u32, index: u64| {
            let begin = usize_from(index << level);
            Ok::<_, Infallible>(subtree_root(leaves[begin..begin + (1 << level)].to_vec()).unwrap())
        };
        inclusion_proof(offset, u64_from(leaves.len()), &mut node).unwrap()
    }

    pub(super) fn checkpoint(&self) -> String {
        let mut edge = crate::audit::tree::Edge::default();
        self.entries.iter().for_each(|entry| edge.push(entry.leaf_hash(), |_, _| {}));
        let origin = self.key.verifier().name().to_owned();
        let checkpoint = Checkpoint { origin, size: edge.size(), root: edge.root() };
        checkpoint.sign(std::slice::from_ref(&self.key))
    }

    pub(super) fn seal_proof(&self, offset: u64) -> SealProof {
        let entry = self.entries[usize_from(offset)].clone();
        SealProof { entry, inclusion: self.inclusion(offset), checkpoint: self.checkpoint() }
    }

    pub(super) fn order_proof(&self, correlation_id: &str, covered: u64) -> OrderProof {
        let own: Vec<_> = self.of_order(correlation_id);
        let own = own.iter().filter(|one| one.offset < covered);
        let chain: Vec<_> = own.map(ChainEntry::of).collect();
        let key = order_hash(correlation_id.as_bytes());
        let orders = self.directory(usize_from(covered));
        let path = path_of(&key, &orders);
        let last_inclusion = chain.last().map_or(Vec::new(), |last| self.inclusion(last.offset));
        OrderProof { correlation_id: correlation_id.to_owned(), chain, path, last_inclusion }
    }

    /// Evidence of these orders and those that are linked, as of a seal, shown as of `as_of`.
    pub(super) fn evidence(&self, asked: &[&str], seal: u64, as_of: AsOf) -> Evidence {
        let covered = self.entries[usize_from(seal)].event.ledger_entry().unwrap();
        let covered = covered.seal.unwrap().covered;
        let limit = as_of.recorded_at_ns;
        let known = |one: &&RecordedEvent| limit.is_none_or(|limit| one.recorded_at_ns <= limit);
        let recorded = u64_from(self.entries.iter().take_while(known).count());
        let offset = as_of.offset.unwrap_or(covered).min(recorded).min(covered);
        let asked_names: BTreeSet<&str> = asked.iter().copied().collect();
        let mut linked = BTreeSet::new();
        for order in asked {
            let own = self.of_order(order);
            let own: Vec<_> = own.into_iter().filter(|one| one.offset < offset).collect();
            linked.extend(crate::order::links(&own).into_iter().map(|link| link.target));
        }
        let order = |role, name: &str| EvidenceOrder {
            role,
            proof: self.order_proof(name, covered),
            events: self.of_order(name),
        };
        let asked = asked.iter().map(|name| order(EvidenceRole::Asked, name));
        let linked = linked.iter().filter(|name| !asked_names.contains(name.as_str()));
        let linked = linked.map(|name| order(EvidenceRole::Linked, name));
        Evidence {
            ledger_id: "00112233445566778899aabbccddeeff".to_owned(),
            made_at_ns: BEGIN_NS + 7 * 86_400 * STEP_NS,
            basis: EvidenceBasis { as_of, offset },
            policy: Policy::default(),
            seal: self.seal_proof(seal),
            orders: asked.chain(linked).collect(),
        }
    }

    pub(super) fn keys(&self) -> [VerifierKey; 1] {
        [self.key.verifier().clone()]
    }
}

/// The text of a secret key.
fn secret(name: &str, seed: &[u8; 32]) -> String {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    let key = ed25519_dalek::SigningKey::from_bytes(seed).verifying_key();
    let named = [name.as_bytes(), b"\n\x01", key.as_bytes()].concat();
    let id: [u8; 32] = Sha256::digest(named).into();
    let text = base64::engine::general_purpose::STANDARD.encode([&[1], &seed[..]].concat());
    format!("PRIVATE+KEY+{name}+{}+{text}\n", crate::event::to_hex(&id[..4]))
}

fn is_right(key: &Hash, bit: u8) -> bool {
    key[usize::from(bit / 8)] >> (7 - bit % 8) & 1 == 1
}

/// The node of orders that are equal in all bits before this one, to the letter of
/// docs/evidence.md.
pub(super) fn root_of(orders: &[OrderNode], bit: u8) -> Option<Node> {
    match orders {
        [] => None,
        [order] => Some(order.node()),
        _ => {
            let (right, left): (Vec<_>, Vec<_>) =
                orders.iter().copied().partition(|order| is_right(&order.order, bit));
            match (left.is_empty(), right.is_empty()) {
                (false, false) => Some(Node::branch(
                    bit,
                    &root_of(&left, bit + 1).unwrap(),
                    &root_of(&right, bit + 1).unwrap(),
                )),
                _ => root_of(orders, bit + 1),
            }
        }
    }
}

pub(super) fn path_of(key: &Hash, orders: &[OrderNode]) -> DirectoryPath {
    let (mut steps, mut here) = (Vec::new(), orders.to_vec());
    for bit in 0..=255 {
        let (right, left): (Vec<_>, Vec<_>) =
            here.iter().copied().partition(|order| is_right(&order.order, bit));
        if !left.is_empty() && !right.is_empty() {
            let (way, other) = if is_right(key, bit) { (right, left) } else { (left, right) };
            steps.push(Step { bit, sibling: root_of(&other, 0).unwrap() });
            here = way;
        }
    }
    DirectoryPath { reached: here[0], steps }
}
