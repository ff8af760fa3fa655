//! Checks a file of evidence with public keys and nothing else. Does not know files or networks.

use std::collections::HashSet;

use bytes::Bytes;

use super::document::{Decoded, Document};
use super::verdict::{
    BundleDefect, BundleDoubt, BundleVerdict, PageCheck, VerifiedBundle, VerifiedOrder,
};
use super::{Evidence, EvidenceError, EvidenceOrder, PRODUCT_VERSION, Shown, file, page};
use crate::audit::note::{NoteDefect, VerifierKey};
use crate::audit::order_proof::{OrderProofDefect, ProvenSeal};
use crate::event::{Event, RecordedEvent, is_ledgers_own};
use crate::limits::Limits;
use crate::log::Hash;
use crate::num::u64_from;

/// What a file has to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BundleOptions {
    /// The number of entries that the seal has to cover at least.
    pub covers: Option<u64>,
    /// The seal has to cover all that was recorded at or before this time, in nanoseconds of the
    /// Unix epoch.
    pub recorded_until_ns: Option<u64>,
    /// The events are enough, where another version made the page and the folded orders. A page of
    /// this version is compared all the same.
    pub events_only: bool,
}

/// Checks a file of evidence. Keys come from elsewhere, never from the file. Any bytes are answered
/// with a verdict, in memory and time that grow with their number.
///
/// ```
/// use order_ledger::{BundleOptions, BundleVerdict, verify_bundle};
///
/// let verdict = verify_bundle(b"something else", &[], &BundleOptions::default());
/// assert!(matches!(verdict, BundleVerdict::Unreadable(_)));
/// ```
#[must_use]
pub fn verify_bundle(bytes: &[u8], keys: &[VerifierKey], options: &BundleOptions) -> BundleVerdict {
    match check(bytes, keys, options) {
        Ok(verified) => BundleVerdict::Verified(Box::new(verified)),
        Err(verdict) => verdict,
    }
}

/// The checks, in the order in which docs/evidence.md numbers them: what comes later relies on what
/// came before.
fn check(
    bytes: &[u8],
    keys: &[VerifierKey],
    options: &BundleOptions,
) -> Result<VerifiedBundle, BundleVerdict> {
    let file = file::read(bytes)?;
    let document = Document::parse(file.data).map_err(|what| tampered(BundleDefect::Form(what)))?;
    let decoded = document.decode().map_err(|what| tampered(BundleDefect::Form(what)))?;
    let seal = decoded.evidence.seal.verify(keys).map_err(of_seal)?;
    let leaves = proven_leaves(&decoded.evidence.orders, &seal)?;
    let version = &document.product_version;
    let evidence = with_events(decoded, &leaves, version)?;
    let page = compare(&evidence, &document, (&file, bytes))?;
    meets(options, (&evidence, &page), &seal)?;
    let order = |(order, leaf_hashes): (&EvidenceOrder, Vec<Hash>)| VerifiedOrder {
        correlation_id: order.proof.correlation_id.clone(),
        role: order.role,
        entry_count: u64_from(order.proof.chain.len()),
        shown_count: u64_from(order.events.len()),
        leaf_hashes,
    };
    Ok(VerifiedBundle {
        seal,
        orders: evidence.orders.iter().zip(leaves).map(order).collect(),
        basis: evidence.basis,
        ledger_id: evidence.ledger_id,
        made_at_ns: evidence.made_at_ns,
        page,
    })
}

fn tampered(defect: BundleDefect) -> BundleVerdict {
    BundleVerdict::Tampered(vec![defect])
}

fn of_seal(defect: OrderProofDefect) -> BundleVerdict {
    if let OrderProofDefect::Checkpoint(NoteDefect::UnknownKey(signers)) = defect {
        return BundleVerdict::Inconclusive(vec![BundleDoubt::UnknownKey(signers)]);
    }
    tampered(defect.into())
}

/// The leaf hashes of all orders, by revision.
fn proven_leaves(
    orders: &[EvidenceOrder],
    seal: &ProvenSeal,
) -> Result<Vec<Vec<Hash>>, BundleVerdict> {
    let (mut names, mut offsets) = (HashSet::new(), HashSet::from([seal.offset]));
    let (mut leaves, mut defects) = (Vec::new(), Vec::new());
    for EvidenceOrder { proof, .. } in orders {
        if !names.insert(&proof.correlation_id) {
            defects.push(BundleDefect::Twice(proof.correlation_id.clone()));
        }
        match proof.verify(seal) {
            Ok(proven) => leaves.push(proven),
            Err(defect) => defects.push(defect.into()),
        }
        let twice = proof.chain.iter().filter(|entry| !offsets.insert(entry.offset));
        defects.extend(twice.map(|entry| BundleDefect::OffsetTwice(entry.offset)));
    }
    if defects.is_empty() { Ok(leaves) } else { Err(BundleVerdict::Tampered(defects)) }
}

