//! Walks several sorted indexes as one, in either direction. Does not know what is in them.

use super::failure::Failure;

/// Rank and number of an order in an index.
pub(super) type Place = Result<(u64, u64), Failure>;
/// Places in rising order, to be walked from either end.
pub(super) type Places<'t> = Box<dyn DoubleEndedIterator<Item = Place> + 't>;

/// The places of all, in rising order, or in falling order where `reverse` is set.
pub(super) fn merged(places: Vec<Places<'_>>, reverse: bool) -> impl Iterator<Item = Place> {
    let step = move |places: &mut Places<'_>| {
        if reverse { places.next_back() } else { places.next() }
    };
    let mut heads: Vec<_> = places.into_iter().map(|mut one| (step(&mut one), one)).collect();
    std::iter::from_fn(move || {
        let mut best: Option<(usize, (u64, u64))> = None;
        for (index, (head, _)) in heads.iter().enumerate() {
            match head {
                Some(Ok(place)) => {
                    let ahead =
                        |known: (u64, u64)| if reverse { *place > known } else { *place < known };
                    if best.is_none_or(|(_, known)| ahead(known)) {
                        best = Some((index, *place));
                    }
                }
                // What cannot be read is said at once.
                Some(Err(_)) => {
                    best = Some((index, (0, 0)));
                    break;
                }
                None => {}
            }
        }
        let (head, rest) = heads.get_mut(best?.0)?;
        let next = step(rest);
        std::mem::replace(head, next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_one_order_from_either_end() {
        let lists = [vec![1, 4, 9], vec![], vec![2, 3], vec![9, 10]];
        let all = || {
            let boxed = |list: &Vec<u64>| {
                let list: Vec<Place> = list.iter().map(|rank| Ok((*rank, 0))).collect();
                let places: Places<'static> = Box::new(list.into_iter());
                places
            };
            lists.iter().map(boxed).collect()
        };
        let ranks = |reverse| -> Vec<u64> {
            merged(all(), reverse).filter_map(Result::ok).map(|(rank, _)| rank).collect()
        };
        assert_eq!(ranks(false), [1, 2, 3, 4, 9, 9, 10]);
        assert_eq!(ranks(true), [10, 9, 9, 4, 3, 2, 1]);
    }
}
