//! The tail: index of the entries that are in the log and not yet in the views, in memory.
//! Does not know redb; whoever reads both reads the tail first.
//!
//! It has two generations. Appends go to the current one; the indexer seals it, writes it into the
//! views and drops it whole, so that nothing is ever removed one by one.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use super::EventKey;
use crate::event::is_ledgers_own;
use crate::log::{FIRST_BLOCK_POSITION, Hash, Placed, Point, order_hash};

/// Log bytes between two marks.
const MARK_DISTANCE: u32 = 64 * 1024;

/// A map by order. The hash of an order is random enough to be its own hash in the map.
pub(crate) type OrderMap<T> = HashMap<Hash, T, BuildHasherDefault<FirstBytes>>;

/// Takes the first eight bytes of a SHA-256 hash as the hash.
#[derive(Default)]
pub(crate) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Where one entry of an order stands, and which event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Indexed {
    pub(crate) revision: u64,
    pub(crate) place: Point,
    pub(crate) key: EventKey,
}

/// A place between blocks from which a reader can start, and when the block behind it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) point: Point,
    pub(crate) recorded_at: u64,
}

/// The entries of one order in one generation.
#[derive(Clone, Debug, Default)]
pub(super) struct TailOrder {
    pub(super) correlation_id: Box<[u8]>,
    pub(super) entries: Vec<Indexed>,
}

/// An event that names another order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Naming {
    pub(super) target: String,
    /// The event's own order.
    pub(super) correlation_id: String,
    pub(super) offset: u64,
}

/// How large a generation is, or may become before it is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GenerationSize {
    pub(super) entries: usize,
    /// Bytes that its entries have in the log, about.
    pub(super) bytes: u64,
}

impl GenerationSize {
    pub(super) fn exceeds(self, most: Self) -> bool {
        self.entries >= most.entries || self.bytes >= most.bytes
    }
}

/// Entries that go into the views together.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub(super) orders: OrderMap<TailOrder>,
    /// By the hash of the order that is named.
    pub(super) namings: OrderMap<Vec<Naming>>,
    pub(super) marks: Vec<Mark>,
    pub(super) size: GenerationSize,
    /// How many of the entries are the first of their order.
    pub(super) new_order_count: u64,
    /// The point behind the last entry.
    pub(super) end: Point,
    pub(super) last: Option<Point>,
}

#[derive(Debug, Default)]
struct Generations {
    sealed: Option<Arc<Generation>>,
    current: Generation,
}

/// The tail, shared by the writer, the indexer and all readers.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    generations: RwLock<Generations>,
}

/// What the tail takes of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailEntry<'a> {
    pub(crate) order: &'a Hash,
    pub(crate) correlation_id: &'a [u8],
    pub(crate) indexed: Indexed,
    /// The orders that its event names; see [`crate::order::link_targets`].
    pub(crate) targets: &'a BTreeSet<String>,
}

