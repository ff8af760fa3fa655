//! What pages of answers share: how large they are, at which state they are given, and tokens.
//! Does not know what is on them.

use super::Ledger;
use super::error::QueryError;
use crate::event::Violation;
use crate::proto::Basis;

/// Rows of a page where the request does not say, and at most.
const PAGE_ROWS: u32 = 100;
const PAGE_ROWS_MAX: u32 = 1_000;

/// Rows of a page.
pub(crate) fn page_rows(asked: u32, violations: &mut Vec<Violation>) -> usize {
    if asked > PAGE_ROWS_MAX {
        let what = format!("{asked}; allowed is at most {PAGE_ROWS_MAX}");
        violations.push(Violation::new("page_size", what));
    }
    let rows = if asked == 0 { PAGE_ROWS } else { asked };
    crate::num::usize_from(rows)
}

/// Lists are kept for the head alone.
pub(super) fn only_at_head(basis: Option<&Basis>, violations: &mut Vec<Violation>) {
    let Some(basis) = basis else { return };
    let older = [
        ("basis.as_of_offset", basis.as_of_offset.is_some()),
        ("basis.as_of_recorded", basis.as_of_recorded.is_some()),
    ];
    for (field, given) in older {
        if given {
            let what = "not kept for lists; allowed is at_least, and GetOrder has older states";
            violations.push(Violation::new(field, what));
        }
    }
}

pub(super) fn refuse(violations: Vec<Violation>) -> Result<(), QueryError> {
    if violations.is_empty() { Ok(()) } else { Err(QueryError::Invalid(violations)) }
}

/// A token names the ledger and the request that it belongs to.
pub(crate) fn token(about: &str, rest: &str) -> String {
    format!("{:08x}.{rest}", crc32fast::hash(about.as_bytes()))
}

/// What a token says, where there is one.
pub(crate) fn token_of<'t>(token: &'t str, about: &str) -> Result<Option<&'t str>, QueryError> {
    if token.is_empty() {
        return Ok(None);
    }
    let (request, rest) = token.split_once('.').ok_or(QueryError::PageToken)?;
    let request = u32::from_str_radix(request, 16).ok();
    if request == Some(crc32fast::hash(about.as_bytes())) {
        Ok(Some(rest))
    } else {
        Err(QueryError::PageToken)
    }
}

impl Ledger {
    /// Waits until the views go to the head, which must be as far as a basis asks for.
    pub(super) fn views_at(&self, basis: Option<&Basis>) -> Result<(), QueryError> {
        let (head, offset) = (self.head(), basis.map_or(0, |basis| basis.at_least));
        if offset > head {
            return Err(QueryError::BeyondHead { offset, head });
        }
        self.views_at_least(head).map(drop)
    }
}