/// The events that are shown, where they are on the right side of the basis.
fn with_events(
    decoded: Decoded,
    leaves: &[Vec<Hash>],
    version: &str,
) -> Result<Evidence, BundleVerdict> {
    let Decoded { mut evidence, bodies } = decoded;
    let (mut defects, mut doubts) = (Vec::new(), Vec::new());
    for ((order, bodies), leaves) in evidence.orders.iter_mut().zip(bodies).zip(leaves) {
        let mut previous = crate::log::NO_PREVIOUS;
        let entries = order.proof.chain.iter().zip(bodies).zip(leaves);
        for (revision, ((entry, body), leaf)) in (0..).zip(entries) {
            let name = || order.proof.correlation_id.clone();
            let wrong =
                |what: &str| BundleDefect::Event { order: name(), revision, what: what.to_owned() };
            if body.is_some() != evidence.basis.shows(entry.offset)
                || !evidence.basis.keeps((entry.offset, entry.recorded_at_ns))
            {
                defects.push(wrong("it is not on the side of the basis that the file says"));
            }
            let previous = std::mem::replace(&mut previous, *leaf);
            let Some(body) = body else { continue };
            match parse(&order.proof.correlation_id, body) {
                Some(event) if event.is_about(&order.proof.correlation_id) => {
                    let (offset, recorded_at_ns) = (entry.offset, entry.recorded_at_ns);
                    let recorded =
                        RecordedEvent { offset, revision, recorded_at_ns, event, previous };
                    order.events.push(recorded);
                }
                Some(_) => defects.push(wrong("the event is about another order")),
                None if version == PRODUCT_VERSION => {
                    defects.push(wrong("no ledger takes such an event"));
                }
                None => {
                    let (order, version) = (name(), version.to_owned());
                    doubts.push(BundleDoubt::UnreadableEvent { order, revision, version });
                }
            }
        }
    }
    match (defects.is_empty(), doubts.is_empty()) {
        (true, true) => Ok(evidence),
        (true, false) => Err(BundleVerdict::Inconclusive(doubts)),
        (false, _) => Err(BundleVerdict::Tampered(defects)),
    }
}

/// An event as it was committed: the limits of the ledger that took it are not known.
pub(crate) fn parse(correlation_id: &str, body: Bytes) -> Option<Event> {
    if is_ledgers_own(correlation_id.as_bytes()) {
        return Event::parse_ledgers_own(&body).ok();
    }
    let limits = Limits {
        event_bytes_max: usize::MAX,
        event_lines_max: usize::MAX,
        id_bytes_max: usize::MAX,
        ..Limits::default()
    };
    Event::parse(body, &limits).ok()
}

/// Makes the file again. What another version shows in another way is not compared.
fn compare(
    evidence: &Evidence,
    document: &Document,
    (file, bytes): (&file::Parts<'_>, &[u8]),
) -> Result<PageCheck, BundleVerdict> {
    let shown = Shown::of(evidence).map_err(|error| tampered(of_export(error)))?;
    if document.product_version != PRODUCT_VERSION {
        return Ok(PageCheck::OtherVersion(document.product_version.clone()));
    }
    let again = Document::of(evidence, &shown);
    let page = page::page(evidence, &shown);
    // One data has one text, and the digest was compared: the whole file is equal where these are.
    if again == *document && page == file.page {
        return Ok(PageCheck::Equal);
    }
    let pairs = again.orders.iter().zip(&document.orders);
    let differ = pairs.filter(|(again, found)| again.state != found.state);
    let states = differ.map(|(_, found)| BundleDefect::State(found.correlation_id.clone()));
    let mut defects: Vec<_> = states.collect();
    if defects.is_empty() {
        let again = file::write(&page, &again.to_json());
        let same = again.iter().zip(bytes).take_while(|(one, other)| one == other);
        defects.push(BundleDefect::Page(same.count()));
    }
    Err(BundleVerdict::Tampered(defects))
}

fn of_export(error: EvidenceError) -> BundleDefect {
    match error {
        EvidenceError::Basis { basis, covered } => BundleDefect::Basis { basis, covered },
        EvidenceError::Event { order, revision } => {
            BundleDefect::Event { order, revision, what: "it is not the one proven".to_owned() }
        }
        EvidenceError::History { order, history } => {
            BundleDefect::HistoryMissing { order, history }
        }
        EvidenceError::Seal | EvidenceError::Checkpoint(_) => BundleDefect::Form(error.to_string()),
    }
}

/// Whether the page was compared where that is required, and the seal reaches what is required.
fn meets(
    options: &BundleOptions,
    (evidence, page): (&Evidence, &PageCheck),
    seal: &ProvenSeal,
) -> Result<(), BundleVerdict> {
    let covered = seal.covered;
    let mut doubts = Vec::new();
    // Who holds a file can name another version in it, and write on its page whatever he likes.
    if let PageCheck::OtherVersion(version) = page
        && !options.events_only
    {
        doubts.push(BundleDoubt::Page { version: version.clone() });
    }
    if let Some(required) = options.covers.filter(|required| *required > covered) {
        doubts.push(BundleDoubt::Covers { required, covered });
    }
    if let Some(required_ns) = options.recorded_until_ns {
        // Times of recording never decrease, so whatever stands before an entry that was recorded
        // later is all there was. What stands between `covered` and the seal is not known.
        let mut entries = evidence.orders.iter().flat_map(|order| &order.proof.chain);
        let reaches = covered == seal.offset && seal.recorded_at_ns > required_ns
            || entries.any(|entry| entry.recorded_at_ns > required_ns);
        if !reaches {
            doubts.push(BundleDoubt::RecordedUntil { required_ns });
        }
    }
    if doubts.is_empty() { Ok(()) } else { Err(BundleVerdict::Inconclusive(doubts)) }
}
