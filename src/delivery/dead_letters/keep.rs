//! Batches of which what is refused is kept. Does not know what becomes of dead letters later.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::letter::{Letter, check, history_of};
use super::state::Reservations;
use super::{DeadLetterError, DeadLetters, Refused};
use crate::event::{Event, Violation, names_in};
use crate::ledger::{AppendError, Appended, Batch, KeepReused, Outcome, Pending, Receipt};
use crate::limits::Limits;
use crate::proto::DeadLetterFormat;

/// Bytes of what is said about where a letter came from.
const ORIGIN_BYTES_MAX: usize = 1_000;

/// Events as their producers encoded them, valid or not, to append all or nothing, and what is
/// expected of orders before.
///
/// ```
/// use order_ledger::RawBatch;
///
/// let batch = RawBatch::of([&b"not an event"[..]]).expect_revision("erp/7", 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct RawBatch {
    events: Vec<Bytes>,
    expectations: Vec<(String, u64)>,
}

impl RawBatch {
    /// A batch of encoded events, in the order in which they get their offsets.
    pub fn of(events: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self { events: events.into_iter().map(Into::into).collect(), expectations: Vec::new() }
    }

    /// As [`Batch::expect_revision`]. What is expected and does not hold refuses the whole batch,
    /// and nothing of it is kept.
    #[must_use]
    pub fn expect_revision(mut self, correlation_id: impl Into<String>, revision: u64) -> Self {
        self.expectations.push((correlation_id.into(), revision));
        self
    }
}

/// A batch that is on its way. Await it, or [`Keeping::wait`] for it. Dropping it does not stop the
/// batch.
#[derive(Debug)]
#[must_use = "only the answer says whether the batch was appended"]
pub struct Keeping {
    pending: Pending,
    reservations: Arc<Reservations>,
}

impl Keeping {
    /// Blocks this thread until the batch is durable or refused.
    ///
    /// # Errors
    /// See [`DeadLetterError`].
    pub fn wait(self) -> Result<Appended, DeadLetterError> {
        let Self { pending, reservations } = self;
        answered(pending.wait(), &reservations)
    }
}

impl Future for Keeping {
    type Output = Result<Appended, DeadLetterError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.pending).poll(context));
        Poll::Ready(answered(answer, &self.reservations))
    }
}

impl DeadLetters {
    /// Appends a batch, durably, and waits for it. Events that are not valid, or whose ids stand
    /// for other content, are kept as dead letters in the same batch.
    ///
    /// # Errors
    /// As [`crate::Ledger::append`] for all that is not about an event. Where a letter cannot be
    /// kept because of a limit, [`DeadLetterError::NotKept`] with the refusal.
    pub fn append(&self, batch: RawBatch) -> Result<Appended, DeadLetterError> {
        self.submit(batch)?.wait()
    }

    /// Sends a batch to the writer; await what it answers, or wait for it. Batches that one thread
    /// submits are decided in the order in which it submitted them.
    ///
    /// # Errors
    /// As [`DeadLetters::append`], for what can be said before the writer sees the batch.
    pub fn submit(&self, batch: RawBatch) -> Result<Keeping, DeadLetterError> {
        let limits = self.ledger.limits();
        let violations = too_much(&batch.events, limits);
        if !violations.is_empty() {
            return Err(AppendError::Invalid(violations).into());
        }
        let read: Vec<Read> = batch.events.iter().map(|raw| Read::of(raw, limits)).collect();
        self.know(read.iter().map(Read::history))?;
        let reservations = self.reservations();
        let kept = (0..).zip(&read).all(|(index, read)| match read {
            Read::Event(_) => true,
            Read::Refused { letter, .. } => reservations.take(index, letter),
        });
        if !kept {
            let refusal = AppendError::Invalid(violations_of(&read));
            return Err(not_kept(refusal, &reservations));
        }
        let keep = keep_reused(&reservations);
        let mut batch_of = Batch::of(read.into_iter().map(Read::entry)).keep_reused(keep);
        for (correlation_id, revision) in batch.expectations {
            batch_of = batch_of.expect_revision(correlation_id, revision);
        }
        match self.ledger.submit(batch_of) {
            Ok(pending) => Ok(Keeping { pending, reservations }),
            Err(error) => Err(not_kept(error, &reservations)),
        }
    }

