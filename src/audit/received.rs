//! Proofs as they come from a server, brought into form before any of it is believed. Does not know
//! who asked, nor how an answer came.

use bytes::Bytes;

use super::directory::{DirectoryPath, Node, OrderNode, Step};
use super::evidence::committed_event;
use super::order_proof::{ChainEntry, OrderProof, SealProof};
use super::tree_proof::{ConsistencyProof, InclusionProof};
use crate::event::{RecordedEvent, names_in};
use crate::log::{Hash, NO_PREVIOUS, flags_of};
use crate::proto;

/// What is missing in an answer, or has the wrong form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer has not the form of a proof: {0}")]
pub struct MalformedProof(String);

impl MalformedProof {
    pub(super) fn of(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

fn hash(field: &str, bytes: &[u8]) -> Result<Hash, MalformedProof> {
    let wrong = || MalformedProof(format!("{field} has {} bytes, a hash has 32", bytes.len()));
    Hash::try_from(bytes).map_err(|_| wrong())
}

fn hashes(field: &str, list: &[Vec<u8>]) -> Result<Vec<Hash>, MalformedProof> {
    list.iter().map(|bytes| hash(field, bytes)).collect()
}

fn missing(field: &str) -> MalformedProof {
    MalformedProof(format!("{field} is missing"))
}

impl SealProof {
    /// Brings the seal of an answer into form. Nothing of it is proven before [`SealProof::verify`].
    ///
    /// ```
    /// use order_ledger::{SealProof, proto};
    ///
    /// let refused = SealProof::from_message(&proto::SealProof::default()).unwrap_err();
    /// assert!(refused.to_string().contains("seal.body"));
    /// ```
    ///
    /// # Errors
    /// What is missing, or too long or short.
    pub fn from_message(message: &proto::SealProof) -> Result<Self, MalformedProof> {
        let body = Bytes::copy_from_slice(&message.body);
        let name = names_in(&body).correlation_id;
        let event = committed_event(&name, body);
        let entry = RecordedEvent {
            offset: message.offset,
            revision: message.revision,
            recorded_at_ns: message.recorded_at_ns,
            event: event.ok_or_else(|| MalformedProof::of("seal.body is no event"))?,
            previous: hash("seal.previous", &message.previous)?,
        };
        let inclusion = hashes("seal.inclusion", &message.inclusion)?;
        Ok(Self { entry, inclusion, checkpoint: message.checkpoint.clone() })
    }
}

impl OrderProof {
    /// Brings the answer about an order into form. Nothing of it is proven before both have been
    /// verified.
    ///
    /// ```
    /// use order_ledger::{OrderProof, proto};
    ///
    /// let refused = OrderProof::from_message("erp/7", &proto::GetOrderProofResponse::default());
    /// assert!(refused.unwrap_err().to_string().contains("seal is missing"));
    /// ```
    ///
    /// # Errors
    /// What is missing, or too long or short.
    pub fn from_message(
        correlation_id: &str,
        message: &proto::GetOrderProofResponse,
    ) -> Result<(SealProof, Self), MalformedProof> {
        let seal = message.seal.as_ref().ok_or_else(|| missing("seal"))?;
        let seal = SealProof::from_message(seal)?;
        let path = message.path.as_ref().ok_or_else(|| missing("path"))?;
        let flags = u32::from(flags_of(correlation_id.as_bytes()));
        let entry = |entry: &proto::LeafEntry| {
            if entry.flags != flags {
                return Err(MalformedProof::of("entries.flags are not those of the order"));
            }
            Ok(ChainEntry {
                offset: entry.offset,
                recorded_at_ns: entry.recorded_at_ns,
                occurred_at_ns: entry.occurred_at_ns,
                body_hash: hash("entries.body_hash", &entry.body_hash)?,
            })
        };
        let order = Self {
            correlation_id: correlation_id.to_owned(),
            chain: message.entries.iter().map(entry).collect::<Result<_, _>>()?,
            path: path_of(path)?,
            last_inclusion: hashes("last_inclusion", &message.last_inclusion)?,
        };
        Ok((seal, order))
    }
}

fn path_of(path: &proto::DirectoryPath) -> Result<DirectoryPath, MalformedProof> {
    let reached = OrderNode {
        order: hash("path.order_hash", &path.order_hash)?,
        entry_count: path.entry_count,
        head: hash("path.head", &path.head)?,
    };
    let step = |step: &proto::DirectoryStep| {
        let bit = u8::try_from(step.bit);
        let bit = bit.map_err(|_| MalformedProof::of("path.steps.bit is above 255"))?;
        let hash = hash("path.steps.sibling_hash", &step.sibling_hash)?;
        Ok(Step { bit, sibling: Node { entry_count: step.sibling_entry_count, hash } })
    };
    let steps = path.steps.iter().map(step).collect::<Result<_, MalformedProof>>()?;
    Ok(DirectoryPath { reached, steps })
}

impl InclusionProof {
    /// Brings an answer into form. Its checkpoint is left out: it is a note of its own, to be
    /// verified with a key.
    ///
    /// # Errors
    /// What is too long or short.
    pub fn from_message(
        message: &proto::GetInclusionProofResponse,
    ) -> Result<Self, MalformedProof> {
        Ok(Self {
            tree_size: message.tree_size,
            leaf_hash: hash("leaf_hash", &message.leaf_hash)?,
            hashes: hashes("hashes", &message.hashes)?,
            signed: None,
        })
    }
}

impl ConsistencyProof {
    /// Brings an answer into form. Its checkpoint is left out: it is a note of its own, to be
    /// verified with a key.
    ///
    /// # Errors
    /// What is too long or short.
    pub fn from_message(
        message: &proto::GetConsistencyProofResponse,
    ) -> Result<Self, MalformedProof> {
        let hashes = hashes("hashes", &message.hashes)?;
        Ok(Self { tree_size: message.tree_size, hashes, signed: None })
    }
}

/// An entry of the log from its bytes; what stands before it in its order is not known yet.
pub(crate) fn entry_of(
    (offset, revision): (u64, u64),
    recorded_at_ns: u64,
    body: Bytes,
) -> Result<RecordedEvent, MalformedProof> {
    let name = names_in(&body).correlation_id;
    let event = committed_event(&name, body);
    let event = event.ok_or_else(|| MalformedProof::of("the bytes of an entry are no event"))?;
    Ok(RecordedEvent { offset, revision, recorded_at_ns, event, previous: NO_PREVIOUS })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> proto::GetOrderProofResponse {
        let zeros = || vec![0; 32];
        let seal = proto::SealProof { previous: zeros(), ..Default::default() };
        let step = proto::DirectoryStep { bit: 3, sibling_entry_count: 1, sibling_hash: zeros() };
        let path = proto::DirectoryPath {
            order_hash: zeros(),
            head: zeros(),
            steps: vec![step],
            entry_count: 1,
        };
        let entry = proto::LeafEntry { body_hash: zeros(), ..Default::default() };
        proto::GetOrderProofResponse {
            entries: vec![entry],
            path: Some(path),
            last_inclusion: vec![zeros()],
            seal: Some(seal),
        }
    }

    fn refused(change: impl FnOnce(&mut proto::GetOrderProofResponse)) -> String {
        let mut answer = answer();
        let mut event = proto::OrderEvent { correlation_id: "$seals/d".into(), ..<_>::default() };
        event.source = "$ledger".into();
        event.event_id = "1".into();
        event.r#type = "seal.made".into();
        if let Some(seal) = &mut answer.seal {
            seal.body = prost::Message::encode_to_vec(&event);
        }
        change(&mut answer);
        match OrderProof::from_message("erp/1", &answer) {
            Ok(_) => String::new(),
            Err(malformed) => malformed.to_string(),
        }
    }

    #[test]
    fn what_is_missing_or_has_the_wrong_length_is_named() {
        assert_eq!(refused(|_| ()), "");
        assert!(refused(|answer| answer.seal = None).ends_with("seal is missing"));
        assert!(refused(|answer| answer.path = None).ends_with("path is missing"));
        assert!(refused(|answer| answer.entries[0].flags = 1).contains("flags"));
        assert!(refused(|answer| answer.entries[0].body_hash.clear()).contains("has 0 bytes"));
        assert!(refused(|answer| answer.last_inclusion[0].push(0)).contains("has 33 bytes"));
        let steps = |change: fn(&mut proto::DirectoryStep)| {
            refused(|answer| answer.path.iter_mut().for_each(|path| change(&mut path.steps[0])))
        };
        assert!(steps(|step| step.bit = 256).contains("above 255"));
        assert!(steps(|step| step.sibling_hash.clear()).contains("sibling_hash"));
        let seals = |change: fn(&mut proto::SealProof)| {
            refused(|answer| answer.seal.iter_mut().for_each(change))
        };
        assert!(seals(|seal| seal.previous.truncate(31)).contains("seal.previous has 31 bytes"));
        assert!(seals(|seal| seal.body = vec![0xff; 9]).contains("seal.body"));
        assert!(seals(|seal| seal.inclusion.push(vec![1])).contains("seal.inclusion"));
    }
}