impl Tail {
    /// Adds a block's entries. `begin` is the block's own point, `end` the point behind it.
    pub(crate) fn publish<'a>(
        &self,
        begin: Mark,
        end: Point,
        entries: impl Iterator<Item = TailEntry<'a>>,
    ) -> GenerationSize {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        let current = &mut generations.current;
        current.mark(begin);
        for entry in entries {
            current.add(entry);
        }
        current.size.bytes += bytes_between(current.end, end);
        current.end = end;
        current.size
    }

    /// Adds an entry to the block that was published last.
    pub(super) fn extend(&self, entry: TailEntry<'_>) {
        self.generations.write().unwrap_or_else(PoisonError::into_inner).current.add(entry);
    }

    pub(super) fn set_end(&self, end: Point) {
        self.generations.write().unwrap_or_else(PoisonError::into_inner).current.end = end;
    }

    /// The entries of an order that the tail has, below an offset.
    pub(super) fn entries(&self, order: &Hash, head: u64) -> Vec<Indexed> {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let sealed = generations.sealed.as_ref().and_then(|sealed| sealed.orders.get(order));
        let current = generations.current.orders.get(order);
        sealed
            .into_iter()
            .chain(current)
            .flat_map(|order| &order.entries)
            .filter(|indexed| indexed.place.offset < head)
            .copied()
            .collect()
    }

    /// The orders that named an order, by events that the tail has, below an offset.
    pub(super) fn candidates(&self, target: &Hash, head: u64) -> Vec<String> {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let sealed = generations.sealed.as_ref().and_then(|sealed| sealed.namings.get(target));
        let current = generations.current.namings.get(target);
        let namings = sealed.into_iter().chain(current).flatten();
        let below = namings.filter(|naming| naming.offset < head);
        below.map(|naming| naming.correlation_id.clone()).collect()
    }

    /// The names of orders that the tail has and that begin so. It looks at all of them.
    pub(super) fn names(&self, prefix: &[u8]) -> Vec<String> {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let sealed = generations.sealed.iter().flat_map(|sealed| sealed.orders.values());
        let orders = sealed.chain(generations.current.orders.values());
        let names = orders.map(|order| &order.correlation_id);
        let names = names.filter(|name| name.starts_with(prefix));
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// Whether the tail has entries of an order.
    pub(crate) fn has(&self, order: &Hash) -> bool {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        generations.current.orders.contains_key(order)
            || generations.sealed.as_ref().is_some_and(|sealed| sealed.orders.contains_key(order))
    }

    /// The last mark of the tail at or before an offset.
    pub(super) fn mark(&self, offset: u64) -> Option<Mark> {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let sealed = generations.sealed.as_deref().map(|sealed| &sealed.marks);
        let of = |marks: &Vec<Mark>| {
            let after = marks.partition_point(|mark| mark.point.offset <= offset);
            marks.get(after.checked_sub(1)?).copied()
        };
        of(&generations.current.marks).or_else(|| sealed.and_then(of))
    }

    pub(super) fn entry_count(&self) -> (usize, usize) {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let sealed = generations.sealed.as_ref().map_or(0, |sealed| sealed.size.entries);
        (sealed, generations.current.size.entries)
    }

    pub(super) fn new_order_count(&self) -> u64 {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let sealed = generations.sealed.as_ref().map_or(0, |sealed| sealed.new_order_count);
        sealed + generations.current.new_order_count
    }

    /// Seals the current generation, unless one is sealed already: that one is answered then.
    pub(super) fn seal(&self) -> Arc<Generation> {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(sealed) = &generations.sealed {
            return Arc::clone(sealed);
        }
        let next = Generation { end: generations.current.end, ..Generation::default() };
        let sealed = Arc::new(std::mem::replace(&mut generations.current, next));
        generations.sealed = Some(Arc::clone(&sealed));
        sealed
    }

    /// Drops a sealed generation that is in the views now, unless another one is sealed meanwhile.
    pub(super) fn drop_sealed(&self, written: &Arc<Generation>) {
        let sealed = {
            let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
            generations.sealed.take_if(|sealed| Arc::ptr_eq(sealed, written))
        };
        drop(sealed);
    }
}

impl Generation {
    fn mark(&mut self, mark: Mark) {
        let far = self.marks.last().is_none_or(|last| {
            mark.point.position == FIRST_BLOCK_POSITION
                || mark.point.position.saturating_sub(last.point.position) >= MARK_DISTANCE
        });
        if far {
            self.marks.push(mark);
        }
    }

    fn add(&mut self, entry: TailEntry<'_>) {
        let order = self.orders.entry(*entry.order).or_insert_with(|| TailOrder {
            correlation_id: entry.correlation_id.into(),
            entries: Vec::new(),
        });
        order.entries.push(entry.indexed);
        for target in entry.targets {
            let naming = Naming {
                target: target.clone(),
                correlation_id: String::from_utf8_lossy(entry.correlation_id).into_owned(),
                offset: entry.indexed.place.offset,
            };
            self.namings.entry(order_hash(target.as_bytes())).or_default().push(naming);
        }
        self.size.entries += 1;
        let is_new = entry.indexed.revision == 0 && !is_ledgers_own(entry.correlation_id);
        self.new_order_count += u64::from(is_new);
        self.last = Some(entry.indexed.place);
    }
}

/// Bytes of the log between two points, as far as they lie in one segment.
fn bytes_between(begin: Point, end: Point) -> u64 {
    u64::from(end.position.checked_sub(begin.position).unwrap_or(end.position))
}

/// The mark of the block that an entry begins; `None` for entries that do not begin one.
pub(super) fn mark_of(placed: &Placed<'_>) -> Option<Mark> {
    let point = Point { offset: placed.entry.offset, position: placed.block_position };
    let mark = Mark { point, recorded_at: placed.entry.recorded_at };
    placed.begins_block().then_some(mark)
}
