//! Lists orders: chooses between walking the index that has the order of the list, and collecting
//! what the narrowest filter leaves. Does not know where status comes from.

use std::collections::BTreeSet;

use super::ask::{ListPosition, ListQuery, ListSort, OrderFilter, OrderList};
use super::changes::{StatusRow, facets_of, status_of};
use super::failure::Failure;
use super::key::{
    Facet, UpdateKey, WordKey, behind, facet_prefix, number_of, rank_and_number, since_rank,
    update_key, update_rank, word_key, word_prefix,
};
use super::row::DamagedRow;
use super::snapshot::Snapshot;
use super::walk::{Places, merged};
use crate::num::{u64_from, usize_from};
use crate::order::{Dimension, OrderStatus, Word};

/// Keys that are looked at to learn how many there are.
const COUNTED_MAX: u64 = 20_000;
/// The least number of rows that a walk looks at before it gives up.
const WALK_MIN: u64 = 2_000;

/// A filter in the terms of the indexes.
struct Wanted<'q> {
    filter: &'q OrderFilter,
    /// With an event at or behind this offset.
    updated_from: u64,
    /// Stood still since this rank or longer.
    still: Option<(Dimension, u64)>,
    facets: Vec<(Facet, BTreeSet<&'q str>)>,
}

impl<'q> Wanted<'q> {
    fn of(query: &'q ListQuery, updated_from: Option<u64>) -> Self {
        let filter = &query.filter;
        let set = |values: &'q [String]| values.iter().map(String::as_str).collect();
        let mut facets: Vec<(Facet, BTreeSet<&str>)> = vec![
            (Facet::OpenReason, set(&filter.open_reasons)),
            (Facet::Warehouse, set(&filter.warehouses)),
            (Facet::Source, set(&filter.sources)),
            (Facet::AnomalyRule, set(&filter.anomaly_rules)),
        ];
        if filter.has_open_exception == Some(true) {
            facets.push((Facet::Open, BTreeSet::from([""])));
        }
        facets.retain(|(_, values)| !values.is_empty());
        let still = filter.stage_age.map(|(dimension, age)| {
            let since = query.now_ns.checked_sub_unsigned(age).unwrap_or(i64::MIN);
            (dimension, since_rank(Some(since)))
        });
        Self { filter, updated_from: updated_from.unwrap_or(0), still, facets }
    }

    fn includes(&self, status: &OrderStatus) -> bool {
        let at = |wanted| {
            let mut all = Dimension::ALL.into_iter().zip(&status.standings);
            all.find(|(dimension, _)| *dimension == wanted).map(|(_, at)| at)
        };
        let words = &self.filter.words;
        let mut asked = words.iter().filter(|(_, words)| !words.is_empty());
        let open = status.open_exception_count > 0;
        asked.all(|(dimension, words)| at(*dimension).is_some_and(|at| words.contains(&at.word)))
            && self.filter.has_open_exception.is_none_or(|wanted| wanted == open)
            && status.updated_offset >= self.updated_from
            && self.still.is_none_or(|(dimension, rank)| {
                at(dimension).is_some_and(|at| since_rank(at.since_ns) <= rank)
            })
            && self.facets.iter().all(|(facet, values)| {
                facets_of(status).any(|(kind, value)| kind == *facet && values.contains(value))
            })
    }

    /// The words of a dimension that may be listed, each once.
    fn words(&self, dimension: Dimension) -> Vec<Word> {
        let every = (0..=u8::MAX).zip(dimension.words()).map(|(word, _)| Word(word));
        let asked =
            self.filter.words.iter().filter(|(of, words)| *of == dimension && !words.is_empty());
        every.filter(|word| asked.clone().all(|(_, words)| words.contains(word))).collect()
    }

    fn asks_words(&self, dimension: Dimension) -> bool {
        self.filter.words.iter().any(|(of, words)| *of == dimension && !words.is_empty())
    }
}

/// What a list reads.
struct Lister<'q> {
    query: &'q ListQuery,
    wanted: Wanted<'q>,
    snapshot: &'q Snapshot,
}

/// A row on its way into a list.
type Listed = (ListPosition, StatusRow);

/// Answers a list. `updated_from` is the offset that `updated_since_ns` stands for.
pub(super) fn list(
    snapshot: &Snapshot,
    query: &ListQuery,
    updated_from: Option<u64>,
) -> Result<OrderList, Failure> {
    let lister = Lister { query, wanted: Wanted::of(query, updated_from), snapshot };
    let limit = query.limit.max(1);
    let mut page = lister.list(limit + 1)?;
    let next = if page.len() > limit {
        page.truncate(limit);
        page.last().map(|(position, _)| *position)
    } else {
        None
    };
    let rows = page.into_iter().map(|(_, row)| (row.correlation_id, row.status)).collect();
    Ok(OrderList { rows, next, basis: snapshot.basis() })
}

