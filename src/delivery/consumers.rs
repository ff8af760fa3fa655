//! All consumers of a ledger, by name: made, found, changed and closed.
//! Does not know how one of them works.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::asked::{Asked, Reply, Said};
use super::blocking;
use super::engine::{Engine, Input};
use super::error::DeliveryError;
use super::journal::Journal;
use super::member::Member;
use super::settings::{Settings, differences};
use super::state::{CONSUMERS, CREATED, Position, State, fold, positions_of};
use crate::ledger::{Ledger, QueryError};
use crate::proto::{Consumer, ConsumerSettings, LedgerEntry};

/// Where a consumer begins, or goes on after a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this offset; at most the head.
    Offset(u64),
    /// At the first entry recorded at or after this time, in nanoseconds of the Unix epoch; at the
    /// head where there is none.
    RecordedAt(u64),
    /// Behind everything that is there.
    Head,
}

/// The consumers of a ledger: names under which it keeps how far somebody has come. They need a
/// tokio runtime; one set of them may be open for a ledger at a time.
///
/// ```
/// use std::sync::Arc;
///
/// use order_ledger::{Batch, Consumers, Event, Ledger, Options, Start, Told, proto};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let ledger = Arc::new(Ledger::open(&folder, Options::default())?);
/// # let event = proto::OrderEvent {
/// #     correlation_id: "erp/7".into(),
/// #     source: "wms:dc1".into(),
/// #     event_id: "p-1".into(),
/// #     r#type: "pick.confirmed".into(),
/// #     ..Default::default()
/// # };
/// # ledger.append(Batch::of([Event::new(&event).unwrap()]))?;
/// let consumers = Consumers::open(Arc::clone(&ledger)).await?;
/// let settings = proto::ConsumerSettings { name: "erp-updater".into(), ..Default::default() };
/// consumers.create(settings, Start::Offset(0), "setup").await?;
///
/// let mut member = consumers.join("erp-updater", "worker 1").await?;
/// member.voice().grant(10).await;
/// while let Some(told) = member.next().await? {
///     if let Told::Deliveries(delivered) = told {
///         for one in delivered {
///             println!("{} {}", one.recorded.offset, one.recorded.event.event_type());
///             member.voice().ack(one.recorded.offset).await;
///         }
///         member.voice().leave();
///     }
/// }
/// let report = consumers.get("erp-updater").await?;
/// assert_eq!((report.in_flight, report.stored_to), (0, report.acknowledged_to));
/// consumers.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Consumers {
    ledger: Arc<Ledger>,
    at_work: Mutex<Crew>,
}

/// Consumers whose engines run, by name. One that is not there may still be in the log.
#[derive(Debug, Default)]
struct Crew {
    engines: BTreeMap<String, AtWork>,
    closed: bool,
}

/// A consumer whose engine runs.
#[derive(Debug)]
struct AtWork {
    inputs: mpsc::UnboundedSender<Input>,
    task: JoinHandle<()>,
}

impl Consumers {
    /// Takes the consumers of a ledger up where the log has them.
    ///
    /// # Errors
    /// [`DeliveryError::AlreadyOpen`], and where the ledger cannot be read.
    pub async fn open(ledger: Arc<Ledger>) -> Result<Self, DeliveryError> {
        if !ledger.claim_delivery() {
            return Err(DeliveryError::AlreadyOpen);
        }
        let consumers = Self { ledger: Arc::clone(&ledger), at_work: Mutex::default() };
        // What others had submitted when they were stopped is decided first.
        let names = blocking(move || {
            ledger.settle();
            names_of(&ledger)
        });
        for name in names.await? {
            if let Err(error) = consumers.inputs_of(&name).await {
                tracing::error!(consumer = %name, %error, "a consumer cannot go on");
            }
        }
        Ok(consumers)
    }

    /// The way to a consumer's engine, which is started where it does not run.
    async fn inputs_of(&self, name: &str) -> Result<mpsc::UnboundedSender<Input>, DeliveryError> {
        let mut crew = self.at_work.lock().await;
        let found = self.find(&mut crew, name).await?;
        found.ok_or_else(|| DeliveryError::UnknownConsumer(name.to_owned()))
    }

    async fn find(
        &self,
        crew: &mut Crew,
        name: &str,
    ) -> Result<Option<mpsc::UnboundedSender<Input>>, DeliveryError> {
        if crew.closed {
            return Err(DeliveryError::Closed);
        }
        let known = crew.engines.get(name).filter(|known| !known.task.is_finished());
        if let Some(known) = known {
            return Ok(Some(known.inputs.clone()));
        }
        crew.engines.remove(name);
        let (inputs, receiver) = mpsc::unbounded_channel();
        let (ledger, wanted) = (Arc::clone(&self.ledger), name.to_owned());
        let engine = blocking(move || {
            let state = load(&ledger, &wanted)?;
            Ok(state.map(|state| Engine::of(ledger, state, receiver)))
        });
        let Some(engine) = engine.await?.transpose()? else {
            return Ok(None);
        };
        let task = tokio::spawn(engine.run());
        crew.engines.insert(name.to_owned(), AtWork { inputs: inputs.clone(), task });
        Ok(Some(inputs))
    }

