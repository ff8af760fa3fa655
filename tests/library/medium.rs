//! What lies on a simulated disk: bytes and names, the durable ones and the unsynced, and what a
//! power cut leaves of them. Does not know operations, nor who does them.
//!
//! What it assumes is what the ledger may assume of a medium: sectors of 512 bytes are written whole
//! or not at all; before a sync, any subset of written sectors is there after a power cut; a name is
//! there for certain when its folder was synced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::random::Random;

/// Bytes that are written whole or not at all.
pub(crate) const SECTOR_LEN: usize = 512;

/// Which of the unsynced sectors a power cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sectors {
    None,
    All,
    /// Only the last change of each file: everything before it was reordered behind it.
    OnlyLastWrite,
    /// The first sector of each write.
    OnlyFirst,
    /// The last sector of each write.
    OnlyLast,
    Random,
}

/// Which of the unsynced names a power cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewNames {
    Lost,
    Kept,
    Random,
}

/// What a power cut leaves; one seed always leaves the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strategy {
    pub(crate) sectors: Sectors,
    pub(crate) names: NewNames,
    pub(crate) seed: u64,
}

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    File(usize),
}

pub(crate) type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Debug)]
pub(crate) enum NameChange {
    Add(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// The bytes of a file as a reader sees them, those that are durable, and what lies between.
#[derive(Clone, Default)]
pub(crate) struct Content {
    pub(crate) seen: Vec<u8>,
    pub(crate) durable: Vec<u8>,
    pub(crate) changes: Vec<Change>,
}

#[derive(Clone)]
pub(crate) enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

pub(crate) fn apply(names: &mut Names, change: &NameChange) {
    match change {
        NameChange::Add(path, node) => {
            names.insert(path.clone(), *node);
        }
        NameChange::Rename(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
    }
}

impl NameChange {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Rename(_, path) | Self::Remove(path) => path,
        }
    }
}

impl Content {
    pub(crate) fn durable(bytes: Vec<u8>) -> Self {
        Self { seen: bytes.clone(), durable: bytes, changes: Vec::new() }
    }

    pub(crate) fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.changes.push(change);
    }

    pub(crate) fn sync(&mut self) {
        for change in self.changes.drain(..) {
            change.apply(&mut self.durable);
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(position, written) => {
                let end = position + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*position..end].copy_from_slice(written);
            }
            Self::Size(size) => bytes.resize(*size, 0),
        }
    }

    /// The change, sector by sector.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write(position, written) = self else {
            return vec![self.clone()];
        };
        let (mut position, mut rest) = (*position, &written[..]);
        let mut sectors = Vec::new();
        while !rest.is_empty() {
            let length = (SECTOR_LEN - position % SECTOR_LEN).min(rest.len());
            let (sector, later) = rest.split_at(length);
            sectors.push(Self::Write(position, sector.to_vec()));
            (position, rest) = (position + length, later);
        }
        sectors
    }
}

/// Decides what a power cut leaves.
pub(crate) struct Keeper {
    strategy: Strategy,
    random: Random,
    pub(crate) decisions: Vec<bool>,
}

impl Keeper {
    pub(crate) fn of(strategy: Strategy) -> Self {
        Self { strategy, random: Random::seeded(strategy.seed), decisions: Vec::new() }
    }

    pub(crate) fn names(&mut self, durable: &Names, changes: &[NameChange]) -> Names {
        let mut names = durable.clone();
        for change in changes {
            let kept = match self.strategy.names {
                NewNames::Lost => false,
                NewNames::Kept => true,
                NewNames::Random => self.random.one_in(2),
            };
            self.decisions.push(kept);
            if kept {
                apply(&mut names, change);
            }
        }
        let folders = names.clone();
        names.retain(|path, _| {
            let mut parents = path.ancestors().skip(1).filter(|up| *up != Path::new("/"));
            parents.all(|up| folders.contains_key(up))
        });
        names
    }

    pub(crate) fn content(&mut self, file: &Content) -> Content {
        let mut bytes = file.durable.clone();
        for (at, change) in file.changes.iter().enumerate() {
            let is_last_write = at + 1 == file.changes.len();
            let sectors = change.sectors();
            for (place, sector) in sectors.iter().enumerate() {
                let kept = match self.strategy.sectors {
                    Sectors::None => false,
                    Sectors::All => true,
                    Sectors::OnlyLastWrite => is_last_write,
                    Sectors::OnlyFirst => place == 0,
                    Sectors::OnlyLast => place + 1 == sectors.len(),
                    Sectors::Random => self.random.one_in(2),
                };
                self.decisions.push(kept);
                if kept {
                    sector.apply(&mut bytes);
                }
            }
        }
        Content::durable(bytes)
    }
}
