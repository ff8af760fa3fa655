//! Lists of orders and look-ups by reference. Does not know how orders are found.

use std::sync::Arc;

use tonic::Status;

use super::query::{blocking, reach};
use super::status::IntoStatus as _;
use crate::ledger::{Ledger, QueryError};
use crate::proto::{
    Basis, FindOrdersRequest, FindOrdersResponse, ListOrdersRequest, ListOrdersResponse,
};

pub(super) async fn find_orders(
    ledger: &Arc<Ledger>,
    request: FindOrdersRequest,
) -> Result<FindOrdersResponse, Status> {
    let find = ledger.check_find(&request).map_err(QueryError::into_status)?;
    reach_views(ledger, request.basis.as_ref()).await?;
    if let Some(found) = ledger.find_few(&find).map_err(QueryError::into_status)? {
        return Ok(found);
    }
    blocking(ledger, move |ledger| ledger.find_checked(&find)).await
}

pub(super) async fn list_orders(
    ledger: &Arc<Ledger>,
    request: ListOrdersRequest,
) -> Result<ListOrdersResponse, Status> {
    let list = ledger.check_list(&request).map_err(QueryError::into_status)?;
    reach_views(ledger, request.basis.as_ref()).await?;
    blocking(ledger, move |ledger| ledger.list_checked(&list)).await
}

/// Waits until the views go to the head that there is now, or that a basis asks for.
async fn reach_views(ledger: &Ledger, basis: Option<&Basis>) -> Result<(), Status> {
    reach(ledger, basis).await?;
    ledger.views_reach(ledger.head()).await.map(drop).map_err(QueryError::into_status)
}
