//! The service's methods, one line each. Does not know what they do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::audit::Audits;
use super::reads::scope;
use super::wire::ledger_service_server::LedgerService;
use super::{append, orders, query, replay, stream_orders, wire};
use crate::delivery::DeadLetters;
use crate::ledger::Ledger;
use crate::proto;
use crate::time::rfc3339;

/// Says to everything that runs that the server shuts down.
#[derive(Clone, Debug)]
pub(super) struct Shutdown(Option<watch::Receiver<bool>>);

impl Shutdown {
    pub(super) fn watching(receiver: watch::Receiver<bool>) -> Self {
        Self(Some(receiver))
    }

    pub(super) fn never() -> Self {
        Self(None)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.as_ref().is_some_and(|begun| *begun.borrow())
    }

    /// Waits until it begins.
    pub(super) async fn begun(&mut self) {
        match &mut self.0 {
            Some(receiver) => {
                let _ = receiver.wait_for(|begun| *begun).await;
            }
            None => std::future::pending().await,
        }
    }
}

/// The service of one ledger.
#[derive(Clone, Debug)]
pub(super) struct Service {
    ledger: Arc<Ledger>,
    letters: DeadLetters,
    audits: Audits,
    pace: Pace,
}

/// What every stream heeds beside what it brings.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) shutdown: Shutdown,
    /// How often it says that it lives while it brings nothing.
    pub(super) heartbeat: Duration,
}

impl Service {
    pub(super) fn new(
        (letters, audits): (DeadLetters, Audits),
        shutdown: Shutdown,
        heartbeat: Duration,
    ) -> Self {
        let ledger = Arc::clone(letters.ledger());
        Self { ledger, letters, audits, pace: Pace { shutdown, heartbeat } }
    }
}

#[async_trait]
impl LedgerService for Service {
    async fn append(
        &self,
        request: Request<wire::AppendRequest>,
    ) -> Result<Response<wire::AppendResponse>, Status> {
        append::append((&self.letters, &self.audits), request.into_inner()).await.map(Response::new)
    }

    type AppendStreamStream = append::Answers;

    async fn append_stream(
        &self,
        request: Request<Streaming<wire::AppendStreamRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let (letters, shutdown) = (self.letters.clone(), self.pace.shutdown.clone());
        let of = (letters, self.audits.clone());
        Ok(Response::new(append::append_stream(of, request.into_inner(), shutdown)))
    }

    async fn get_append_outcome(
        &self,
        request: Request<wire::GetAppendOutcomeRequest>,
    ) -> Result<Response<wire::GetAppendOutcomeResponse>, Status> {
        query::get_append_outcome(&self.ledger, request.into_inner()).await.map(Response::new)
    }

    async fn get_order(
        &self,
        request: Request<wire::GetOrderRequest>,
    ) -> Result<Response<wire::GetOrderResponse>, Status> {
        let id = &request.get_ref().correlation_id;
        self.audits.reads.of_orders("GetOrder", &request, &[id]).await?;
        query::get_order(&self.ledger, request.into_inner()).await.map(Response::new)
    }

    async fn get_timeline(
        &self,
        request: Request<wire::GetTimelineRequest>,
    ) -> Result<Response<wire::GetTimelineResponse>, Status> {
        let id = &request.get_ref().correlation_id;
        self.audits.reads.of_orders("GetTimeline", &request, &[id]).await?;
        query::get_timeline(&self.ledger, request.into_inner()).await.map(Response::new)
    }

    async fn find_orders(
        &self,
        request: Request<proto::FindOrdersRequest>,
    ) -> Result<Response<proto::FindOrdersResponse>, Status> {
        orders::find_orders(&self.ledger, request.into_inner()).await.map(Response::new)
    }

    async fn list_orders(
        &self,
        request: Request<proto::ListOrdersRequest>,
    ) -> Result<Response<proto::ListOrdersResponse>, Status> {
        orders::list_orders(&self.ledger, request.into_inner()).await.map(Response::new)
    }

    type StreamOrdersStream = ReceiverStream<Result<wire::StreamOrdersResponse, Status>>;

    async fn stream_orders(
        &self,
        request: Request<wire::StreamOrdersRequest>,
    ) -> Result<Response<Self::StreamOrdersStream>, Status> {
        let from = request.get_ref().from_offset;
        let read = self
            .audits
            .reads
            .of_many("StreamOrders", &request, || scope(format!("from offset {from}"), &[]));
        read.await?;
        let (request, pace) = (request.into_inner(), self.pace.clone());
        stream_orders::stream_orders(&self.ledger, request, pace).await.map(Response::new)
    }

    type ReplayStream = ReceiverStream<Result<wire::ReplayResponse, Status>>;

    async fn replay(
        &self,
        request: Request<wire::ReplayRequest>,
    ) -> Result<Response<Self::ReplayStream>, Status> {
        let said = request.get_ref();
        let from = said.from_recorded.map_or_else(
            || format!("from offset {}", said.from_offset),
            |time| format!("recorded from {} on", rfc3339(&time, None)),
        );
        let scope = || scope(from, &said.filters);
        self.audits.reads.of_many("Replay", &request, scope).await?;
        let pace = self.pace.clone();
        replay::replay(&self.ledger, request.into_inner(), pace).await.map(Response::new)
    }

    async fn get_head(
        &self,
        request: Request<wire::GetHeadRequest>,
    ) -> Result<Response<wire::GetHeadResponse>, Status> {
        query::get_head(&self.ledger, request.into_inner().include_sources).await.map(Response::new)
    }
}
