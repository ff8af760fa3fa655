//! Gathers what a file of evidence is made of: orders, the histories that belong to them, proofs
//! under one seal. Does not know how the file looks, nor who gets it.

use std::collections::BTreeSet;

use super::evidence::{
    BundleOptions, BundleVerdict, Evidence, EvidenceBasis, EvidenceOrder, EvidenceRole,
    export_evidence, verify_bundle,
};
use super::{Audit, AuditError};
use crate::event::listed;
use crate::ledger::AsOf;
use crate::time::now_ns;

/// What a file of evidence is asked to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvidenceQuery {
    /// The orders; also such as the ledger does not know. Each one once.
    pub correlation_ids: Vec<String>,
    /// As of when they are shown.
    pub as_of: AsOf,
    /// The number of entries that the seal has to cover; `None`: all of now.
    pub covers: Option<u64>,
}

/// A file of evidence, and what is in it that nobody named.
#[derive(Debug)]
pub(crate) struct Exported {
    pub(crate) file: Vec<u8>,
    /// The histories that came along.
    pub(crate) linked: Vec<String>,
}

impl Audit {
    /// A file that shows orders, with the histories that are linked to them, and proves them to
    /// whoever has a public key. It is checked before it is handed out.
    ///
    /// # Errors
    /// As [`Audit::order_proofs`]; [`AuditError::Unproven`] where the log does not hold what the
    /// seal says; what [`Ledger::get_order`](crate::Ledger::get_order) says of `as_of`.
    pub fn evidence(&self, query: &EvidenceQuery) -> Result<Vec<u8>, AuditError> {
        self.evidence_while(query, || true).map(|exported| exported.file)
    }

    /// The same, given up with [`AuditError::Closed`] when nobody wants it any more.
    pub(crate) fn evidence_while(
        &self,
        query: &EvidenceQuery,
        wanted: impl Fn() -> bool,
    ) -> Result<Exported, AuditError> {
        let evidence = self.gather(query, &wanted)?;
        still(&wanted)?;
        let unproven = |why: String| AuditError::Unproven(why);
        let file = export_evidence(&evidence).map_err(|error| unproven(error.to_string()))?;
        still(&wanted)?;
        match verify_bundle(&file, self.verifier_keys(), &BundleOptions::default()) {
            BundleVerdict::Verified(_) => Ok(Exported { file, linked: linked_in(&evidence) }),
            BundleVerdict::Tampered(defects) => Err(unproven(listed(&defects))),
            BundleVerdict::Inconclusive(doubts) => Err(unproven(listed(&doubts))),
            BundleVerdict::Unreadable(damage) => Err(unproven(damage.to_string())),
        }
    }

    fn gather(
        &self,
        query: &EvidenceQuery,
        wanted: impl Fn() -> bool,
    ) -> Result<Evidence, AuditError> {
        let ledger = &self.ledger;
        let (as_of, head) = (query.as_of, ledger.head());
        let basis = ledger.basis(as_of)?;
        let limited = as_of.offset.is_some() || as_of.recorded_at_ns.is_some();
        let covers = query.covers.unwrap_or(head).max(if limited { basis } else { 0 });
        let (seal, _) = self.order_proofs(&[], Some(covers))?;
        let sealed = seal.entry.event.ledger_entry().and_then(|entry| entry.seal);
        let covered = sealed.map(|sealed| sealed.covered).ok_or(AuditError::Closed)?;
        let basis = EvidenceBasis { as_of, offset: basis.min(covered) };

        let asked: BTreeSet<&String> = query.correlation_ids.iter().collect();
        let shown = AsOf { offset: Some(basis.offset), recorded_at_ns: None, ..as_of };
        let mut linked = BTreeSet::new();
        for order in &query.correlation_ids {
            still(&wanted)?;
            linked.extend(ledger.related_histories(order, shown)?);
        }
        linked.retain(|order| !asked.contains(order));
        let asked_count = query.correlation_ids.len();
        let ids: Vec<String> = query.correlation_ids.iter().cloned().chain(linked).collect();
        still(&wanted)?;
        let (seal, proofs) = self.order_proofs(&ids, Some(covered))?;
        let mut orders = Vec::with_capacity(ids.len());
        for (index, proof) in proofs.into_iter().enumerate() {
            still(&wanted)?;
            let asked = index < asked_count;
            let role = if asked { EvidenceRole::Asked } else { EvidenceRole::Linked };
            let events = ledger.recorded_below(&proof.correlation_id, basis.offset)?;
            orders.push(EvidenceOrder { role, proof, events });
        }
        Ok(Evidence {
            ledger_id: ledger.id().to_owned(),
            made_at_ns: now_ns(),
            basis,
            policy: ledger.policy().clone(),
            seal,
            orders,
        })
    }
}

fn linked_in(evidence: &Evidence) -> Vec<String> {
    let linked = evidence.orders.iter().filter(|order| order.role == EvidenceRole::Linked);
    linked.map(|order| order.proof.correlation_id.clone()).collect()
}

fn still(wanted: impl Fn() -> bool) -> Result<(), AuditError> {
    if wanted() { Ok(()) } else { Err(AuditError::Closed) }
}
