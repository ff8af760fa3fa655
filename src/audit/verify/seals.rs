//! Every seal of a log against the directory that its entries make. Does not know checkpoints, nor
//! how the log is read.

use std::collections::BTreeMap;

use super::super::directory::{Directory, OrderNode, Trie};
use super::super::order_proof::{SEAL_MADE, SEALS};
use super::super::period::{PERIOD_CLOSED, PERIODS};
use crate::event::{RecordedEvent, to_hex};
use crate::ledger::OwnEntries;
use crate::log::Hash;
use crate::num::{u64_from, usize_from};
use crate::proto::Seal;

/// An entry of the log, and how its order stands with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) offset: u64,
    pub(super) order: Hash,
    /// Which order it is, as they first appear.
    pub(super) order_number: usize,
    /// How many entries the order has.
    pub(super) order_entries: u64,
    /// The leaf of this one, the last.
    pub(super) leaf: Hash,
}

/// Compares the seals of a log while it is read.
#[derive(Debug)]
pub(super) struct Seals {
    /// Where the next seals are found before their time: a seal is logged some entries behind those
    /// that it covers, and the directory has to be looked at when it covers just these.
    ahead: OwnEntries,
    /// The number of entries that the next seal covers; without one, no directory is needed.
    next: Option<u64>,
    /// Orders with entries since the directory was last looked at, as they stand now.
    changed: Vec<OrderNode>,
    /// The place of each order in `changed`, where it is there, by the order's number.
    places: Vec<u32>,
    trie: Trie,
    /// What the directories were, by the number of entries that they cover.
    made: BTreeMap<u64, Made>,
    /// What the newest seal covers.
    pub(super) covered: u64,
    pub(super) seal_count: u64,
    pub(super) periods: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Made {
    root: Hash,
    order_count: u64,
}

impl Seals {
    pub(super) fn new(ahead: OwnEntries) -> Self {
        let mut seals = Self {
            ahead,
            next: None,
            changed: Vec::new(),
            places: Vec::new(),
            trie: Trie::default(),
            made: BTreeMap::new(),
            covered: 0,
            seal_count: 0,
            periods: Vec::new(),
        };
        seals.look_ahead(0);
        seals
    }

    /// Finds what the next seal covers that covers more.
    fn look_ahead(&mut self, than: u64) {
        self.next = self.ahead.by_ref().find_map(|entry| {
            let covered = seal_of(&entry)?.ok()?.covered;
            (than < covered && covered <= entry.offset).then_some(covered)
        });
    }

    /// Takes the next entry of the log.
    pub(super) fn take(&mut self, entry: &Standing) {
        let Some(next) = self.next else { return };
        self.change(entry);
        let size = entry.offset + 1;
        if size < next {
            return;
        }
        for order in self.changed.drain(..) {
            self.trie.set(&order);
        }
        if size == next
            && let Some(root) = self.trie.root()
        {
            let made = Made { root: root.hash, order_count: u64_from(self.places.len()) };
            self.made.insert(size, made);
        }
        self.look_ahead(size);
    }

    /// Keeps how the order of an entry stands now.
    fn change(&mut self, entry: &Standing) {
        let (order, entry_count) = (entry.order, entry.order_entries);
        let standing = OrderNode { order, entry_count, head: entry.leaf };
        if entry.order_number >= self.places.len() {
            self.places.resize(entry.order_number + 1, 0);
        }
        let Some(place) = self.places.get_mut(entry.order_number) else { return };
        // A place that was left behind belongs to another order by now, or to none.
        let known = self.changed.get_mut(usize_from(*place));
        if let Some(known) = known.filter(|known| known.order == order) {
            *known = standing;
        } else {
            *place = u32::try_from(self.changed.len()).unwrap_or(u32::MAX);
            self.changed.push(standing);
        }
    }

    /// What is wrong with an entry of the ledger's own, where it is a seal.
    pub(super) fn check(&mut self, entry: &RecordedEvent) -> Option<String> {
        let seal = match seal_of(entry)? {
            Ok(seal) => seal,
            Err(history) => return Some(format!("an entry of {history} that is no seal")),
        };
        let Seal { covered, directory_root, order_count } = seal;
        let before = self.covered;
        if entry.event.event_type() == PERIOD_CLOSED {
            let label = entry.event.correlation_id().strip_prefix(PERIODS);
            self.periods.push(label.unwrap_or_default().to_owned());
        } else {
            self.seal_count += 1;
            if covered <= before && self.seal_count > 1 {
                return Some(format!(
                    "a seal over {covered} entries, where the seal before covers {before}"
                ));
            }
            self.covered = covered;
        }
        if covered == 0 || covered > entry.offset {
            return Some(format!("a seal over {covered} entries, where {} stand", entry.offset));
        }
        let Some(made) = self.made.get(&covered) else {
            return Some(format!("a seal over {covered} entries that could not be compared"));
        };
        let root = to_hex(&made.root);
        let said = to_hex(&directory_root);
        if said != root {
            return Some(format!(
                "the seal over {covered} entries has the directory {said}, and the log makes {root}"
            ));
        }
        (order_count != made.order_count).then(|| {
            format!(
                "the seal over {covered} entries counts {order_count} orders, and the log has {}",
                made.order_count
            )
        })
    }

    /// Whether a directory is that of a seal.
    pub(super) fn has(&self, directory: &Directory) -> bool {
        let root = directory.root().hash;
        let same = Made { root, order_count: directory.order_count() };
        self.made.get(&directory.covered()) == Some(&same)
    }
}

/// What a seal says; the history of what has the place of one and says nothing.
fn seal_of(entry: &RecordedEvent) -> Option<Result<Seal, &str>> {
    let history = entry.event.correlation_id();
    let is_seal = history.starts_with(SEALS);
    if !is_seal && !history.starts_with(PERIODS) {
        return None;
    }
    let due = if is_seal { SEAL_MADE } else { PERIOD_CLOSED };
    let said = entry.event.ledger_entry().filter(|_| entry.event.event_type() == due);
    Some(said.and_then(|said| said.seal).ok_or(history))
}
