//! The delivery service's methods, one line each. Does not know what they do.

use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::dead_letters;
use super::service::Shutdown;
use super::wire;
use super::wire::delivery_service_server::DeliveryService;
use crate::delivery::DeadLetters;
use crate::ledger::Ledger;
use crate::proto;

/// The consumers and dead letters of one ledger.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    ledger: Arc<Ledger>,
    letters: DeadLetters,
    shutdown: Shutdown,
}

impl Delivery {
    pub(super) fn new(letters: DeadLetters, shutdown: Shutdown) -> Self {
        Self { ledger: Arc::clone(letters.ledger()), letters, shutdown }
    }
}

#[async_trait]
impl DeliveryService for Delivery {
    async fn create_consumer(
        &self,
        request: Request<wire::CreateConsumerRequest>,
    ) -> Result<Response<wire::CreateConsumerResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn update_consumer(
        &self,
        request: Request<wire::UpdateConsumerRequest>,
    ) -> Result<Response<wire::UpdateConsumerResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn delete_consumer(
        &self,
        request: Request<wire::DeleteConsumerRequest>,
    ) -> Result<Response<wire::DeleteConsumerResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn list_consumers(
        &self,
        request: Request<wire::ListConsumersRequest>,
    ) -> Result<Response<wire::ListConsumersResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn get_consumer(
        &self,
        request: Request<wire::GetConsumerRequest>,
    ) -> Result<Response<wire::GetConsumerResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    type ConsumeStream = ReceiverStream<Result<wire::ConsumeResponse, Status>>;

    async fn consume(
        &self,
        request: Request<Streaming<wire::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let _ = (&self.ledger, &self.shutdown, request);
        Err(Status::unimplemented("not yet"))
    }

    async fn list_parked(
        &self,
        request: Request<wire::ListParkedRequest>,
    ) -> Result<Response<wire::ListParkedResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn replay_parked(
        &self,
        request: Request<wire::ReplayParkedRequest>,
    ) -> Result<Response<wire::ReplayParkedResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn skip_parked(
        &self,
        request: Request<wire::SkipParkedRequest>,
    ) -> Result<Response<wire::SkipParkedResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn reset_consumer(
        &self,
        request: Request<wire::ResetConsumerRequest>,
    ) -> Result<Response<wire::ResetConsumerResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn keep_dead_letter(
        &self,
        request: Request<wire::KeepDeadLetterRequest>,
    ) -> Result<Response<wire::KeepDeadLetterResponse>, Status> {
        dead_letters::keep(&self.letters, request.into_inner()).await.map(Response::new)
    }

    async fn list_dead_letters(
        &self,
        request: Request<proto::ListDeadLettersRequest>,
    ) -> Result<Response<proto::ListDeadLettersResponse>, Status> {
        dead_letters::list(&self.letters, request.into_inner()).await.map(Response::new)
    }

    async fn redrive_dead_letter(
        &self,
        request: Request<wire::RedriveDeadLetterRequest>,
    ) -> Result<Response<wire::RedriveDeadLetterResponse>, Status> {
        dead_letters::redrive(&self.letters, request.into_inner()).await.map(Response::new)
    }

    async fn discard_dead_letter(
        &self,
        request: Request<wire::DiscardDeadLetterRequest>,
    ) -> Result<Response<wire::DiscardDeadLetterResponse>, Status> {
        dead_letters::discard(&self.letters, request.into_inner()).await.map(Response::new)
    }
}
