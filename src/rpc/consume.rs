//! `Consume`: a member of a consumer at the other end of a stream.
//! Does not know how deliveries are chosen.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::convert::recorded_event;
use super::status::{IntoStatus as _, invalid};
use super::wire;
use super::wire::consume_response::Message;
use crate::delivery::{Consumers, Delivered, DeliveryError, Member, Told, Voice};
use crate::event::Violation;
use crate::proto::{ConsumeRequest, JoinConsumer};

/// Messages that wait for a member that reads slowly; events behind them stay in the log.
const MESSAGES_AHEAD: usize = 1;
/// Bytes of events in a message, about; a large event may exceed it alone.
const MESSAGE_BYTES: usize = 256 * 1024;

type Messages = mpsc::Sender<Result<wire::ConsumeResponse, Status>>;

/// Makes the caller a member, as its first message says.
pub(super) async fn consume(
    consumers: &Consumers,
    mut said: Streaming<ConsumeRequest>,
) -> Result<ReceiverStream<Result<wire::ConsumeResponse, Status>>, Status> {
    let first = said.message().await?.unwrap_or_default();
    let missing = || {
        let what = "missing; the first message of a stream joins a consumer";
        invalid(&[Violation::new("join", what)])
    };
    let JoinConsumer { consumer, member } = first.join.clone().ok_or_else(missing)?;
    let member = consumers.join(&consumer, &member).await.map_err(DeliveryError::into_status)?;
    let voice = member.voice().clone();
    voice.say(ConsumeRequest { join: None, ..first }).await;
    let (messages, receiver) = mpsc::channel(MESSAGES_AHEAD);
    tokio::spawn(listen(said, voice));
    tokio::spawn(tell(member, messages));
    Ok(ReceiverStream::new(receiver))
}

/// Passes on what the member says, until it has no more to say or is gone.
async fn listen(mut said: Streaming<ConsumeRequest>, voice: Voice) {
    loop {
        match said.message().await {
            Ok(Some(said)) => voice.say(said).await,
            Ok(None) => return voice.leave(),
            Err(_) => return voice.gone(),
        }
    }
}

/// Passes on what the member is told, as fast as it reads.
async fn tell(mut member: Member, messages: Messages) {
    loop {
        let next = tokio::select! {
            next = member.next() => next,
            () = messages.closed() => return,
        };
        let sent = match next {
            Ok(None) => return,
            Ok(Some(Told::Deliveries(delivered))) => tell_deliveries(delivered, &messages).await,
            Ok(Some(told)) => messages.send(Ok(message_of(told))).await.is_ok(),
            Err(error) => messages.send(Err(error.into_status())).await.is_ok(),
        };
        if !sent {
            return;
        }
    }
}

async fn tell_deliveries(delivered: Vec<Delivered>, messages: &Messages) -> bool {
    let (mut deliveries, mut bytes) = (Vec::new(), 0);
    for one in delivered {
        bytes += one.recorded.event.body().len();
        deliveries.push(delivery_of(one));
        if bytes >= MESSAGE_BYTES {
            bytes = 0;
            let full = std::mem::take(&mut deliveries);
            let message = message(Message::Deliveries(wire::Deliveries { deliveries: full }));
            if messages.send(Ok(message)).await.is_err() {
                return false;
            }
        }
    }
    if deliveries.is_empty() {
        return true;
    }
    let message = message(Message::Deliveries(wire::Deliveries { deliveries }));
    messages.send(Ok(message)).await.is_ok()
}

fn delivery_of(one: Delivered) -> wire::Delivery {
    wire::Delivery {
        event: Some(recorded_event(&one.recorded, false)),
        attempt: one.attempt,
        replayed: one.replayed,
        lag: prost_types::Duration::try_from(one.lag).ok(),
        last_reason: one.last_reason,
    }
}

fn message_of(told: Told) -> wire::ConsumeResponse {
    message(match told {
        Told::Joined { settings, progress } => Message::Joined(wire::ConsumeJoined {
            settings: Some(*settings),
            progress: Some(progress),
        }),
        Told::Deliveries(delivered) => {
            let deliveries = delivered.into_iter().map(delivery_of).collect();
            Message::Deliveries(wire::Deliveries { deliveries })
        }
        Told::Progress(progress) => Message::Progress(progress),
        Told::Refused(refused) => Message::Refused(refused),
        Told::Closed(reason) => Message::Closed(wire::ConsumeClosed { reason: reason.into() }),
    })
}

fn message(message: Message) -> wire::ConsumeResponse {
    wire::ConsumeResponse { message: Some(message) }
}
