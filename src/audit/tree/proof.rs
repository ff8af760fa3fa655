//! Inclusion and consistency proofs: how they are made from nodes, and how they are checked without
//! any. Does not know what is proven.

use super::{empty_root, node_hash};
use crate::log::Hash;

/// Why a proof does not show what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofDefect {
    /// The leaf or the smaller tree is not inside of the tree.
    #[error("{inner} is not inside of a tree of {size} leaves")]
    OutOfRange {
        /// The index of the leaf, or the size of the smaller tree.
        inner: u64,
        /// The number of leaves of the tree.
        size: u64,
    },
    /// There are too few or too many hashes.
    #[error("the proof has {found} hashes, which is not what the sizes ask for")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// The inclusion proof of a leaf in the tree of the first `size` leaves, RFC 6962 section 2.1.1.
/// `node` is asked for whole subtrees by level and index: leaves `index << level` and so on.
pub(crate) fn inclusion_proof<E>(
    index: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    debug_assert!(index < size, "the leaf is in the tree");
    let mut proof = Vec::new();
    let (mut begin, mut end) = (0, size);
    while end - begin > 1 {
        let middle = begin + left_size(end - begin);
        let sibling = if index < middle { (middle, end) } else { (begin, middle) };
        proof.push(root_of(sibling, node)?);
        (begin, end) = if index < middle { (begin, middle) } else { (middle, end) };
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of the first `size` leaves begins with that of the first `from`,
/// RFC 6962 section 2.1.2. Empty where both are the same, or the first is empty.
pub(crate) fn consistency_proof<E>(
    from: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    debug_assert!(from <= size, "a tree does not shrink");
    let mut proof = Vec::new();
    if from == 0 || from == size {
        return Ok(proof);
    }
    let (mut begin, mut end) = (0, size);
    while from != end {
        let middle = begin + left_size(end - begin);
        let sibling = if from <= middle { (middle, end) } else { (begin, middle) };
        proof.push(root_of(sibling, node)?);
        (begin, end) = if from <= middle { (begin, middle) } else { (middle, end) };
    }
    // Whoever has the smaller tree knows this node where it is the whole of it.
    if begin > 0 {
        proof.push(root_of((begin, end), node)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below `count`, which is at least 2.
fn left_size(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The root of the tree of the first `size` leaves.
pub(crate) fn root_at<E>(
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    if size == 0 { Ok(empty_root()) } else { root_of((0, size), node) }
}

fn root_of<E>(
    (begin, end): (u64, u64),
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let count = end - begin;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return node(level, begin >> level);
    }
    let middle = begin + left_size(count);
    let left = root_of((begin, middle), node)?;
    Ok(node_hash(&left, &root_of((middle, end), node)?))
}

/// Checks that a leaf stands at `index` of the tree of `size` leaves with that root; RFC 9162
/// section
/// 2.1.3.2.
///
/// # Errors
/// Why the proof does not show it.
pub(crate) fn verify_inclusion(
    (index, leaf): (u64, &Hash),
    (size, root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), ProofDefect> {
    if index >= size {
        return Err(ProofDefect::OutOfRange { inner: index, size });
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofDefect::Length { found: proof.len() });
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofDefect::Length { found: proof.len() });
    }
    if hash == *root { Ok(()) } else { Err(ProofDefect::Root) }
}

/// Checks that a tree of `size` leaves begins with the one of `from` leaves; RFC 9162 section
/// 2.1.4.2. Every tree begins with the empty one.
///
/// # Errors
/// Why the proof does not show it.
pub(crate) fn verify_consistency(
    (from, from_root): (u64, &Hash),
    (size, root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), ProofDefect> {
    if from > size {
        return Err(ProofDefect::OutOfRange { inner: from, size });
    }
    if from == 0 || from == size {
        if !proof.is_empty() {
            return Err(ProofDefect::Length { found: proof.len() });
        }
        let same = if from == 0 { *from_root == empty_root() } else { from_root == root };
        return if same { Ok(()) } else { Err(ProofDefect::Root) };
    }
    let wrong_length = Err(ProofDefect::Length { found: proof.len() });
    let whole = from.is_power_of_two().then_some(from_root);
    let mut hashes = whole.into_iter().chain(proof);
    let Some(first) = hashes.next() else { return wrong_length };
    let (mut at, mut last) = (from - 1, size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut smaller, mut larger) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return wrong_length;
        }
        if at & 1 == 1 || at == last {
            smaller = node_hash(sibling, &smaller);
            larger = node_hash(sibling, &larger);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            larger = node_hash(&larger, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        return wrong_length;
    }
    if smaller == *from_root && larger == *root { Ok(()) } else { Err(ProofDefect::Root) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use sha2::{Digest as _, Sha256};

    use super::super::tests::{Naive, leaves};
    use super::*;

    impl Naive {
        /// RFC 6962 section 2.1.1, to the letter.
        fn path(&self, index: usize, (begin, end): (usize, usize)) -> Vec<Hash> {
            if end - begin == 1 {
                return Vec::new();
            }
            let middle = begin + (end - begin).next_power_of_two() / 2;
            let (mut path, sibling) = if index < middle {
                (self.path(index, (begin, middle)), self.root(middle, end))
            } else {
                (self.path(index, (middle, end)), self.root(begin, middle))
            };
            path.push(sibling);
            path
        }

        /// RFC 6962 section 2.1.2, to the letter.
        fn consistency(&self, from: usize, (begin, end): (usize, usize)) -> Vec<Hash> {
            if from == end {
                return if begin == 0 { Vec::new() } else { vec![self.root(begin, end)] };
            }
            let middle = begin + (end - begin).next_power_of_two() / 2;
            let (mut proof, sibling) = if from <= middle {
                (self.consistency(from, (begin, middle)), self.root(middle, end))
            } else {
                (self.consistency(from, (middle, end)), self.root(begin, middle))
            };
            proof.push(sibling);
            proof
        }

        fn node(&self, level: u32, index: u64) -> Hash {
            let begin = usize::try_from(index << level).unwrap();
            self.root(begin, begin + (1 << level))
        }
    }

    /// Another root, a hash more, a hash less, a hash changed: none of them is believed.
    fn refuses_what_is_changed(proof: &[Hash], check: impl Fn(&[Hash]) -> bool) {
        assert!(!check(&[proof, &[[7; 32]]].concat()), "one hash more");
        for index in 0..proof.len() {
            assert!(!check(&proof[..index]), "{index} hashes of {}", proof.len());
            let mut changed = proof.to_vec();
            changed[index][index % 32] ^= 0x10;
            assert!(!check(&changed), "hash {index} changed");
        }
    }

    /// Seen red with sides exchanged in either check.
    #[test]
    fn every_proof_up_to_300_leaves_is_that_of_the_definition_and_holds() {
        let leaves = leaves(300);
        let naive = Naive::of(leaves.clone());
        for size in 1..=leaves.len() {
            let (wide, root) = (crate::num::u64_from(size), naive.root(0, size));
            for at in 0..=size {
                let inner = crate::num::u64_from(at);
                let mut node = |level, index| Ok::<_, Infallible>(naive.node(level, index));
                let changes = size <= 40 || at % 37 == 0 || size - at <= 1;
                if let Some(leaf) = leaves[..size].get(at) {
                    let proof = inclusion_proof(inner, wide, &mut node).unwrap();
                    assert_eq!(proof, naive.path(at, (0, size)), "leaf {at} of {size}");
                    let check = |proof: &[Hash]| {
                        verify_inclusion((inner, leaf), (wide, &root), proof).is_ok()
                    };
                    assert!(check(&proof));
                    if changes {
                        refuses_what_is_changed(&proof, check);
                        let other = verify_inclusion((inner, &[0; 32]), (wide, &root), &proof);
                        assert_eq!(other, Err(ProofDefect::Root));
                    }
                }
                let proof = consistency_proof(inner, wide, &mut node).unwrap();
                let known = if at == 0 { Vec::new() } else { naive.consistency(at, (0, size)) };
                assert_eq!(proof, known, "{at} to {size}");
                let from_root = naive.root(0, at);
                let check = |proof: &[Hash]| {
                    verify_consistency((inner, &from_root), (wide, &root), proof).is_ok()
                };
                assert!(check(&proof));
                if changes {
                    refuses_what_is_changed(&proof, check);
                    let other = verify_consistency((inner, &[7; 32]), (wide, &root), &proof);
                    assert_eq!(other, Err(ProofDefect::Root));
                    let other = verify_consistency((inner, &from_root), (wide, &[7; 32]), &proof);
                    assert_eq!(other.is_ok(), at == 0, "every tree begins with the empty one");
                }
            }
        }
    }

    /// A tree that others wrote says the same: roots, proofs, and that ours hold.
    #[test]
    fn another_implementation_agrees() {
        let mut edge = super::super::Edge::default();
        let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let mut leaves = Vec::new();
        let mut roots = vec![theirs.root()];
        for index in 0..150_u64 {
            let input = index.to_le_bytes().to_vec();
            let leaf: Hash = Sha256::digest([&[0][..], &input].concat()).into();
            edge.push(leaf, |_, _| {});
            leaves.push(leaf);
            theirs.push(input);
            assert_eq!(edge.root()[..], theirs.root().as_bytes()[..]);
            roots.push(theirs.root());
        }
        let naive = Naive::of(leaves);
        let (size, mut node) = (150, |level, index| Ok::<_, Infallible>(naive.node(level, index)));
        for at in 0..150 {
            let ours = inclusion_proof(at, size, &mut node).unwrap().concat();
            let index = usize::try_from(at).unwrap();
            assert_eq!(ours, theirs.prove_inclusion(index).as_bytes(), "leaf {at}");
            let their_proof = ct_merkle::InclusionProof::<Sha256>::from_bytes(ours);
            let input = at.to_le_bytes().to_vec();
            theirs.root().verify_inclusion(&input, at, &their_proof).unwrap();
            if at > 0 {
                let ours = consistency_proof(at, size, &mut node).unwrap().concat();
                let theirs_of = theirs.prove_consistency(150 - index);
                assert_eq!(ours, theirs_of.as_bytes(), "from {at}");
                theirs.root().verify_consistency(&roots[index], &theirs_of).unwrap();
            }
        }
    }

    #[test]
    fn what_is_not_inside_is_said_so() {
        let root = [1; 32];
        let out_of_range = |inner, size| Err(ProofDefect::OutOfRange { inner, size });
        assert_eq!(verify_inclusion((3, &root), (3, &root), &[]), out_of_range(3, 3));
        assert_eq!(verify_consistency((4, &root), (3, &root), &[]), out_of_range(4, 3));
    }
}