    /// Makes a consumer, or finds the one that has the same settings; answers whether it was there.
    /// `actor` is who asks, for the record.
    ///
    /// # Errors
    /// [`DeliveryError::Invalid`], [`DeliveryError::ConsumerExists`], and what appends and reads
    /// say.
    pub async fn create(
        &self,
        settings: ConsumerSettings,
        start: Start,
        actor: &str,
    ) -> Result<(Consumer, bool), DeliveryError> {
        let Said { actor, .. } = Said::by(actor)?;
        let settings = Settings::of(settings, self.ledger.limits());
        let settings = settings.map_err(DeliveryError::Invalid)?;
        let name = settings.told.name.clone();
        let mut crew = self.at_work.lock().await;
        if let Some(known) = self.find(&mut crew, &name).await? {
            drop(crew);
            let known = ask(&known, Asked::Report).await?;
            let is = known.settings.clone().unwrap_or_default();
            let differences = differences(&is, &settings.told);
            if differences.is_empty() {
                return Ok((known, true));
            }
            return Err(DeliveryError::ConsumerExists { name, differences });
        }
        let most = self.ledger.limits().consumers_max;
        crew.engines.retain(|_, known| !known.task.is_finished());
        if crew.engines.len() >= most {
            let what = format!("there are {most} consumers, the most allowed (consumers_max)");
            return Err(DeliveryError::invalid("settings.name", what));
        }
        let scanned_to = self.offset_of(start).await?;
        let position = Position { scanned_to, ..Position::default() };
        let entry = LedgerEntry {
            settings: Some(settings.told),
            position: Some(position.told()),
            actor,
            ..LedgerEntry::default()
        };
        let mut journal = Journal::new(Arc::clone(&self.ledger), &name, None);
        let entry = journal.deed(CREATED, entry);
        journal.send(vec![entry])?.await?;
        let made = self.find(&mut crew, &name).await?;
        let made = made.ok_or_else(|| DeliveryError::UnknownConsumer(name.clone()))?;
        Ok((ask(&made, Asked::Report).await?, false))
    }

    /// Changes the settings of a consumer, all of them.
    ///
    /// # Errors
    /// [`DeliveryError::Invalid`], [`DeliveryError::UnknownConsumer`], and what appends say.
    pub async fn update(
        &self,
        settings: ConsumerSettings,
        actor: &str,
    ) -> Result<Consumer, DeliveryError> {
        let settings = Settings::of(settings, self.ledger.limits());
        let settings = Box::new(settings.map_err(DeliveryError::Invalid)?);
        let (name, said) = (settings.told.name.clone(), Said::by(actor)?);
        self.ask(&name, |reply| Asked::Update(settings, said, reply)).await
    }

    /// Deletes a consumer: its members are closed and its place is forgotten.
    ///
    /// # Errors
    /// [`DeliveryError::UnknownConsumer`], and what appends say.
    pub async fn delete(&self, name: &str, actor: &str) -> Result<(), DeliveryError> {
        let said = Said::by(actor)?;
        let inputs = self.inputs_of(name).await?;
        self.ask(name, |reply| Asked::Delete(said, reply)).await?;
        // The name is free when this is answered; somebody may have taken it already.
        let mut crew = self.at_work.lock().await;
        let is_it = |known: &AtWork| known.inputs.same_channel(&inputs);
        let ended = if crew.engines.get(name).is_some_and(is_it) {
            crew.engines.remove(name)
        } else {
            None
        };
        drop(crew);
        if let Some(ended) = ended {
            let _ = ended.task.await;
        }
        Ok(())
    }

    /// Where a consumer stands, and who works for it.
    ///
    /// # Errors
    /// [`DeliveryError::UnknownConsumer`], and where the ledger cannot be read.
    pub async fn get(&self, name: &str) -> Result<Consumer, DeliveryError> {
        self.ask(name, Asked::Report).await
    }

