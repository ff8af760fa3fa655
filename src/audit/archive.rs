//! Where checkpoints are kept: the newest one, and the last one of each day, in each place.
//! Does not know when one is signed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::AuditError;
use super::checkpoint::Checkpoint;
use super::files::make_folder;
use super::note::NoteDefect;
use crate::log::{Disk, read_file, write_file};

/// The file of the newest checkpoint.
const LATEST: &str = "latest";

/// A checkpoint and the note that says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The signed note.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// The places of one origin's checkpoints. The first is the ledger's own and has to work; what goes
/// wrong in the others is said and tried again with the next checkpoint.
///
/// Nothing is replaced that was not compared: what a place holds and this did not write is shown to
/// whoever keeps the next checkpoint. A place that has held checkpoints is listed beside the keys,
/// so that an empty one is told from one that is not there.
#[derive(Debug)]
pub(super) struct Archive {
    disk: Arc<dyn Disk>,
    places: Vec<Place>,
    list: PathBuf,
    /// Folders that a place and the parts of the origin in it come to.
    levels: usize,
}

/// Where checkpoints are kept, and what names the list of those that have been used.
#[derive(Debug)]
pub(super) struct ArchivePlaces {
    /// The folder of the ledger, which may be moved with the places in it.
    pub(super) ledger: PathBuf,
    /// The ledger's own place, and those of copies.
    pub(super) folders: Vec<PathBuf>,
    /// The file that lists the places that hold checkpoints.
    pub(super) list: PathBuf,
}

/// A place, for one origin.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    /// What the list calls it.
    name: String,
    /// Whether it is listed, and so must hold something.
    listed: bool,
    /// What it held when this looked last, which was compared or written.
    latest: Option<Vec<u8>>,
    /// Whether the last write into it failed.
    failing: bool,
}

/// A checkpoint that a place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptCheckpoint {
    pub(crate) path: PathBuf,
    pub(crate) note: String,
    pub(crate) read: Result<Checkpoint, NoteDefect>,
}

impl KeptCheckpoint {
    pub(super) fn of(path: &Path, bytes: &[u8]) -> Self {
        let note = String::from_utf8_lossy(bytes).into_owned();
        let read = Checkpoint::parse_unverified(&note);
        Self { path: path.to_owned(), note, read }
    }
}

impl ArchivePlaces {
    fn of(&self, origin: &str, listed: &[String]) -> Vec<Place> {
        let place = |folder: &PathBuf| {
            let folder = folder.join(origin);
            let whole = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
            let inner = folder.strip_prefix(&self.ledger).unwrap_or(&whole);
            let name = inner.display().to_string();
            let listed = listed.contains(&name);
            Place { folder, name, listed, latest: None, failing: false }
        };
        self.folders.iter().map(place).collect()
    }

    fn listed(&self, disk: &dyn Disk) -> Result<Vec<String>, AuditError> {
        match read_file(disk, &self.list) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(AuditError::io(&self.list, error)),
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()),
        }
    }

    /// Whether any checkpoint was ever kept for an origin.
    pub(super) fn were_used(&self, disk: &dyn Disk, origin: &str) -> Result<bool, AuditError> {
        let places = self.of(origin, &self.listed(disk)?);
        Ok(places
            .iter()
            .any(|place| place.listed || read_file(disk, &place.folder.join(LATEST)).is_ok()))
    }
}

