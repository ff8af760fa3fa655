//! A disk in memory that loses power, tears writes, runs full, writes short and fails, all by seed.
//! Does not know what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use order_ledger::{Disk, DiskFile};

use crate::fault::{Fault, Kind, Operation, Then};
use crate::medium::{Change, Content, Keeper, NameChange, Names, Node, Strategy, apply};
use crate::random::Random;

/// A disk in memory. Clones are handles of the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedDisk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("disk in memory")
    }
}

#[derive(Clone)]
struct State {
    files: Vec<Content>,
    names: Names,
    durable_names: Names,
    name_changes: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    /// Operations that changed something or made it durable.
    operations: BTreeMap<Track, u64>,
    cut_after: Option<(Track, u64)>,
    powered: bool,
    faults: Vec<Fault>,
    /// Operations that failed by a fault.
    strikes: u64,
    short_writes: bool,
    random: Random,
    /// Writes to segments wait, so that threads meet in a known order.
    holds_blocks: bool,
    held: usize,
}

/// Two rows of operations. Each comes in the same order each time; how they mix depends on threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Track {
    Main,
    /// What is done to the file `prepared`, which a thread of the ledger fills ahead of need.
    Prepared,
}

/// What a restart finds, and which decisions led to it: equal decisions leave equal disks.
pub(crate) struct AfterPowerCut {
    pub(crate) disk: SimulatedDisk,
    pub(crate) decisions: Vec<bool>,
}

impl Default for State {
    fn default() -> Self {
        let root = Names::from([(PathBuf::from("/disk"), Node::Folder)]);
        Self {
            files: Vec::new(),
            names: root.clone(),
            durable_names: root,
            name_changes: Vec::new(),
            locks: BTreeSet::new(),
            operations: BTreeMap::new(),
            cut_after: None,
            powered: true,
            faults: Vec::new(),
            strikes: 0,
            short_writes: false,
            random: Random::seeded(0),
            holds_blocks: false,
            held: 0,
        }
    }
}

impl SimulatedDisk {
    /// The folder that ledgers are opened in. Only `/disk` is there already.
    pub(crate) const FOLDER: &str = "/disk/ledger";

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// The same disk, as a copy that goes its own way.
    pub(crate) fn fork(&self) -> Self {
        let mut state = self.state().clone();
        state.locks.clear();
        Self::from(state)
    }

