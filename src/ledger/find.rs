//! Finds orders by what they are called, and says how far sources' news reach.
//! Does not know where that is kept.

use super::Ledger;
use super::error::QueryError;
use crate::view::{FindQuery, FoundOrders, SourceWatermark};

impl Ledger {
    /// Finds the orders that carry a reference, or are called by it, as far as the views go.
    ///
    /// # Errors
    /// Where the views cannot be read.
    pub(crate) fn find_orders(&self, query: &FindQuery) -> Result<FoundOrders, QueryError> {
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