    /// All consumers, by name.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub async fn list(&self) -> Result<Vec<Consumer>, DeliveryError> {
        let mut reports = Vec::new();
        for name in self.names().await? {
            match self.get(&name).await {
                Ok(report) => reports.push(report),
                // It was deleted.
                Err(DeliveryError::UnknownConsumer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reports)
    }

    /// Joins a consumer as a member, under a name for those who look.
    ///
    /// # Errors
    /// [`DeliveryError::UnknownConsumer`], and a member's name that is too long.
    pub async fn join(&self, name: &str, member: &str) -> Result<Member, DeliveryError> {
        let max = self.ledger.limits().id_bytes_max;
        if member.len() > max {
            let what = format!("{} bytes; allowed are at most {max} (id_bytes_max)", member.len());
            return Err(DeliveryError::invalid("join.member", what));
        }
        let inputs = self.inputs_of(name).await?;
        Member::join(inputs, member, Arc::clone(&self.ledger)).await
    }

    /// Moves a consumer to another place in the log. What it has parked before that place stays
    /// parked; whatever else was on its way is forgotten. Who answers for it and why are required.
    ///
    /// # Errors
    /// [`DeliveryError::Invalid`], [`DeliveryError::UnknownConsumer`], a place beyond the head, and
    /// what appends say.
    pub async fn reset(
        &self,
        name: &str,
        to: Start,
        (actor, reason): (&str, &str),
    ) -> Result<Consumer, DeliveryError> {
        let said = Said::answerable(actor, reason)?;
        let to = self.offset_of(to).await?;
        self.ask(name, |reply| Asked::Reset(to, said, reply)).await
    }

    /// Stores where every consumer stands, ends all memberships, and stops: nothing is answered any
    /// more. It may be called again.
    pub async fn close(&self) {
        let mut crew = self.at_work.lock().await;
        crew.closed = true;
        for known in crew.engines.values() {
            let (reply, _) = oneshot::channel();
            let _ = known.inputs.send(Input::Asked(Asked::Close(reply)));
        }
        for known in crew.engines.values_mut() {
            if !known.task.is_finished() {
                let _ = (&mut known.task).await;
            }
        }
    }

    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The names of all consumers, sorted.
    pub(super) async fn names(&self) -> Result<Vec<String>, DeliveryError> {
        if self.at_work.lock().await.closed {
            return Err(DeliveryError::Closed);
        }
        let ledger = Arc::clone(&self.ledger);
        blocking(move || names_of(&ledger)).await
    }

    /// Asks the engine of a consumer.
    pub(super) async fn ask<T>(
        &self,
        name: &str,
        asked: impl FnOnce(Reply<T>) -> Asked,
    ) -> Result<T, DeliveryError> {
        let inputs = self.inputs_of(name).await?;
        match ask(&inputs, asked).await {
            // It has ended meanwhile: closed, deleted, or broken.
            Err(DeliveryError::Closed) => Err(match self.inputs_of(name).await {
                Ok(_) => DeliveryError::Stopped("it was interrupted".to_owned()),
                Err(error) => error,
            }),
            answer => answer,
        }
    }

    async fn offset_of(&self, start: Start) -> Result<u64, DeliveryError> {
        let ledger = Arc::clone(&self.ledger);
        blocking(move || match start {
            Start::Head => Ok(ledger.head()),
            Start::RecordedAt(ns) => {
                ns.checked_sub(1).map_or(Ok(0), |before| ledger.offset_after(before))
            }
            Start::Offset(offset) => {
                let head = ledger.head();
                if offset > head {
                    return Err(QueryError::BeyondHead { offset, head });
                }
                Ok(offset)
            }
        })
        .await
    }
}

impl Drop for Consumers {
    /// Stops without storing, as a process that dies does.
    fn drop(&mut self) {
        for known in self.at_work.get_mut().engines.values() {
            known.task.abort();
        }
        self.ledger.release_delivery();
    }
}

async fn ask<T>(
    inputs: &mpsc::UnboundedSender<Input>,
    asked: impl FnOnce(Reply<T>) -> Asked,
) -> Result<T, DeliveryError> {
    let (reply, answer) = oneshot::channel();
    inputs.send(Input::Asked(asked(reply))).map_err(|_| DeliveryError::Closed)?;
    answer.await.map_err(|_| DeliveryError::Closed)?
}

/// The names that the log has, also of consumers that were deleted.
fn names_of(ledger: &Ledger) -> Result<Vec<String>, QueryError> {
    let histories = ledger.own_histories(CONSUMERS)?;
    let names = histories.iter().filter_map(|history| history.strip_prefix(CONSUMERS));
    Ok(names.map(str::to_owned).collect())
}

/// One consumer: what was decided about it, and where it stood last.
fn load(ledger: &Ledger, name: &str) -> Result<Option<State>, QueryError> {
    let mut entries = ledger.own_history(&format!("{CONSUMERS}{name}"))?;
    if let Some(history) = ledger.last_own_history(&positions_of(name))?
        && let Some(last) = ledger.last_of_history(&history)?
    {
        let at = entries.partition_point(|entry| entry.offset < last.offset);
        entries.insert(at, last);
    }
    Ok(fold(&entries))
}

/// A place that a request names, which must be one.
pub(crate) fn recorded_start(
    field: &str,
    time: prost_types::Timestamp,
) -> Result<Start, DeliveryError> {
    let ns = crate::time::ns_from_parts(time.seconds, time.nanos).ok_or_else(|| {
        let what = "out of range; allowed is 1677-09-21 .. 2262-04-11";
        DeliveryError::invalid(field, what)
    })?;
    Ok(Start::RecordedAt(u64::try_from(ns).unwrap_or(0)))
}