    /// Keeps something that was refused before it could become an event; the same bytes again are
    /// the same dead letter.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// use order_ledger::proto::DeadLetterFormat;
    /// use order_ledger::{DeadLetters, Ledger, Options, Refused};
    ///
    /// let letters = DeadLetters::of(Ledger::open(&folder, Options::default())?.into());
    /// let refused = Refused {
    ///     raw: "{\"source\": \"wms:dc1\", \"typ".into(),
    ///     format: DeadLetterFormat::Ndjson,
    ///     origin: "night.ndjson:7".into(),
    ///     ..Default::default()
    /// };
    /// let kept = letters.keep(refused.clone())?;
    /// assert_eq!(letters.keep(refused)?, kept);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`DeadLetterError::Invalid`] where nothing is wrong with it, [`DeadLetterError::Full`], and
    /// those of [`crate::Ledger::append`].
    pub fn keep(&self, refused: Refused) -> Result<Receipt, DeadLetterError> {
        let limits = self.ledger.limits();
        let mut violations = Vec::new();
        let mut check_that = |holds: bool, field: &str, what: String| {
            if !holds {
                violations.push(Violation::new(field, what));
            }
        };
        let Refused { raw, format, origin, reasons } = refused;
        let max = limits.batch_bytes_max;
        let size = format!("{} bytes; allowed are 1 to {max} (batch_bytes_max)", raw.len());
        check_that((1..=max).contains(&raw.len()), "raw", size);
        let known = format != DeadLetterFormat::Unspecified;
        check_that(known, "format", "missing; say what the bytes are".to_owned());
        let size = format!("{} bytes; allowed are at most {ORIGIN_BYTES_MAX}", origin.len());
        check_that(origin.len() <= ORIGIN_BYTES_MAX, "origin", size);
        let found = if reasons.is_empty() {
            check((&raw, format), limits).err().unwrap_or_default()
        } else {
            reasons
        };
        let what = "nothing is wrong with it: append it, or say why it was refused".to_owned();
        check_that(!found.is_empty(), "reasons", what);
        if !violations.is_empty() {
            return Err(DeadLetterError::Invalid(violations));
        }
        let letter = Letter::of_refused((&raw, format), (&found, &origin));
        self.know([letter.history().to_owned()])?;
        let reservations = self.reservations();
        if !reservations.take(0, &letter) {
            let full = reservations.full();
            return Err(full.map_or(DeadLetterError::Unknown(0), DeadLetterError::Full));
        }
        let answer = self.ledger.append(Batch::of([letter.entry]));
        let appended = answered(answer, &reservations)?;
        let receipt = appended.outcomes.first().map(Outcome::receipt).copied();
        receipt.ok_or(DeadLetterError::Unknown(0))
    }

    /// Whether a batch of these events can be submitted without reading histories.
    pub(crate) fn knows_sources_of(&self, events: &[Bytes]) -> bool {
        let mut last = None;
        events.iter().all(|raw| {
            let source = names_in(raw).source;
            let known = last.as_ref() == Some(&source) || self.state.knows(&history_of(&source));
            last = Some(source);
            known
        })
    }

    /// Reads the histories that are not known.
    fn know(&self, histories: impl IntoIterator<Item = String>) -> Result<(), DeadLetterError> {
        let histories: HashSet<String> = histories.into_iter().collect();
        for history in histories {
            if !self.state.knows(&history) {
                self.state.refresh(&self.ledger, &history)?;
            }
        }
        Ok(())
    }
}

/// An event of a batch, or what keeps it.
enum Read {
    Event(Event),
    Refused { letter: Box<Letter>, violations: Vec<Violation> },
}

impl Read {
    fn of(raw: &Bytes, limits: &Limits) -> Self {
        match Event::parse(raw.clone(), limits) {
            Ok(event) => Self::Event(event),
            Err(violations) => {
                let letter = Box::new(Letter::of_event(raw, &violations));
                Self::Refused { letter, violations }
            }
        }
    }

    fn history(&self) -> String {
        match self {
            Self::Event(event) => history_of(event.source()),
            Self::Refused { letter, .. } => letter.history().to_owned(),
        }
    }

    fn entry(self) -> Event {
        match self {
            Self::Event(event) => event,
            Self::Refused { letter, .. } => letter.entry,
        }
    }
}

/// Has events kept whose ids stand for other content.
fn keep_reused(reservations: &Arc<Reservations>) -> KeepReused {
    let reservations = Arc::clone(reservations);
    KeepReused::by(move |index, event, why| {
        let letter = Letter::of_event(event.body(), &[why]);
        reservations.take(index, &letter).then_some(letter.entry)
    })
}

/// Limits of a whole batch, as they hold for events that are valid.
fn too_much(events: &[Bytes], limits: &Limits) -> Vec<Violation> {
    let mut violations = Vec::new();
    let (count, max) = (events.len(), limits.batch_events_max);
    if count > max {
        let what = format!("{count} events; a batch has at most {max} (batch_events_max)");
        violations.push(Violation::new("events", what));
    }
    let (bytes, max) = (events.iter().map(Bytes::len).sum::<usize>(), limits.batch_bytes_max);
    if bytes > max {
        let what = format!("{bytes} bytes of events; a batch has at most {max} (batch_bytes_max)");
        violations.push(Violation::new("events", what));
    }
    violations
}

/// All that is wrong with the events of a batch, by path from the batch on.
fn violations_of(read: &[Read]) -> Vec<Violation> {
    let of = |(index, read): (usize, &Read)| match read {
        Read::Event(_) => Vec::new(),
        Read::Refused { violations, .. } => {
            let within = format!("events[{index}]");
            violations.iter().map(|one| one.clone().within(&within)).collect()
        }
    };
    read.iter().enumerate().flat_map(of).collect()
}

fn answered(
    answer: Result<Appended, AppendError>,
    reservations: &Reservations,
) -> Result<Appended, DeadLetterError> {
    match answer {
        Ok(appended) => {
            reservations.settle(Ok(&appended));
            Ok(appended)
        }
        Err(error) => Err(not_kept(error, reservations)),
    }
}

/// A refusal, with the limit that was met where there was one.
fn not_kept(refusal: AppendError, reservations: &Reservations) -> DeadLetterError {
    reservations.settle(Err(&refusal));
    match reservations.full() {
        Some(full) => DeadLetterError::NotKept { refusal, full },
        None => refusal.into(),
    }
}
