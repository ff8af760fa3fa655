//! Finds orders by what they are called, and says how far sources' news reach.
//! Does not know where that is kept.

use super::Ledger;
use super::error::QueryError;
use super::page::{only_at_head, page_rows, refuse, token, token_of};
use crate::event::{Violation, from_hex, to_hex};
use crate::proto::{self, FindOrdersRequest, FindOrdersResponse};
use crate::view::{FindPosition, FindQuery, FoundOrder, FoundOrders, SourceWatermark};

/// Rows that are looked up in less time than another thread takes to wake.
const SHORT_ROWS_MAX: usize = 4;

/// A look-up that can be asked for.
#[derive(Clone, Debug)]
pub(crate) struct CheckedFind {
    query: FindQuery,
    /// What its tokens are bound to.
    about: String,
}

impl Ledger {
    /// Finds the orders that carry a reference, or are called by it, at the head when it is asked
    /// or a later one; waits for the views, for 5 seconds at most.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
    /// use order_ledger::proto::FindOrdersRequest;
    ///
    /// let request = FindOrdersRequest { value: "JJD0039001".into(), ..Default::default() };
    /// assert_eq!(ledger.find_orders(&request)?.orders, []);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Ledger::list_orders`].
    pub fn find_orders(
        &self,
        request: &FindOrdersRequest,
    ) -> Result<FindOrdersResponse, QueryError> {
        let find = self.check_find(request)?;
        self.views_at(request.basis.as_ref())?;
        self.find_checked(&find)
    }

    pub(crate) fn check_find(
        &self,
        request: &FindOrdersRequest,
    ) -> Result<CheckedFind, QueryError> {
        let mut violations = Vec::new();
        if request.value.is_empty() {
            let what = "missing; the number or name that is looked for";
            violations.push(Violation::new("value", what));
        }
        let limit = page_rows(request.page_size, &mut violations);
        only_at_head(request.basis.as_ref(), &mut violations);
        refuse(violations)?;
        let asked = (&request.value, &request.r#type, &request.issuer);
        let about = format!("{} {asked:?}", self.id());
        let after = match token_of(&request.page_token, &about)? {
            None => None,
            Some(rest) => Some(FindPosition(from_hex(rest).ok_or(QueryError::PageToken)?)),
        };
        let said = |text: &String| (!text.is_empty()).then(|| text.clone());
        let (kind, issuer) = (said(&request.r#type), said(&request.issuer));
        let query = FindQuery { value: request.value.clone(), kind, issuer, limit, after };
        Ok(CheckedFind { query, about })
    }

    /// Finds as far as the views go.
    pub(crate) fn find_checked(
        &self,
        find: &CheckedFind,
    ) -> Result<FindOrdersResponse, QueryError> {
        let found = self.find(&find.query)?;
        let next = found.next.map(|next| token(&find.about, &to_hex(&next.0)));
        Ok(FindOrdersResponse {
            orders: found.rows.into_iter().map(found_order).collect(),
            basis: found.basis,
            next_page_token: next.unwrap_or_default(),
        })
    }

    /// The same, where few orders are found.
    pub(crate) fn find_few(
        &self,
        find: &CheckedFind,
    ) -> Result<Option<FindOrdersResponse>, QueryError> {
        let CheckedFind { query, about } = find.clone();
        if query.issuer.is_some() && query.kind.is_none() {
            // The issuer stands behind the type in the index: all of the value is looked through.
            return Ok(None);
        }
        let limit = query.limit.min(SHORT_ROWS_MAX);
        let few = CheckedFind { query: FindQuery { limit, ..query }, about };
        let found = self.find_checked(&few)?;
        let all = found.next_page_token.is_empty() || limit == find.query.limit;
        Ok(all.then_some(found))
    }

    pub(super) fn find(&self, query: &FindQuery) -> Result<FoundOrders, QueryError> {
        Ok(self.views.find(query)?)
    }

    /// How far the news of each source reach, sorted by source, and the offset up to which that is
    /// known: the rest of the log is not in the views yet.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
    /// ledger.views_at_least(ledger.head())?;
    /// let (sources, basis) = ledger.source_watermarks()?;
    /// assert_eq!((sources.len(), basis), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where the views cannot be read.
    pub fn source_watermarks(&self) -> Result<(Vec<SourceWatermark>, u64), QueryError> {
        Ok(self.views.sources()?)
    }
}

fn found_order(found: FoundOrder) -> proto::FoundOrder {
    proto::FoundOrder {
        order: Some(found.status.to_message(&found.correlation_id)),
        reference: Some(found.reference),
    }
}
