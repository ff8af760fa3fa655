//! `Consume`: a member of a consumer at the other end of a stream.
//! Does not know how deliveries are chosen.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::convert::recorded_event;
use super::reads::Reader;
use super::service::Shutdown;
use super::status::{IntoStatus as _, invalid, status};
use super::wire;
use super::wire::consume_response::Message;
use crate::delivery::{Consumers, Delivered, DeliveryError, Member, Told, Voice};
use crate::event::Violation;
use crate::ledger::FailureClass;
use crate::proto::{ConsumeRequest, JoinConsumer};

/// Messages that wait for a member that reads slowly; events behind them stay in the log.
const MESSAGES_AHEAD: usize = 1;
/// Whoever leaves in order still listens so long.
const LEAVING: Duration = Duration::from_millis(20);
/// How long the first message may take.
const JOIN_TIME_MAX: Duration = Duration::from_secs(30);

type Messages = mpsc::Sender<Result<wire::ConsumeResponse, Status>>;

/// Makes the caller a member, as its first message says.
pub(super) async fn consume(
    consumers: &Consumers,
    (mut said, reader): (Streaming<ConsumeRequest>, Option<Reader>),
    mut shutdown: Shutdown,
) -> Result<ReceiverStream<Result<wire::ConsumeResponse, Status>>, Status> {
    let first = tokio::select! {
        first = tokio::time::timeout(JOIN_TIME_MAX, said.message()) => first,
        () = shutdown.begun() => return Err(DeliveryError::Closed.into_status()),
    };
    let first = first.map_or(Ok(None), |first| first)?.unwrap_or_default();
    let missing = || {
        let what = "missing; the first message of a stream joins a consumer, within 30 s";
        invalid(&[Violation::new("join", what)])
    };
    let JoinConsumer { consumer, member } = first.join.clone().ok_or_else(missing)?;
    if let Some(reader) = reader {
        reader.reads(format!("as {member} for consumer {consumer}")).await?;
    }
    let member = consumers.join(&consumer, &member).await.map_err(DeliveryError::into_status)?;
    let voice = member.voice().clone();
    voice.say(ConsumeRequest { join: None, ..first }).await;
    let (messages, receiver) = mpsc::channel(MESSAGES_AHEAD);
    let (failed, failure) = oneshot::channel();
    let (ended, end) = oneshot::channel();
    let heard = messages.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = listen((said, &heard), voice, failed) => {}
            // Nobody is there any more to say anything to.
            _ = end => {}
        }
    });
    tokio::spawn(async move {
        tell(member, &messages, failure).await;
        drop::<oneshot::Sender<()>>(ended);
    });
    Ok(ReceiverStream::new(receiver))
}

/// Passes on what the member says, until it has no more to say or is gone.
async fn listen(
    (mut said, messages): (Streaming<ConsumeRequest>, &Messages),
    voice: Voice,
    failed: oneshot::Sender<Status>,
) {
    loop {
        match said.message().await {
            Ok(Some(said)) => voice.say(said).await,
            Ok(None) => {
                // A call that was broken off looks as one that has no more to say, but for what it
                // would still be told.
                let gone = tokio::time::timeout(LEAVING, messages.closed()).await.is_ok();
                if gone {
                    voice.gone();
                } else {
                    voice.leave();
                }
                break;
            }
            Err(status) => {
                let _ = failed.send(status);
                voice.gone();
                break;
            }
        }
    }
    // What is said stays open until the member is told that it ends.
    std::future::pending::<()>().await;
}

/// Passes on what the member is told, as fast as it reads: what it cannot take yet is not read.
async fn tell(mut member: Member, messages: &Messages, mut failure: oneshot::Receiver<Status>) {
    while let Ok(room) = messages.reserve().await {
        let next = tokio::select! {
            next = member.next() => next,
            () = messages.closed() => return,
        };
        match next {
            Ok(Some(told)) => {
                let is_last = matches!(told, Told::Closed(_));
                room.send(Ok(message_of(told)));
                if is_last {
                    return;
                }
            }
            Ok(None) => {
                // Without a word: what it said could not be understood, or the consumer broke.
                let stopped = || {
                    let message = "the consumer has stopped: join again".to_owned();
                    let class = FailureClass::NotWritten;
                    status(Code::Unavailable, "CONSUMER_STOPPED", class, message)
                };
                return room.send(Err(failure.try_recv().unwrap_or_else(|_| stopped())));
            }
            Err(error) => return room.send(Err(error.into_status())),
        }
    }
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
    let message = match told {
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
    };
    wire::ConsumeResponse { message: Some(message) }
}
