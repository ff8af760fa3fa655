//! A pass: what a generation of the tail changes in the views. Reads the generation's events from
//! the log, folds each order that they touch once, and writes all of it together.
//! Does not know when it runs, nor what the rules of the fold are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cache::{Cache, GENERATION_BYTES, bytes_of};
use super::changes::{Changes, OrderRows, SourceRow};
use super::failure::{Failure, guarded, text_of};
use super::key::{numbered, texts};
use super::linked::{histories_of, names_others, targets_of};
use super::snapshot::Snapshot;
use super::tables::{Checkpoint, OrderRow, Tables};
use super::tail::{Generation, TailOrder};
use super::write::Written;
use super::{ViewError, first_offset};
use crate::event::{RecordedEvent, is_ledgers_own};
use crate::log::{Hash, LogReader, Point, order_hash};
use crate::num::{u64_from, usize_from};
use crate::order::{Derived, History, Policy, UNRESOLVED_PREFIX, derive, moves_links, said_by};
use crate::proto::RelatedOrder;

/// Bytes of the log that are read at once.
const READ_LEN: usize = 1024 * 1024;
/// Fewer orders than these are not worth a thread.
const ORDERS_PER_THREAD_MIN: usize = 256;
/// Orders whose older events are read from the log together.
const ORDERS_READ_TOGETHER: usize = 1024;

/// An order of a generation, and its row as it was before.
type Touched<'g> = (Hash, OrderRow, &'g TailOrder);

/// What a pass works with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass<'v> {
    pub(super) tables: &'v Tables,
    pub(super) log: &'v LogReader,
    pub(super) policy: &'v Policy,
}

/// An order on its way through a pass.
#[derive(Debug)]
struct Folding {
    hash: Hash,
    correlation_id: String,
    /// As it was before the generation.
    row: OrderRow,
    /// Its own events: at first those of the generation, then all.
    own: Vec<RecordedEvent>,
    /// Those before the generation, where they are at hand.
    cached: Option<Vec<RecordedEvent>>,
}

/// What a thread has made of its orders.
#[derive(Debug, Default)]
struct Folded {
    changes: Changes,
    done: Vec<Folding>,
    /// Orders that have to do with others, with all their own events.
    linked: Vec<Folding>,
}