    fn from(state: State) -> Self {
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new() };
        Self(Arc::new(shared))
    }

    pub(crate) fn seeded(self, seed: u64) -> Self {
        self.state().random = Random::seeded(seed);
        self
    }

    /// Writes take fewer bytes than they are given, always.
    pub(crate) fn writing_short(self) -> Self {
        self.state().short_writes = true;
        self
    }

    pub(crate) fn operations(&self, track: Track) -> u64 {
        self.state().operations.get(&track).copied().unwrap_or(0)
    }

    /// Every operation fails after so many more on this track.
    pub(crate) fn cut_power_after(&self, track: Track, operations: u64) {
        let after = self.operations(track).saturating_add(operations);
        self.state().cut_after = Some((track, after));
    }

    pub(crate) fn is_powered(&self) -> bool {
        self.state().powered
    }

    pub(crate) fn add_fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Waits until so many more operations failed by a fault.
    pub(crate) fn wait_for_strikes(&self, more: u64) {
        let mut state = self.state();
        let wanted = state.strikes + more;
        while state.strikes < wanted {
            state = self.0.changed.wait(state).unwrap();
        }
    }

    pub(crate) fn mend(&self) {
        self.state().faults.clear();
    }

    /// What a process finds that was started again while the power stayed on: all that was written,
    /// durable or not.
    pub(crate) fn after_process_end(&self) -> Self {
        let mut state = self.state().clone();
        state.locks.clear();
        state.faults.clear();
        (state.powered, state.cut_after) = (true, None);
        Self::from(state)
    }

    /// What a restart finds after a power cut now.
    pub(crate) fn after_power_cut(&self, strategy: Strategy) -> AfterPowerCut {
        let state = self.state();
        let mut keeper = Keeper::of(strategy);
        let names = keeper.names(&state.durable_names, &state.name_changes);
        let files = state.files.iter().map(|file| keeper.content(file));
        let files = files.collect();
        let found = State { files, durable_names: names.clone(), names, ..State::default() };
        let disk = Self::from(found).seeded(strategy.seed);
        let decisions = keeper.decisions;
        AfterPowerCut { disk, decisions }
    }

    /// Lets writes to segments wait until they are released.
    pub(crate) fn hold_blocks(&self) {
        self.state().holds_blocks = true;
    }

    pub(crate) fn release_blocks(&self) {
        self.state().holds_blocks = false;
        self.0.changed.notify_all();
    }

    /// Waits until an operation is held, or the power is gone.
    pub(crate) fn wait_until_held(&self) {
        let mut state = self.state();
        while state.held == 0 && state.powered {
            state = self.0.changed.wait(state).unwrap();
        }
    }

    /// Names of all files, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        let state = self.state();
        let files = state.names.iter().filter(|(_, node)| **node != Node::Folder);
        files.map(|(path, _)| name_of(path).to_owned()).collect()
    }

    /// The bytes of a file, by its name without folders.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        let id = state.find(name).unwrap_or_else(|| panic!("no file {name} on the disk"));
        state.files[id].seen.clone()
    }

    /// Puts other bytes into a file, durably.
    pub(crate) fn overwrite(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let id = state.find(name).unwrap_or_else(|| panic!("no file {name} on the disk"));
        state.files[id] = Content::durable(bytes.to_vec());
    }

    /// Writes the ledger's files into a folder of this machine.
    pub(crate) fn export(&self, folder: &Path) {
        let state = self.state();
        for (path, node) in &state.names {
            let Ok(below) = path.strip_prefix(Self::FOLDER) else { continue };
            let path = folder.join(below);
            match node {
                Node::Folder => std::fs::create_dir_all(path).unwrap(),
                Node::File(id) => std::fs::write(path, &state.files[*id].seen).unwrap(),
            }
        }
    }

    /// Removes a file, durably.
    pub(crate) fn erase(&self, name: &str) {
        let mut state = self.state();
        state.names.retain(|path, _| name_of(path) != name);
        state.durable_names.retain(|path, _| name_of(path) != name);
    }

    /// Begins an operation on a path: counts it, holds it, and lets it fail where it is to fail.
    fn begin(&self, operation: Operation<'_>) -> io::Result<(MutexGuard<'_, State>, Option<Then>)> {
        let mut state = self.state();
        while state.is_held(&operation) && state.powered {
            state.held += 1;
            self.0.changed.notify_all();
            state = self.0.changed.wait(state).unwrap();
            state.held -= 1;
        }
        if operation.kind.is_counted() && state.count(operation.track()) {
            self.0.changed.notify_all();
        }
        if !state.powered {
            return Err(io::Error::other("the power is off"));
        }
        let then = state.faults.iter_mut().find_map(|fault| fault.strike(&operation));
        if then.is_some() {
            state.strikes += 1;
            self.0.changed.notify_all();
        }
        Ok((state, then))
    }

    fn change_name(&self, kind: Kind, path: &Path, change: NameChange) -> io::Result<()> {
        let (mut state, then) = self.begin(Operation { kind, path })?;
        if let Some(then) = then {
            return Err(then.error());
        }
        apply(&mut state.names, &change);
        state.name_changes.push(change);
        Ok(())
    }

    fn file(&self, id: usize) -> Arc<dyn DiskFile> {
        let disk = self.clone();
        Arc::new(SimulatedFile { disk, id })
    }
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "seg")
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or("")
}

impl State {
    fn find(&self, name: &str) -> Option<usize> {
        let mut files = self.names.iter().filter(|(path, _)| name_of(path) == name);
        files.find_map(|(_, node)| match node {
            Node::File(id) => Some(*id),
            Node::Folder => None,
        })
    }

    fn path_of(&self, id: usize) -> PathBuf {
        let mut names = self.names.iter();
        let found = names.find(|(_, node)| **node == Node::File(id));
        found.map(|(path, _)| path.clone()).unwrap_or_default()
    }

    fn is_held(&self, operation: &Operation<'_>) -> bool {
        self.holds_blocks && operation.kind == Kind::Write && is_segment(operation.path)
    }

    /// Counts an operation; whether it finds the power gone.
    fn count(&mut self, track: Track) -> bool {
        let done = self.operations.entry(track).or_default();
        self.powered &= !self.cut_after.is_some_and(|(on, after)| on == track && *done >= after);
        *done += 1;
        !self.powered
    }
}

