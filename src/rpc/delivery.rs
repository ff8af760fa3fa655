//! The delivery service's methods, one line each. Does not know what they do.

use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::service::Shutdown;
use super::wire;
use super::wire::delivery_service_server::DeliveryService;
use crate::ledger::Ledger;

/// The consumers and dead letters of one ledger.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    ledger: Arc<Ledger>,
    shutdown: Shutdown,
}

impl Delivery {
    pub(super) fn new(ledger: Arc<Ledger>, shutdown: Shutdown) -> Self {
        Self { ledger, shutdown }
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

    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn redrive_dead_letter(
        &self,
        request: Request<wire::RedriveDeadLetterRequest>,
    ) -> Result<Response<wire::RedriveDeadLetterResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }

    async fn discard_dead_letter(
        &self,
        request: Request<wire::DiscardDeadLetterRequest>,
    ) -> Result<Response<wire::DiscardDeadLetterResponse>, Status> {
        let _ = request;
        Err(Status::unimplemented("not yet"))
    }
}
