//! Chance: numbers that follow from a seed alone, the same on every platform.
//! Does not know what is decided by them.

/// A sequence of numbers after splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", 2014): a counter in steps of the golden ratio, mixed. No floating point.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// The sequence that belongs to `name`; another one for each seed and each name.
    pub(super) fn named(seed: u64, name: &str) -> Self {
        Self { state: mix(seed).wrapping_add(fnv1a(name.as_bytes())) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number in `0..bound`, or 0 where that is empty.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let scaled = u128::from(self.next()) * u128::from(bound);
        u64::try_from(scaled >> 64).unwrap_or_default()
    }

    /// A number from `low` to below `high`; `low` where that is empty.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low).unwrap_or_default();
        low + i64::try_from(self.below(width)).unwrap_or_default()
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub(super) fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of some constant choices.
    pub(super) fn one_of<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        let [first, ..] = choices else { unreachable!("a choice among nothing") };
        let place = self.below(crate::num::u64_from(choices.len()));
        choices.get(crate::num::usize_from(place)).unwrap_or(first)
    }

    /// 16 bytes, not all zero.
    pub(super) fn trace_id(&mut self) -> Vec<u8> {
        [self.next() | 1, self.next()].iter().flat_map(|half| half.to_be_bytes()).collect()
    }
}

fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The hash FNV-1a of 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut random = Random { state: 1_234_567 };
        let numbers: Vec<u64> = std::iter::repeat_with(|| random.next()).take(3).collect();
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn what_is_drawn_is_within_its_bounds() {
        let mut random = Random::named(1, "bounds");
        assert!((0..1_000).all(|_| (-5..5).contains(&random.between(-5, 5))));
        assert!((0..1_000).all(|_| !random.happens(0)));
        assert!((0..1_000).all(|_| random.happens(1_000)));
        assert_eq!(random.between(3, 3), 3);
    }
}
