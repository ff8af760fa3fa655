//! The delivery service's methods: convert, call, convert. Does not know how a consumer works.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::consume;
use super::dead_letters;
use super::reads::Reads;
use super::service::Shutdown;
use super::status::{IntoStatus as _, invalid};
use super::wire;
use super::wire::delivery_service_server::DeliveryService;
use crate::delivery::{Consumers, DeadLetters, DeliveryError, Start, recorded_start};
use crate::event::Violation;
use crate::ledger::Ledger;
use crate::proto;

/// The consumers and dead letters of one ledger.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    ledger: Arc<Ledger>,
    letters: DeadLetters,
    shutdown: Shutdown,
    reads: Reads,
    /// Opened when somebody asks for them first.
    consumers: Arc<OnceCell<Consumers>>,
}

impl Delivery {
    pub(super) fn new((letters, reads): (DeadLetters, Reads), shutdown: Shutdown) -> Self {
        let ledger = Arc::clone(letters.ledger());
        Self { ledger, letters, shutdown, reads, consumers: Arc::default() }
    }

    async fn consumers(&self) -> Result<&Consumers, Status> {
        let open = || Consumers::open(Arc::clone(&self.ledger));
        self.consumers.get_or_try_init(open).await.map_err(DeliveryError::into_status)
    }

    /// Ends all memberships and stores where the consumers stand.
    pub(super) async fn close(&self) {
        if let Some(consumers) = self.consumers.get() {
            consumers.close().await;
        }
    }
}

/// What a request must have.
fn required<T>(field: &str, said: Option<T>) -> Result<T, Status> {
    said.ok_or_else(|| invalid(&[Violation::new(field, "missing")]))
}

fn begin_of(start: wire::create_consumer_request::Start) -> Result<Start, DeliveryError> {
    use wire::create_consumer_request::Start as Said;
    match start {
        Said::FromOffset(offset) => Ok(Start::Offset(offset)),
        Said::FromRecorded(time) => recorded_start("from_recorded", time),
        Said::AtHead(proto::AtHead {}) => Ok(Start::Head),
    }
}

fn place_of(to: wire::reset_consumer_request::To) -> Result<Start, DeliveryError> {
    use wire::reset_consumer_request::To as Said;
    match to {
        Said::Offset(offset) => Ok(Start::Offset(offset)),
        Said::Recorded(time) => recorded_start("recorded", time),
        Said::Head(proto::AtHead {}) => Ok(Start::Head),
    }
}

#[async_trait]
impl DeliveryService for Delivery {
    async fn create_consumer(
        &self,
        request: Request<wire::CreateConsumerRequest>,
    ) -> Result<Response<wire::CreateConsumerResponse>, Status> {
        let wire::CreateConsumerRequest { settings, start, actor } = request.into_inner();
        let settings = required("settings", settings)?;
        let start = start.map_or(Ok(Start::Offset(0)), begin_of);
        let start = start.map_err(DeliveryError::into_status)?;
        let created = self.consumers().await?.create(settings, start, &actor).await;
        let (consumer, existed) = created.map_err(DeliveryError::into_status)?;
        Ok(Response::new(wire::CreateConsumerResponse { consumer: Some(consumer), existed }))
    }

    async fn update_consumer(
        &self,
        request: Request<wire::UpdateConsumerRequest>,
    ) -> Result<Response<wire::UpdateConsumerResponse>, Status> {
        let wire::UpdateConsumerRequest { settings, actor } = request.into_inner();
        let settings = required("settings", settings)?;
        let updated = self.consumers().await?.update(settings, &actor).await;
        let consumer = Some(updated.map_err(DeliveryError::into_status)?);
        Ok(Response::new(wire::UpdateConsumerResponse { consumer }))
    }

    async fn delete_consumer(
        &self,
        request: Request<wire::DeleteConsumerRequest>,
    ) -> Result<Response<wire::DeleteConsumerResponse>, Status> {
        let wire::DeleteConsumerRequest { consumer, actor } = request.into_inner();
        let deleted = self.consumers().await?.delete(&consumer, &actor).await;
        deleted.map_err(DeliveryError::into_status)?;
        Ok(Response::new(wire::DeleteConsumerResponse {}))
    }

    async fn list_consumers(
        &self,
        _: Request<wire::ListConsumersRequest>,
    ) -> Result<Response<wire::ListConsumersResponse>, Status> {
        let consumers = self.consumers().await?.list().await;
        let consumers = consumers.map_err(DeliveryError::into_status)?;
        Ok(Response::new(wire::ListConsumersResponse { consumers }))
    }

    async fn get_consumer(
        &self,
        request: Request<wire::GetConsumerRequest>,
    ) -> Result<Response<wire::GetConsumerResponse>, Status> {
        let consumer = self.consumers().await?.get(&request.into_inner().consumer).await;
        let consumer = Some(consumer.map_err(DeliveryError::into_status)?);
        Ok(Response::new(wire::GetConsumerResponse { consumer }))
    }

    type ConsumeStream = ReceiverStream<Result<wire::ConsumeResponse, Status>>;

    async fn consume(
        &self,
        request: Request<Streaming<proto::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let reader = self.reads.reader("Consume", &request);
        let (said, shutdown) = (request.into_inner(), self.shutdown.clone());
        consume::consume(self.consumers().await?, (said, reader), shutdown).await.map(Response::new)
    }

    async fn list_parked(
        &self,
        request: Request<proto::ListParkedRequest>,
    ) -> Result<Response<proto::ListParkedResponse>, Status> {
        let listed = self.consumers().await?.list_parked(request.get_ref()).await;
        listed.map(Response::new).map_err(DeliveryError::into_status)
    }

    async fn replay_parked(
        &self,
        request: Request<proto::ReplayParkedRequest>,
    ) -> Result<Response<proto::ReplayParkedResponse>, Status> {
        let replayed = self.consumers().await?.replay_parked(request.get_ref()).await;
        replayed.map(Response::new).map_err(DeliveryError::into_status)
    }

    async fn skip_parked(
        &self,
        request: Request<proto::SkipParkedRequest>,
    ) -> Result<Response<proto::SkipParkedResponse>, Status> {
        let skipped = self.consumers().await?.skip_parked(request.get_ref()).await;
        skipped.map(Response::new).map_err(DeliveryError::into_status)
    }

    async fn reset_consumer(
        &self,
        request: Request<wire::ResetConsumerRequest>,
    ) -> Result<Response<wire::ResetConsumerResponse>, Status> {
        let wire::ResetConsumerRequest { consumer, to, actor, reason } = request.into_inner();
        let to = place_of(required("to", to)?).map_err(DeliveryError::into_status)?;
        let reset = self.consumers().await?.reset(&consumer, to, (&actor, &reason)).await;
        let consumer = Some(reset.map_err(DeliveryError::into_status)?);
        Ok(Response::new(wire::ResetConsumerResponse { consumer }))
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