impl Operation<'_> {
    fn track(&self) -> Track {
        if name_of(self.path) == "prepared" { Track::Prepared } else { Track::Main }
    }
}

impl Disk for SimulatedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let there = self.state().names.get(path) == Some(&Node::Folder);
        if there {
            return Ok(());
        }
        let change = NameChange::Add(path.to_owned(), Node::Folder);
        self.change_name(Kind::CreateDir, path, change)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let kind = Kind::List;
        let (state, then) = self.begin(Operation { kind, path })?;
        if let Some(then) = then {
            return Err(then.error());
        }
        let inside = state.names.keys().filter(|name| name.parent() == Some(path));
        Ok(inside.map(|name| name_of(name).to_owned()).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let kind = Kind::Open;
        let (state, then) = self.begin(Operation { kind, path })?;
        match (then, state.names.get(path)) {
            (Some(then), _) => Err(then.error()),
            (None, Some(Node::File(id))) => Ok(self.file(*id)),
            (None, _) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let kind = Kind::Create;
        let (mut state, then) = self.begin(Operation { kind, path })?;
        if let Some(then) = then {
            return Err(then.error());
        }
        if let Some(Node::File(id)) = state.names.get(path).copied() {
            state.files[id].change(Change::Size(0));
            return Ok(self.file(id));
        }
        let id = state.files.len();
        state.files.push(Content::default());
        let change = NameChange::Add(path.to_owned(), Node::File(id));
        apply(&mut state.names, &change);
        state.name_changes.push(change);
        Ok(self.file(id))
    }

    fn create_secret(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if self.state().names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let change = NameChange::Rename(from.to_owned(), to.to_owned());
        self.change_name(Kind::Rename, to, change)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let change = NameChange::Remove(path.to_owned());
        self.change_name(Kind::Remove, path, change)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let kind = Kind::SyncDir;
        let (mut state, then) = self.begin(Operation { kind, path })?;
        if let Some(then) = then {
            return Err(then.error());
        }
        let changes = std::mem::take(&mut state.name_changes);
        for change in changes {
            if change.path().parent() == Some(path) {
                apply(&mut state.durable_names, &change);
            } else {
                state.name_changes.push(change);
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn fmt::Debug + Send + Sync>> {
        if !self.state().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (disk, path) = (self.clone(), path.to_owned());
        Ok(Box::new(Lock { disk, path }))
    }
}

#[derive(Debug)]
struct Lock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: usize,
}

impl SimulatedFile {
    fn begin(&self, kind: Kind) -> io::Result<(MutexGuard<'_, State>, Option<Then>)> {
        let path = self.disk.state().path_of(self.id);
        let path = &path;
        self.disk.begin(Operation { kind, path })
    }
}

impl DiskFile for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        let (state, _) = self.begin(Kind::Size)?;
        Ok(u64::try_from(state.files[self.id].seen.len()).unwrap())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let (state, then) = self.begin(Kind::Read)?;
        if let Some(then) = then {
            return Err(then.error());
        }
        let seen = &state.files[self.id].seen;
        let position = usize::try_from(position).unwrap().min(seen.len());
        let length = buffer.len().min(seen.len() - position);
        buffer[..length].copy_from_slice(&seen[position..position + length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let (mut state, then) = self.begin(Kind::Write)?;
        let mut length = bytes.len();
        if state.short_writes && length > 1 {
            length = 1 + state.random.below(length - 1);
        }
        if let Some(then) = &then {
            length = match then {
                Then::Nothing(_) | Then::Forgotten(_) => 0,
                Then::Done(_) => state.random.below(length + 1),
            };
        }
        let position = usize::try_from(position).unwrap();
        if length > 0 {
            let change = Change::Write(position, bytes[..length].to_vec());
            state.files[self.id].change(change);
        }
        then.map_or(Ok(length), |then| Err(then.error()))
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let (mut state, then) = self.begin(Kind::SetSize)?;
        if let Some(then) = then {
            return Err(then.error());
        }
        state.files[self.id].change(Change::Size(usize::try_from(size).unwrap()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, then) = self.begin(Kind::Sync)?;
        let file = &mut state.files[self.id];
        match then {
            None | Some(Then::Done(_)) => file.sync(),
            Some(Then::Forgotten(_)) => file.changes.clear(),
            Some(Then::Nothing(_)) => {}
        }
        self.disk.0.changed.notify_all();
        then.map_or(Ok(()), |then| Err(then.error()))
    }
}