impl Pass<'_> {
    /// Folds a generation and writes it.
    pub(super) fn run(&self, sealed: &Generation, cache: &mut Cache) -> Result<(), ViewError> {
        let before = self.tables.read(|snapshot| Ok(snapshot.checkpoint))?;
        let before = before.unwrap_or_else(|| Checkpoint::empty(self.log.ledger_id()));
        // A commit that failed may have come through all the same.
        if before.end.offset >= sealed.end.offset {
            return Ok(());
        }
        let (orders, history_count) = self.number(sealed, before.history_count)?;
        let (histories, sources) = self.gather(&orders, (before.end, sealed.end))?;
        let whole = |(touched, own): (&Touched<'_>, &Vec<RecordedEvent>)| {
            touched.2.entries.len() == own.len()
        };
        if !orders.iter().zip(&histories).all(whole) {
            let what = "the log behind the views is not the one that the tail was made of";
            return Err(ViewError::Unusable(what.to_owned()));
        }
        // What the ledger says of itself is indexed, and is about no order.
        let about_orders = orders.iter().zip(histories);
        let about_orders =
            about_orders.filter(|((_, _, order), _)| !is_ledgers_own(&order.correlation_id));
        let foldings = about_orders.map(|((hash, row, order), own)| Folding {
            hash: *hash,
            correlation_id: String::from_utf8_lossy(&order.correlation_id).into_owned(),
            row: *row,
            own,
            cached: cache.take(hash),
        });
        let folded = self.fold_touched(foldings.collect(), sealed)?;
        let numbers = orders.iter().map(|(hash, row, _)| (*hash, row.number)).collect();
        let Folded { mut changes, mut done, linked } = folded;
        if !linked.is_empty() {
            let linked = self.fold_linked(linked, sealed)?;
            changes.append(linked.changes);
            done.extend(linked.done);
        }
        changes.sort();
        let last = sealed.last.unwrap_or_default();
        let mut last_leaf = [0; 32];
        self.log.entries(&[last], |entry| last_leaf = entry.leaf_hash())?;
        let checkpoint = Checkpoint { end: sealed.end, last, last_leaf, history_count, ..before };
        let links = link_rows(sealed, &numbers);
        let mut orders: Vec<_> = orders.into_iter().map(|(_, row, order)| (row, order)).collect();
        orders.sort_unstable_by_key(|(row, _)| row.number);
        let written = Written { sealed, checkpoint, orders, changes, sources, links };
        std::thread::scope(|scope| {
            // Whoever sees this fail drops the cache, which is then ahead of the tables.
            scope.spawn(move || {
                for Folding { hash, row, own, .. } in done {
                    cache.put(hash, own, usize_from(row.entry_count));
                }
            });
            self.tables.write_pass(&written)
        })?;
        Ok(())
    }

    /// The orders of a generation with their rows as they were before it; new ones get numbers, by
    /// first sight. Also the number of histories then.
    fn number<'g>(
        &self,
        sealed: &'g Generation,
        mut history_count: u64,
    ) -> Result<(Vec<Touched<'g>>, u64), ViewError> {
        let mut by_first_sight: Vec<_> = sealed.orders.iter().collect();
        by_first_sight.sort_unstable_by_key(|(_, order)| first_offset(order));
        let numbered = self.tables.read(|snapshot| {
            let number = |(hash, order): (&Hash, &'g TailOrder)| {
                let known = snapshot.order(&order.correlation_id)?;
                let row = known.unwrap_or_else(|| {
                    history_count += 1;
                    OrderRow { number: history_count - 1, entry_count: 0 }
                });
                Ok((*hash, row, order))
            };
            by_first_sight.into_iter().map(number).collect::<Result<_, Failure>>()
        })?;
        Ok((numbered, history_count))
    }

    /// The events of a generation by order, sharing the memory that they were read into, and what
    /// they say about their sources.
    #[expect(clippy::type_complexity, reason = "two results of one walk")]
    fn gather(
        &self,
        orders: &[Touched<'_>],
        (begin, end): (Point, Point),
    ) -> Result<(Vec<Vec<RecordedEvent>>, BTreeMap<String, SourceRow>), ViewError> {
        let mut owners = vec![usize::MAX; usize_from(end.offset - begin.offset)];
        let mut histories = Vec::with_capacity(orders.len());
        for (index, (_, _, order)) in orders.iter().enumerate() {
            for indexed in &order.entries {
                let at = usize_from(indexed.place.offset.saturating_sub(begin.offset));
                if let Some(owner) = owners.get_mut(at) {
                    *owner = index;
                }
            }
            histories.push(Vec::with_capacity(order.entries.len()));
        }
        let mut sources: HashMap<String, SourceRow> = HashMap::new();
        let mut owner = owners.into_iter();
        let mut at = begin;
        while at.offset < end.offset {
            let blocks = self.log.blocks(at, end, READ_LEN)?;
            blocks.each(|placed| {
                let recorded = placed.entry.recorded(blocks.share(placed.entry.body));
                if !is_ledgers_own(placed.entry.correlation_id) {
                    note_source(&mut sources, &recorded);
                }
                let history = owner.next().and_then(|owner| histories.get_mut(owner));
                if let Some(history) = history {
                    history.push(recorded);
                }
            })?;
            at = blocks.next;
        }
        Ok((histories, sources.into_iter().collect()))
    }

    /// Folds the orders of a generation, on all cores where there are many.
    fn fold_touched(
        &self,
        mut foldings: Vec<Folding>,
        sealed: &Generation,
    ) -> Result<Folded, ViewError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = foldings.len().div_ceil(threads).max(ORDERS_PER_THREAD_MIN);
        let mut shares = Vec::new();
        while foldings.len() > share {
            shares.push(foldings.split_off(foldings.len() - share));
        }
        self.tables.read(|snapshot| {
            std::thread::scope(|scope| {
                let work = |share| self.fold_share(share, snapshot, sealed);
                let threads: Vec<_> = shares
                    .into_iter()
                    .map(|share| scope.spawn(move || guarded(|| work(share))))
                    .collect();
                let mut folded = work(foldings)?;
                for thread in threads {
                    let ended = || ViewError::Unusable("a thread of a pass ended".to_owned());
                    let other = thread.join().unwrap_or_else(|_| Err(ended()))?;
                    folded.changes.append(other.changes);
                    folded.done.extend(other.done);
                    folded.linked.extend(other.linked);
                }
                Ok(folded)
            })
        })
    }

    fn fold_share(
        &self,
        mut foldings: Vec<Folding>,
        snapshot: &Snapshot,
        sealed: &Generation,
    ) -> Result<Folded, Failure> {
        let mut folded = Folded::default();
        let mut kept_bytes = 0;
        while !foldings.is_empty() {
            let rest = foldings.split_off(foldings.len().min(ORDERS_READ_TOGETHER));
            self.complete(&mut foldings, snapshot)?;
            for folding in foldings {
                let named = sealed.namings.contains_key(&folding.hash)
                    || !snapshot.candidates(&folding.correlation_id)?.is_empty();
                if named || names_others(&folding.own) {
                    folded.linked.push(folding);
                    continue;
                }
                let Folding { correlation_id, row, own, .. } = &folding;
                let history = History { correlation_id, events: own, incoming: &[] };
                let rows = snapshot.rows(row.number)?;
                let named = (row.number, correlation_id.as_str());
                folded.changes.add(named, derived(&history, self.policy)?, rows.as_ref())?;
                kept_bytes += bytes_of(own);
                if kept_bytes < GENERATION_BYTES {
                    folded.done.push(folding);
                }
            }
            foldings = rest;
        }
        Ok(folded)
    }

    /// Adds the events before the generation to the orders' own.
    fn complete(&self, foldings: &mut [Folding], snapshot: &Snapshot) -> Result<(), Failure> {
        let missing = |folding: &Folding| match &folding.cached {
            Some(cached) if u64_from(cached.len()) == folding.row.entry_count => {
                OrderRow { entry_count: 0, ..folding.row }
            }
            Some(_) | None => folding.row,
        };
        let missing: Vec<OrderRow> = foldings.iter().map(missing).collect();
        let older = snapshot.events(self.log, &missing)?;
        for ((folding, missing), older) in foldings.iter_mut().zip(missing).zip(older) {
            let cached = folding.cached.take().unwrap_or_default();
            let mut own = if missing.entry_count > 0 { older } else { cached };
            own.append(&mut folding.own);
            folding.own = own;
        }
        Ok(())
    }

    /// Folds the orders of a generation that have to do with others, and those others of which the
    /// generation may have changed the state.
    fn fold_linked(&self, linked: Vec<Folding>, sealed: &Generation) -> Result<Folded, ViewError> {
        let mut due: BTreeSet<String> = BTreeSet::new();
        for folding in &linked {
            let fresh = folding.own.get(usize_from(folding.row.entry_count)..).unwrap_or_default();
            if fresh.iter().any(|recorded| moves_links(&recorded.event)) {
                due.extend(targets_of(&folding.own));
            }
        }
        let touched: BTreeSet<String> =
            linked.iter().map(|folding| folding.correlation_id.clone()).collect();
        self.tables.read(|snapshot| {
            let known = linked.into_iter().map(|folding| (folding.correlation_id.clone(), folding));
            let known = known.collect();
            let mut others = Others { pass: *self, snapshot, sealed, known, said: HashMap::new() };
            for history in touched.iter().filter(|one| one.starts_with(UNRESOLVED_PREFIX)) {
                due.extend(others.candidates(history)?);
            }
            due.extend(touched.iter().cloned());
            let mut changes = Changes::default();
            for correlation_id in &due {
                others.fold(correlation_id, &mut changes)?;
            }
            let Others { mut known, .. } = others;
            let done = touched.iter().filter_map(|one| known.remove(one)).collect();
            Ok(Folded { changes, done, linked: Vec::new() })
        })
    }
}