impl Lister<'_> {
    /// The first rows, at most so many.
    fn list(&self, most: usize) -> Result<Vec<Listed>, Failure> {
        let Some((count, narrowest)) = self.narrowest()? else {
            return Ok(self.walk(most, u64::MAX)?.unwrap_or_default());
        };
        // How far a walk comes to fill a page, if what is wanted lies evenly in its order.
        let walked = match self.query.sort {
            ListSort::StageAge(dimension) => self.count_words(dimension)?,
            ListSort::Updated | ListSort::FirstSeen => self.snapshot.order_count()?,
        };
        let expected = u64_from(most).saturating_mul(walked) / count.max(1);
        if expected < count
            && let Some(listed) = self.walk(most, count.max(WALK_MIN))?
        {
            return Ok(listed);
        }
        self.collect(most, narrowest)
    }

    fn count_words(&self, dimension: Dimension) -> Result<u64, Failure> {
        self.count(self.wanted.words(dimension).iter().map(|word| word_prefix(dimension, *word)))
    }

    fn count(&self, keys: impl Iterator<Item = Vec<u8>>) -> Result<u64, Failure> {
        let mut sum = 0;
        for key in keys {
            sum += self.snapshot.counts.get(key.as_slice())?.map_or(0, |count| count.value());
        }
        Ok(sum)
    }

    /// The filter that leaves the fewest orders, and how many; `None` where nothing is filtered.
    fn narrowest(&self) -> Result<Option<(u64, Vec<Places<'_>>)>, Failure> {
        let mut best = Narrowest(None);
        for dimension in Dimension::ALL {
            if self.wanted.asks_words(dimension) {
                best.offer(self.count_words(dimension)?, self.at_words(dimension, None)?);
            }
        }
        for (facet, values) in &self.wanted.facets {
            let prefixes = values.iter().map(|value| facet_prefix(*facet, value));
            let count = self.count(prefixes.clone())?;
            let places = prefixes.map(|prefix| self.with_facet(&prefix));
            best.offer(count, places.collect::<Result<_, _>>()?);
        }
        if let Some((dimension, rank)) = self.wanted.still {
            let counted = bounded(self.at_words(dimension, Some(rank))?);
            let count = counted.map_or_else(|| self.count_words(dimension), Ok)?;
            best.offer(count, self.at_words(dimension, Some(rank))?);
        }
        if self.query.filter.updated_since_ns.is_some() {
            let count = bounded(vec![self.updated()?]);
            let count = count.map_or_else(|| self.snapshot.order_count(), Ok)?;
            best.offer(count, vec![self.updated()?]);
        }
        Ok(best.0)
    }

    /// The orders at the wanted words of a dimension, each word's by rank and number.
    fn at_words(
        &self,
        dimension: Dimension,
        rank_max: Option<u64>,
    ) -> Result<Vec<Places<'_>>, Failure> {
        let rank_max = rank_max.unwrap_or(u64::MAX);
        let places = self.wanted.words(dimension).into_iter().map(|word| {
            let at = (dimension, word);
            let (low, high) =
                self.bounds(rank_max, self.query.sort == ListSort::StageAge(dimension));
            let (low, high) = (word_key(at, low.0, low.1), word_key(at, high.0, high.1));
            if low > high {
                return Ok(None);
            }
            let range = self.snapshot.by_word.range::<&WordKey>(&low..=&high)?;
            let places = range.map(|row| Ok(rank_and_number(row?.0.value())));
            let places: Places<'_> = Box::new(places);
            Ok(Some(places))
        });
        places.filter_map(Result::transpose).collect()
    }

    fn with_facet(&self, prefix: &[u8]) -> Result<Places<'_>, Failure> {
        let end = behind(prefix);
        let range = self.snapshot.facets.range(prefix..end.as_slice())?;
        Ok(Box::new(range.map(|row| Ok((0, number_of(row?.0.value()))))))
    }

    /// The orders that may have changed since the wanted offset, those that changed last first.
    fn updated(&self) -> Result<Places<'_>, Failure> {
        let rank_max = update_rank(self.wanted.updated_from);
        let (low, high) = self.bounds(rank_max, self.query.sort == ListSort::Updated);
        let (low, high) = (update_key(low.0, low.1), update_key(high.0, high.1));
        if low > high {
            return Ok(Box::new(std::iter::empty()));
        }
        let range = self.snapshot.by_update.range::<&UpdateKey>(&low..=&high)?;
        Ok(Box::new(range.map(|row| Ok(rank_and_number(row?.0.value())))))
    }

    /// The first and the last place that may be listed, where the list is sorted by these ranks.
    fn bounds(&self, rank_max: u64, sorted_so: bool) -> ((u64, u64), (u64, u64)) {
        let (mut low, mut high) = ((0, 0), (rank_max, u64::MAX));
        if let (Some(after), true) = (self.query.after, sorted_so) {
            let at = (after.rank, after.number);
            if self.query.reverse {
                high = high.min(at);
            } else {
                low = at;
            }
        }
        (low, high)
    }

    /// Walks the index that has the order of the list; `None` where that leads too far.
    fn walk(&self, most: usize, rows_max: u64) -> Result<Option<Vec<Listed>>, Failure> {
        let places = match self.query.sort {
            ListSort::Updated => vec![self.updated()?],
            ListSort::FirstSeen => vec![self.by_number()?],
            ListSort::StageAge(dimension) => {
                let still = self.wanted.still.filter(|(of, _)| *of == dimension);
                self.at_words(dimension, still.map(|(_, rank)| rank))?
            }
        };
        let mut listed = Vec::new();
        for (seen, place) in (0..).zip(merged(places, self.query.reverse)) {
            if seen == rows_max {
                return Ok(None);
            }
            listed.extend(self.listed(place?.1)?);
            if listed.len() == most {
                break;
            }
        }
        Ok(Some(listed))
    }

    fn by_number(&self) -> Result<Places<'_>, Failure> {
        let (low, high) = self.bounds(0, true);
        let end = if self.query.reverse { high.1 } else { u64::MAX };
        let range = self.snapshot.status.range(low.1..=end)?;
        Ok(Box::new(range.map(|row| Ok((0, row?.0.value())))))
    }

    /// Looks at all orders that the narrowest filter leaves.
    fn collect(&self, most: usize, places: Vec<Places<'_>>) -> Result<Vec<Listed>, Failure> {
        let mut numbers = Vec::new();
        for place in places.into_iter().flatten() {
            numbers.push(place?.1);
        }
        numbers.sort_unstable();
        numbers.dedup();
        let mut listed = Vec::new();
        for number in numbers {
            listed.extend(self.listed(number)?);
            if listed.len() >= most.saturating_mul(4) {
                self.keep_first(&mut listed, most);
            }
        }
        self.keep_first(&mut listed, most);
        Ok(listed)
    }

    fn keep_first(&self, listed: &mut Vec<Listed>, most: usize) {
        listed.sort_unstable_by_key(|(position, _)| *position);
        if self.query.reverse {
            listed.reverse();
        }
        listed.truncate(most);
    }

    /// An order, where it is wanted and stands behind the page before.
    fn listed(&self, number: u64) -> Result<Option<Listed>, Failure> {
        let row = self.snapshot.status.get(number)?.ok_or(DamagedRow)?;
        let row = status_of(number, row.value())?;
        let position = position(self.query.sort, number, &row.status);
        let behind = self.query.after.is_none_or(|after| {
            if self.query.reverse { position < after } else { position > after }
        });
        Ok((behind && self.wanted.includes(&row.status)).then_some((position, row)))
    }
}

/// The best that was offered so far.
struct Narrowest<'t>(Option<(u64, Vec<Places<'t>>)>);

impl<'t> Narrowest<'t> {
    fn offer(&mut self, count: u64, places: Vec<Places<'t>>) {
        if self.0.as_ref().is_none_or(|(least, _)| count < *least) {
            self.0 = Some((count, places));
        }
    }
}

/// The place of an order in a list.
pub(super) fn position(sort: ListSort, number: u64, status: &OrderStatus) -> ListPosition {
    let rank = match sort {
        ListSort::Updated => update_rank(status.updated_offset),
        ListSort::FirstSeen => 0,
        ListSort::StageAge(wanted) => {
            let mut all = Dimension::ALL.into_iter().zip(&status.standings);
            let at = all.find(|(dimension, _)| *dimension == wanted);
            since_rank(at.and_then(|(_, at)| at.since_ns))
        }
    };
    ListPosition { rank, number }
}

/// How many places there are, where that is worth counting.
fn bounded(places: Vec<Places<'_>>) -> Option<u64> {
    let most = usize_from(COUNTED_MAX + 1);
    let count = u64_from(places.into_iter().flatten().take(most).count());
    (count <= COUNTED_MAX).then_some(count)
}
