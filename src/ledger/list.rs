//! Lists orders, at the offset up to which the views have the log. Does not know how they are kept.

use std::time::Duration;

use super::Ledger;
use super::error::QueryError;
use crate::view::{ListQuery, OrderList};

/// How long a list waits for the views.
const VIEWS_WAIT_MAX: Duration = Duration::from_secs(5);

impl Ledger {
    /// Lists orders, as far as the views go.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn list_orders(&self, query: &ListQuery) -> Result<OrderList, QueryError> {
        let since = query.filter.updated_since_ns;
        // What was recorded at the time itself counts.
        let before = since.map(|since| since.checked_sub(1));
        let updated_from = before.map(|before| before.map_or(Ok(0), |at| self.offset_after(at)));
        Ok(self.views.list(query, updated_from.transpose()?)?)
    }

    /// Waits until the views have the log up to `offset`, having asked for it; blocks this thread
    /// for 5 seconds at most. Answers the offset up to which they have it.
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`] and [`QueryError::ViewsBehind`].
    pub fn views_at_least(&self, offset: u64) -> Result<u64, QueryError> {
        self.check_reachable(offset)?;
        if self.passes.wait(offset, VIEWS_WAIT_MAX) {
            return Ok(*self.views.reached().borrow());
        }
        Err(self.views_behind(offset))
    }

    /// As [`Ledger::views_at_least`], without blocking a thread.
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`] and [`QueryError::ViewsBehind`].
    pub async fn views_reach(&self, offset: u64) -> Result<u64, QueryError> {
        self.check_reachable(offset)?;
        let mut reached = self.views.reached();
        if !self.passes.ask(offset) {
            let there = reached.wait_for(|reached| *reached >= offset);
            if tokio::time::timeout(VIEWS_WAIT_MAX, there).await.is_err() {
                return Err(self.views_behind(offset));
            }
        }
        Ok(*self.views.reached().borrow())
    }

    fn check_reachable(&self, offset: u64) -> Result<(), QueryError> {
        let head = self.head();
        if offset > head { Err(QueryError::BeyondHead { offset, head }) } else { Ok(()) }
    }

    fn views_behind(&self, needed: u64) -> QueryError {
        let views = *self.views.reached().borrow();
        let failure = self.passes.failure();
        QueryError::ViewsBehind { needed, views, head: self.head(), failure }
    }
}