impl Archive {
    /// Opens the places for an origin. A copy that cannot be reached is no reason to stop, unless
    /// it has held checkpoints before.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        places: &ArchivePlaces,
        origin: &str,
    ) -> Result<Self, AuditError> {
        let listed = places.listed(&*disk)?;
        let list = places.list.clone();
        let places = places.of(origin, &listed);
        let levels = origin.split('/').count() + 1;
        if let Some(Place { folder, .. }) = places.first().filter(|own| !own.listed) {
            make_folder(&*disk, folder, levels).map_err(|error| AuditError::io(folder, error))?;
        }
        Ok(Self { disk, places, list, levels })
    }

    /// Every checkpoint of each place.
    ///
    /// # Errors
    /// [`AuditError::SigningRefused`] where a place has held checkpoints and holds none.
    pub(super) fn kept(&mut self) -> Result<Vec<KeptCheckpoint>, AuditError> {
        let mut found = Vec::new();
        for (index, place) in self.places.iter_mut().enumerate() {
            let kept = kept_in(&*self.disk, &place.folder);
            let latest = place.folder.join(LATEST);
            let has_latest = kept.iter().flatten().any(|one: &KeptCheckpoint| one.path == latest);
            match kept {
                kept if place.listed && !has_latest => {
                    let why = kept.err().map_or_else(String::new, |error| format!(" ({error})"));
                    return Err(AuditError::SigningRefused(format!(
                        "{} has held checkpoints of this log and now holds none{why}: is it \
                         mounted? Bring it back and start again; or, where it is to begin anew, \
                         take its line out of {}",
                        latest.display(),
                        self.list.display()
                    )));
                }
                Err(error) if index == 0 => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "a copy is not compared");
                }
                Ok(kept) => {
                    let latest = kept.iter().find(|one| one.path == latest);
                    place.latest = latest.map(|latest| latest.note.clone().into_bytes());
                    found.extend(kept);
                }
            }
        }
        Ok(found)
    }

    /// Keeps a checkpoint, durably, as the newest; as the last of a day (`2026-11-23`) where one is
    /// given. `fits` looks at what somebody else has written meanwhile.
    pub(super) fn keep(
        &mut self,
        note: &str,
        day: Option<&str>,
        fits: impl Fn(&KeptCheckpoint) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        for index in 0..self.places.len() {
            match self.keep_in(index, (note, day), &fits) {
                Err(error) if index == 0 || matches!(error, AuditError::SigningRefused(_)) => {
                    return Err(error);
                }
                kept => self.note_failure(index, &kept),
            }
        }
        Ok(())
    }

    fn keep_in(
        &mut self,
        index: usize,
        (note, day): (&str, Option<&str>),
        fits: &impl Fn(&KeptCheckpoint) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let (disk, list, levels) = (&*self.disk, &self.list, self.levels);
        let Some(place) = self.places.get_mut(index) else { return Ok(()) };
        let path = place.folder.join(LATEST);
        let io = |error| AuditError::io(&place.folder, error);
        if !place.listed {
            make_folder(disk, &place.folder, levels).map_err(io)?;
        }
        if let Some(found) = read_kept(disk, &path).map_err(io)?
            && Some(found.note.as_bytes()) != place.latest.as_deref()
        {
            fits(&found)?;
        }
        if let Some(day) = day {
            write_file(disk, &place.folder.join(day), note.as_bytes()).map_err(io)?;
        }
        write_file(disk, &path, note.as_bytes()).map_err(io)?;
        place.latest = Some(note.as_bytes().to_vec());
        if !place.listed {
            let mut names = match read_file(disk, list) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                read => read.map_err(|error| AuditError::io(list, error))?,
            };
            names.extend_from_slice(format!("{}\n", place.name).as_bytes());
            write_file(disk, list, &names).map_err(|error| AuditError::io(list, error))?;
            place.listed = true;
        }
        Ok(())
    }

    fn note_failure(&mut self, index: usize, kept: &Result<(), AuditError>) {
        let Some(place) = self.places.get_mut(index) else { return };
        let folder = place.folder.display();
        match kept {
            Err(error) if !place.failing => {
                tracing::error!(%folder, %error, "a copy of a checkpoint could not be kept");
            }
            Ok(()) if place.failing => tracing::info!(%folder, "copies are kept again"),
            Ok(()) | Err(_) => {}
        }
        place.failing = kept.is_err();
    }
}

/// Every checkpoint in a place of an origin, by file name.
pub(crate) fn kept_in(disk: &dyn Disk, folder: &Path) -> Result<Vec<KeptCheckpoint>, AuditError> {
    let mut names = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|error| AuditError::io(folder, error))?,
    };
    names.sort();
    let mut found = Vec::new();
    for name in names.iter().filter(|name| is_checkpoint_name(name)) {
        let path = folder.join(name);
        found.extend(read_kept(disk, &path).map_err(|error| AuditError::io(&path, error))?);
    }
    Ok(found)
}

/// Whether a file of this name in the folder of an origin is a checkpoint: the newest one, or that
/// of a day. No part of an origin has such a name, since its folder would lie there.
pub(super) fn is_checkpoint_name(name: &str) -> bool {
    let is_day = |name: &str| {
        let mut form = name.bytes().zip("dddd-dd-dd".bytes());
        let fits = |(byte, form): (u8, u8)| match form {
            b'd' => byte.is_ascii_digit(),
            form => byte == form,
        };
        name.len() == "2026-11-23".len() && form.all(fits)
    };
    name == LATEST || is_day(name)
}

fn read_kept(disk: &dyn Disk, path: &Path) -> io::Result<Option<KeptCheckpoint>> {
    match read_file(disk, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(bytes) => Ok(Some(KeptCheckpoint::of(path, &bytes))),
    }
}
