//! The data of a file of evidence as it is written: names, and what is text. Does not know whether
//! it is true.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::json::{Base64, Decimal, to_text};
use super::shown::{Shown, ShownOrder};
use super::{
    Evidence, EvidenceBasis, EvidenceOrder, EvidenceRole, FORMAT_VERSION, PRODUCT_VERSION,
};
use crate::audit::directory::{DirectoryPath, Node, OrderNode, Step};
use crate::audit::order_proof::{ChainEntry, OrderProof, SealProof};
use crate::event::{Event, RecordedEvent, occurred_at_ns, order_to_json};
use crate::ledger::AsOf;
use crate::log::{Hash, body_hash};
use crate::order::Policy;
use crate::proto::Order;

/// What the data says that it is.
const FORMAT: &str = "order-ledger evidence";
/// What a state is written without: it repeats the events, which stand in the file, and would be
/// half of it.
const REPEATED: [&str; 6] =
    ["first_event", "last_event", "references", "type_counts", "source_counts", "milestones"];

/// The data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    format: String,
    format_version: u64,
    pub(super) product_version: String,
    ledger_id: String,
    made_at: Decimal<u64>,
    basis: BasisPart,
    policy: Policy,
    checkpoint: String,
    seal: SealPart,
    pub(super) orders: Vec<OrderPart>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BasisPart {
    offset: Decimal<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of_offset: Option<Decimal<u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of_recorded: Option<Decimal<u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of_occurred: Option<Decimal<i64>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealPart {
    offset: Decimal<u64>,
    revision: Decimal<u64>,
    recorded_at: Decimal<u64>,
    previous: Base64<Hash>,
    body: Base64<Vec<u8>>,
    inclusion: Vec<Base64<Hash>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderPart {
    pub(super) correlation_id: String,
    role: RolePart,
    entries: Vec<EntryPart>,
    path: PathPart,
    inclusion: Vec<Base64<Hash>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<Json>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RolePart {
    Asked,
    Linked,
}

/// With its body where it is shown, otherwise with what its leaf needs of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryPart {
    offset: Decimal<u64>,
    recorded_at: Decimal<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Base64<Vec<u8>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    occurred_at: Option<Decimal<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_hash: Option<Base64<Hash>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathPart {
    order: Base64<Hash>,
    entry_count: Decimal<u64>,
    head: Base64<Hash>,
    steps: Vec<StepPart>,
}

/// Bit, entries and hash of the other side: an array, because there are many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct StepPart(u8, Decimal<u64>, Base64<Hash>);

/// What the data says, before any of it is believed.
pub(super) struct Decoded {
    /// Without events.
    pub(super) evidence: Evidence,
    /// The bodies that are shown, by order and revision.
    pub(super) bodies: Vec<Vec<Option<Bytes>>>,
}

impl Document {
    /// The data of a file.
    pub(super) fn of(evidence: &Evidence, shown: &Shown<'_>) -> Self {
        let EvidenceBasis { as_of, offset } = evidence.basis;
        let basis = BasisPart {
            offset: Decimal(offset),
            as_of_offset: as_of.offset.map(Decimal),
            as_of_recorded: as_of.recorded_at_ns.map(Decimal),
            as_of_occurred: as_of.occurred_at_ns.map(Decimal),
        };
        let orders = evidence.orders.iter().zip(&shown.orders);
        let part = |(order, shown): (&EvidenceOrder, &ShownOrder<'_>)| OrderPart {
            state: shown.state.as_ref().map(state_json),
            ..OrderPart::of(order, &evidence.basis)
        };
        Self {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            product_version: PRODUCT_VERSION.to_owned(),
            ledger_id: evidence.ledger_id.clone(),
            made_at: Decimal(evidence.made_at_ns),
            basis,
            policy: evidence.policy.clone(),
            checkpoint: evidence.seal.checkpoint.clone(),
            seal: SealPart::of(&evidence.seal),
            orders: orders.map(part).collect(),
        }
    }

    /// Its only text.
    pub(super) fn to_json(&self) -> String {
        to_text(self)
    }

    /// Reads the text that [`Self::to_json`] writes, and no other one that would say the same.
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        let document: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if document.format != FORMAT || document.format_version != FORMAT_VERSION {
            return Err("the data is of another format than the file".to_owned());
        }
        if document.to_json() == json {
            Ok(document)
        } else {
            Err("the data is not written in its only form".to_owned())
        }
    }

    /// What it says.
    pub(super) fn decode(&self) -> Result<Decoded, String> {
        let BasisPart { offset, as_of_offset, as_of_recorded, as_of_occurred } = self.basis;
        let as_of = AsOf {
            offset: as_of_offset.map(|limit| limit.0),
            recorded_at_ns: as_of_recorded.map(|limit| limit.0),
            occurred_at_ns: as_of_occurred.map(|limit| limit.0),
        };
        let (mut orders, mut bodies) = (Vec::new(), Vec::new());
        for part in &self.orders {
            let (order, shown) = part.decode()?;
            orders.push(order);
            bodies.push(shown);
        }
        let evidence = Evidence {
            ledger_id: self.ledger_id.clone(),
            made_at_ns: self.made_at.0,
            basis: EvidenceBasis { as_of, offset: offset.0 },
            policy: self.policy.clone(),
            seal: self.seal.decode(self.checkpoint.clone())?,
            orders,
        };
        Ok(Decoded { evidence, bodies })
    }
}

impl SealPart {
    fn of(seal: &SealProof) -> Self {
        Self {
            offset: Decimal(seal.entry.offset),
            revision: Decimal(seal.entry.revision),
            recorded_at: Decimal(seal.entry.recorded_at_ns),
            previous: Base64(seal.entry.previous),
            body: Base64(seal.entry.event.body().to_vec()),
            inclusion: hashes(&seal.inclusion),
        }
    }

    fn decode(&self, checkpoint: String) -> Result<SealProof, String> {
        let event = Event::parse_ledgers_own(&self.body.0);
        let entry = RecordedEvent {
            offset: self.offset.0,
            revision: self.revision.0,
            recorded_at_ns: self.recorded_at.0,
            event: event.map_err(|_| "the seal is no entry of the ledger's own".to_owned())?,
            previous: self.previous.0,
        };
        Ok(SealProof { entry, inclusion: hashes_of(&self.inclusion), checkpoint })
    }
}

impl OrderPart {
    fn of(order: &EvidenceOrder, basis: &EvidenceBasis) -> Self {
        let OrderProof { correlation_id, chain, path, last_inclusion } = &order.proof;
        let mut events = order.events.iter();
        let entry = |entry: &ChainEntry| {
            let event = events.next().filter(|_| basis.shows(entry.offset));
            let body = event.map(|recorded| Base64(recorded.event.body().to_vec()));
            let hidden = body.is_none();
            EntryPart {
                offset: Decimal(entry.offset),
                recorded_at: Decimal(entry.recorded_at_ns),
                body,
                occurred_at: hidden.then_some(Decimal(entry.occurred_at_ns)),
                body_hash: hidden.then_some(Base64(entry.body_hash)),
            }
        };
        Self {
            correlation_id: correlation_id.clone(),
            role: match order.role {
                EvidenceRole::Asked => RolePart::Asked,
                EvidenceRole::Linked => RolePart::Linked,
            },
            entries: chain.iter().map(entry).collect(),
            path: PathPart::of(path),
            inclusion: hashes(last_inclusion),
            state: None,
        }
    }

    fn decode(&self) -> Result<(EvidenceOrder, Vec<Option<Bytes>>), String> {
        let chain: Result<_, _> = self.entries.iter().map(EntryPart::chain_entry).collect();
        let proof = OrderProof {
            correlation_id: self.correlation_id.clone(),
            chain: chain.map_err(|what| format!("order {}: {what}", self.correlation_id))?,
            path: self.path.decode(),
            last_inclusion: hashes_of(&self.inclusion),
        };
        let role = match self.role {
            RolePart::Asked => EvidenceRole::Asked,
            RolePart::Linked => EvidenceRole::Linked,
        };
        let body = |entry: &EntryPart| entry.body.clone().map(|body| Bytes::from(body.0));
        let bodies = self.entries.iter().map(body).collect();
        Ok((EvidenceOrder { role, proof, events: Vec::new() }, bodies))
    }
}

impl EntryPart {
    /// What the leaf needs: of a body that is shown, it follows from the body.
    fn chain_entry(&self) -> Result<ChainEntry, String> {
        let (occurred_at_ns, body_hash) = match (&self.body, self.occurred_at, &self.body_hash) {
            (Some(body), None, None) => (occurred_at_ns(&body.0), body_hash(&body.0)),
            (None, Some(occurred_at), Some(hash)) => (occurred_at.0, hash.0),
            _ => return Err("an entry has a body, or occurred_at and body_hash".to_owned()),
        };
        let (offset, recorded_at_ns) = (self.offset.0, self.recorded_at.0);
        Ok(ChainEntry { offset, recorded_at_ns, occurred_at_ns, body_hash })
    }
}

impl PathPart {
    fn of(path: &DirectoryPath) -> Self {
        let OrderNode { order, entry_count, head } = path.reached;
        let step = |step: &Step| {
            let Node { entry_count, hash } = step.sibling;
            StepPart(step.bit, Decimal(entry_count), Base64(hash))
        };
        Self {
            order: Base64(order),
            entry_count: Decimal(entry_count),
            head: Base64(head),
            steps: path.steps.iter().map(step).collect(),
        }
    }

    fn decode(&self) -> DirectoryPath {
        let step = |StepPart(bit, entry_count, hash): &StepPart| Step {
            bit: *bit,
            sibling: Node { entry_count: entry_count.0, hash: hash.0 },
        };
        let (order, head) = (self.order.0, self.head.0);
        let reached = OrderNode { order, entry_count: self.entry_count.0, head };
        DirectoryPath { reached, steps: self.steps.iter().map(step).collect() }
    }
}

/// The JSON of a state, without what repeats the events.
fn state_json(state: &Order) -> Json {
    let mut json = order_to_json(state);
    if let Some(fields) = json.as_object_mut() {
        fields.retain(|name, _| !REPEATED.contains(&name.as_str()));
    }
    json
}

fn hashes(hashes: &[Hash]) -> Vec<Base64<Hash>> {
    hashes.iter().copied().map(Base64).collect()
}

fn hashes_of(hashes: &[Base64<Hash>]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}
