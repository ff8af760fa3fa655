//! The page of a file of evidence, for people: no script, nothing from elsewhere. A pure function of
//! what is shown. Does not know proofs.

use super::evidence::{Evidence, Shown};

/// The page, from its root element up to where the data follows.
pub(super) fn page(_evidence: &Evidence, _shown: &Shown<'_>) -> String {
    String::from("<html><body>")
}