/// The orders that have to do with each other, with their events, as they are needed.
struct Others<'p> {
    pass: Pass<'p>,
    snapshot: &'p Snapshot,
    sealed: &'p Generation,
    known: HashMap<String, Folding>,
    /// What orders say, by the order that says it, then by the one that it is about.
    said: HashMap<String, HashMap<String, Vec<RelatedOrder>>>,
}

impl Others<'_> {
    fn candidates(&self, target: &str) -> Result<BTreeSet<String>, Failure> {
        let mut found = self.snapshot.candidates(target)?;
        let namings = self.sealed.namings.get(&order_hash(target.as_bytes()));
        let namings = namings.into_iter().flatten();
        found.extend(namings.map(|naming| naming.correlation_id.clone()));
        Ok(found)
    }

    /// Makes sure that the events of an order are at hand, if it is there at all.
    fn load(&mut self, correlation_id: &str) -> Result<(), Failure> {
        if self.known.contains_key(correlation_id) {
            return Ok(());
        }
        let Some(row) = self.snapshot.order(correlation_id.as_bytes())? else {
            return Ok(());
        };
        let own = self.snapshot.events(self.pass.log, &[row])?.into_iter().next();
        let folding = Folding {
            hash: order_hash(correlation_id.as_bytes()),
            correlation_id: correlation_id.to_owned(),
            row,
            own: own.unwrap_or_default(),
            cached: None,
        };
        self.known.insert(correlation_id.to_owned(), folding);
        Ok(())
    }

    fn said_by(&mut self, other: &str) -> Result<&HashMap<String, Vec<RelatedOrder>>, Failure> {
        if !self.said.contains_key(other) {
            self.load(other)?;
            let own = self.known.get(other).map(|folding| folding.own.as_slice());
            self.said.insert(other.to_owned(), said_by(other, own.unwrap_or_default()));
        }
        Ok(self.said.entry(other.to_owned()).or_default())
    }

    fn fold(&mut self, correlation_id: &str, changes: &mut Changes) -> Result<(), Failure> {
        self.load(correlation_id)?;
        let Some(folding) = self.known.get(correlation_id) else {
            return Ok(());
        };
        let (row, mut events) = (folding.row, folding.own.clone());
        for history in histories_of(correlation_id, &events) {
            self.load(&history)?;
            let linked = self.known.get(&history).into_iter();
            events.extend(linked.flat_map(|history| history.own.iter().cloned()));
        }
        let mut incoming = Vec::new();
        for other in self.candidates(correlation_id)? {
            incoming.extend(self.said_by(&other)?.get(correlation_id).cloned().unwrap_or_default());
        }
        let history = History { correlation_id, events: &events, incoming: &incoming };
        let derived = derived(&history, self.pass.policy)?;
        let rows: Option<OrderRows> = self.snapshot.rows(row.number)?;
        Ok(changes.add((row.number, correlation_id), derived, rows.as_ref())?)
    }
}

/// Folds; a panic of the fold is told apart from one of redb.
fn derived(history: &History<'_>, policy: &Policy) -> Result<Derived, ViewError> {
    catch_unwind(AssertUnwindSafe(|| derive(history, policy))).map_err(|panic| ViewError::Fold {
        correlation_id: history.correlation_id.to_owned(),
        reason: text_of(&*panic),
    })
}

fn note_source(sources: &mut HashMap<String, SourceRow>, recorded: &RecordedEvent) {
    let later = SourceRow::of(recorded);
    if let Some(row) = sources.get_mut(recorded.event.source()) {
        *row = row.followed_by(later);
    } else {
        sources.insert(recorded.event.source().to_owned(), later);
    }
}

/// The rows of orders that named others in a generation.
fn link_rows(sealed: &Generation, numbers: &HashMap<Hash, u64>) -> BTreeMap<Vec<u8>, String> {
    let mut rows = BTreeMap::new();
    for naming in sealed.namings.values().flatten() {
        let linking = &naming.correlation_id;
        if let Some(number) = numbers.get(&order_hash(linking.as_bytes())) {
            rows.insert(numbered(texts(&[&naming.target]), *number), linking.clone());
        }
    }
    rows
}
