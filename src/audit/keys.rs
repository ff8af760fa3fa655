//! The keys that sign checkpoints, in files that only their owner reads. Does not know what is
//! signed with them.

use std::path::{Path, PathBuf};

use super::AuditError;
use super::checkpoint::TreeOrigin;
use super::files::make_folder;
use super::note::{SignerKey, VerifierKey};
use super::open::{AUDIT_FOLDER, KEYS_FOLDER};
use crate::log::{Disk, FileSystem, read_file, write_all_at, write_file};

const SECRET_SUFFIX: &str = ".key";
pub(super) const PUBLIC_SUFFIX: &str = ".pub";

/// The keys in a folder, or in files; makes one where the folder has none and nothing was signed
/// before.
pub(super) fn load(
    disk: &dyn Disk,
    (folder, files): (&Path, &[PathBuf]),
    (origin, was_signed): (&str, bool),
) -> Result<Vec<SignerKey>, AuditError> {
    if !files.is_empty() {
        return files.iter().map(|path| read(disk, path, origin)).collect();
    }
    let io = |error| AuditError::io(folder, error);
    make_folder(disk, folder, 2).map_err(io)?;
    let mut keys = Vec::new();
    let mut names = disk.list(folder).map_err(io)?;
    names.sort();
    for name in names.iter().filter(|name| name.ends_with(SECRET_SUFFIX)) {
        match read(disk, &folder.join(name), origin) {
            Ok(key) => keys.push(key),
            // Keys of origins that have ended stay where they are.
            Err(AuditError::KeyName { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if keys.is_empty() && was_signed {
        return Err(AuditError::KeyMissing {
            folder: folder.to_owned(),
            origin: origin.to_owned(),
        });
    }
    if keys.is_empty() {
        keys.push(make(disk, folder, origin)?);
    }
    Ok(keys)
}

/// The public halves of the keys in a ledger's folder, by file name, also those of origins that
/// have ended. The ledger may be open.
///
/// # Errors
/// What cannot be read.
pub fn signing_keys(ledger: &Path) -> Result<Vec<VerifierKey>, AuditError> {
    let (disk, folder) = (FileSystem, ledger.join(AUDIT_FOLDER).join(KEYS_FOLDER));
    let mut names = match disk.list(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|error| AuditError::io(&folder, error))?,
    };
    names.sort();
    let keys = names.iter().filter(|name| name.ends_with(PUBLIC_SUFFIX)).map(|name| {
        let path = folder.join(name);
        let text = read_file(&disk, &path).map_err(|error| AuditError::io(&path, error))?;
        VerifierKey::parse(&String::from_utf8_lossy(&text))
            .map_err(|defect| AuditError::Key { path, defect })
    });
    keys.collect()
}

/// Makes a further key for checkpoints in a ledger's folder, for the origin that its keys have;
/// where they are of several, `origin` says which. All keys of an origin sign together, from the
/// next time on that the audit of the ledger is opened; the ledger may be open now.
///
/// # Errors
/// [`AuditError::KeyOrigin`], and what cannot be read or written.
pub fn add_signing_key(
    ledger: &Path,
    origin: Option<&TreeOrigin>,
) -> Result<VerifierKey, AuditError> {
    let keys = signing_keys(ledger)?;
    let mut names: Vec<&str> = keys.iter().map(VerifierKey::name).collect();
    names.sort_unstable();
    names.dedup();
    let asked = names.iter().filter(|name| origin.is_none_or(|origin| origin.name() == **name));
    let found: Vec<_> = asked.collect();
    let name = match (&*found, &*names) {
        ([one], _) => **one,
        // Where all keys were lost, the name has to be said.
        (_, []) if let Some(origin) = origin => origin.name(),
        (_, []) => {
            let what = "the ledger has no key yet; its first checkpoint makes one";
            return Err(AuditError::KeyOrigin(what.to_owned()));
        }
        _ => {
            let what = format!("the keys are of {}; name one of these origins", names.join(", "));
            return Err(AuditError::KeyOrigin(what));
        }
    };
    let folder = ledger.join(AUDIT_FOLDER).join(KEYS_FOLDER);
    Ok(make(&FileSystem, &folder, name)?.verifier().clone())
}

fn read(disk: &dyn Disk, path: &Path, origin: &str) -> Result<SignerKey, AuditError> {
    let text = read_file(disk, path).map_err(|error| AuditError::io(path, error))?;
    let key = SignerKey::parse(&String::from_utf8_lossy(&text))
        .map_err(|defect| AuditError::Key { path: path.to_owned(), defect })?;
    let name = key.verifier().name();
    if name == origin {
        return Ok(key);
    }
    let (path, name, origin) = (path.to_owned(), name.to_owned(), origin.to_owned());
    Err(AuditError::KeyName { path, name, origin })
}

/// Makes a key in a folder, durably: the secret half for its owner alone, the public half beside
/// it.
fn make(disk: &dyn Disk, folder: &Path, origin: &str) -> Result<SignerKey, AuditError> {
    let key = SignerKey::generate(origin).map_err(|error| AuditError::io(folder, error))?;
    let stem = file_stem(key.verifier());
    let path = folder.join(format!("{stem}{SECRET_SUFFIX}"));
    let io = |error| AuditError::io(&path, error);
    // The public half first, and the secret one whole or not at all.
    let public = format!("{}\n", key.verifier());
    write_file(disk, &folder.join(format!("{stem}{PUBLIC_SUFFIX}")), public.as_bytes())
        .map_err(io)?;
    let written = folder.join(format!("{stem}.new"));
    let file = disk.create_secret(&written).map_err(io)?;
    write_all_at(&*file, key.secret_text().as_bytes(), 0)
        .and_then(|()| file.sync())
        .and_then(|()| disk.rename(&written, &path))
        .and_then(|()| disk.sync_dir(folder))
        .map_err(io)?;
    tracing::info!(key = %key.verifier(), "made a key for checkpoints; hand its public half out");
    Ok(key)
}

/// The id in a verifier key, which stands between its plus signs.
fn file_stem(key: &VerifierKey) -> String {
    let text = key.to_string();
    text.split('+').nth(1).unwrap_or_default().to_owned()
}
