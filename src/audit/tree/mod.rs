//! The RFC 6962 tree over the leaves of the log: hashes of nodes, and the right edge that grows.
//! Does not know where leaves come from, nor where nodes are kept.

mod proof;

use sha2::{Digest as _, Sha256};

use crate::log::Hash;

pub use proof::ProofDefect;
pub(crate) use proof::{
    consistency_proof, inclusion_proof, root_at, verify_consistency, verify_inclusion,
};

const NODE_PREFIX: u8 = 0x01;

/// The hash of an inner node: SHA-256(0x01 + left + right), RFC 6962 section 2.1.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // In one piece, because the hash of many small ones costs more.
    let mut bytes = [NODE_PREFIX; 65];
    let (before, after) = bytes[1..].split_at_mut(left.len());
    before.copy_from_slice(left);
    after.copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// The root of the empty tree: SHA-256 of nothing.
pub(crate) fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over all of `hashes`, which stand side by side on one level and are a power of two.
pub(crate) fn subtree_root(mut hashes: Vec<Hash>) -> Option<Hash> {
    debug_assert!(hashes.len().is_power_of_two(), "only whole subtrees have one node");
    while hashes.len() > 1 {
        hashes = hashes.chunks_exact(2).filter_map(parent).collect();
    }
    hashes.pop()
}

fn parent(pair: &[Hash]) -> Option<Hash> {
    let [left, right] = pair else { return None };
    Some(node_hash(left, right))
}

/// The right edge of a tree: the roots of its whole subtrees, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edge {
    size: u64,
    /// One for each bit of `size` that is set.
    roots: Vec<Hash>,
}

impl Edge {
    /// The number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; calls `made` with level and hash of each node that is whole by that, from
    /// the leaf itself, level 0, upwards.
    pub(crate) fn push(&mut self, leaf: Hash, made: impl FnMut(u32, &Hash)) {
        self.push_subtree(0, leaf, made);
    }

    /// The same with the root of a whole subtree of 2^`level` leaves, which must be due.
    pub(crate) fn push_subtree(
        &mut self,
        level: u32,
        root: Hash,
        mut made: impl FnMut(u32, &Hash),
    ) {
        debug_assert!(self.size.trailing_zeros() >= level, "a smaller subtree is not whole");
        let mut node = root;
        let mut at = level;
        made(at, &node);
        // As adding 1 carries over the bits that are set.
        while self.size >> at & 1 == 1
            && let Some(left) = self.roots.pop()
        {
            node = node_hash(&left, &node);
            at += 1;
            made(at, &node);
        }
        self.roots.push(node);
        self.size += 1 << level;
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Hash {
        let mut from_right = self.roots.iter().rev();
        let last = from_right.next().copied().unwrap_or_else(empty_root);
        from_right.fold(last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::*;

    /// RFC 6962 section 2.1, to the letter; what was computed once is kept.
    pub(super) struct Naive {
        leaves: Vec<Hash>,
        roots: RefCell<HashMap<(usize, usize), Hash>>,
    }

    impl Naive {
        pub(super) fn of(leaves: Vec<Hash>) -> Self {
            Self { leaves, roots: RefCell::default() }
        }

        pub(super) fn root(&self, begin: usize, end: usize) -> Hash {
            if let Some(root) = self.roots.borrow().get(&(begin, end)) {
                return *root;
            }
            let root = match end - begin {
                0 => empty_root(),
                1 => self.leaves[begin],
                count => {
                    let middle = begin + count.next_power_of_two() / 2;
                    node_hash(&self.root(begin, middle), &self.root(middle, end))
                }
            };
            self.roots.borrow_mut().insert((begin, end), root);
            root
        }
    }

    pub(super) fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|index| Sha256::digest(index.to_le_bytes()).into()).collect()
    }

    #[test]
    fn the_edge_has_the_root_of_the_definition() {
        let leaves = leaves(300);
        let naive = Naive::of(leaves.clone());
        let mut edge = Edge::default();
        assert_eq!(edge.root(), naive.root(0, 0));
        for (count, leaf) in (1..).zip(&leaves) {
            let mut made = Vec::new();
            edge.push(*leaf, |level, node| made.push((level, *node)));
            assert_eq!(edge.root(), naive.root(0, count), "{count} leaves");
            for (level, node) in made {
                let begin = count - (1 << level);
                assert_eq!(node, naive.root(begin, count), "level {level}");
                assert_eq!(subtree_root(leaves[begin..count].to_vec()), Some(node));
            }
        }
        let mut by_subtrees = Edge::default();
        for begin in (0..288).step_by(32) {
            by_subtrees.push_subtree(5, naive.root(begin, begin + 32), |_, _| {});
        }
        assert_eq!(by_subtrees.root(), naive.root(0, 288));
        assert_eq!(by_subtrees.size(), 288);
    }

    /// The test vectors of RFC 6962's reference implementation: eight leaves, and their roots.
    #[test]
    fn roots_are_those_of_the_reference_implementation() {
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut edge = Edge::default();
        for (input, root) in inputs.iter().zip(roots) {
            let leaf = [&[0_u8][..], &crate::event::from_hex(input).unwrap()].concat();
            edge.push(Sha256::digest(leaf).into(), |_, _| {});
            assert_eq!(crate::event::to_hex(&edge.root()), root);
        }
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(crate::event::to_hex(&empty_root()), empty);
    }
}
