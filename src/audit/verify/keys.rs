//! The keys in the folder of a ledger: the public halves, and whether each pair is one. A damaged
//! key proves nothing about the log. Does not know what was signed with them.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::super::keys::PUBLIC_SUFFIX;
use super::super::note::{SignerKey, VerifierKey};
use super::VerifyError;
use crate::log::{Disk, read_file};

/// How the files of the secret halves end.
const SECRET_SUFFIX: &str = ".key";

/// What the folder of keys holds.
#[derive(Debug, Default)]
pub(super) struct OwnKeys {
    pub(super) keys: Vec<VerifierKey>,
    /// Whether any file of a key is there, sound or not: somebody was to sign with it.
    pub(super) any: bool,
    /// What is wrong with files.
    pub(super) doubts: Vec<String>,
    /// What could not be looked at, and need not be.
    pub(super) notes: Vec<String>,
}

/// Reads the keys in the folder of a ledger.
pub(super) fn own_keys(disk: &dyn Disk, folder: &Path) -> Result<OwnKeys, VerifyError> {
    let mut names = match disk.list(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|error| VerifyError::io(folder, error))?,
    };
    names.sort();
    let mut own = OwnKeys::default();
    for name in &names {
        let path = folder.join(name);
        if name.ends_with(PUBLIC_SUFFIX) {
            let bytes = read_file(disk, &path).map_err(|error| VerifyError::io(&path, error))?;
            match VerifierKey::parse(&String::from_utf8_lossy(&bytes)) {
                Ok(key) => own.keys.push(key),
                Err(defect) => own.doubts.push(format!("key {}: {defect}", path.display())),
            }
        } else if let Some(stem) = name.strip_suffix(SECRET_SUFFIX) {
            let public = folder.join(format!("{stem}{PUBLIC_SUFFIX}"));
            own.check_pair(disk, &path, &public);
        } else {
            continue;
        }
        own.any = true;
    }
    Ok(own)
}

impl OwnKeys {
    /// Compares the public half of a key with the one that follows from the secret half.
    fn check_pair(&mut self, disk: &dyn Disk, secret: &Path, public: &Path) {
        let said =
            |path: &Path, what: &dyn std::fmt::Display| format!("key {}: {what}", path.display());
        let text = match read_file(disk, secret) {
            // Whoever checks a ledger need not be who signs.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return self.notes.push(said(secret, &error));
            }
            Err(error) => return self.doubts.push(said(secret, &error)),
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        let signer = match SignerKey::parse(&text) {
            Err(defect) => return self.doubts.push(said(secret, &defect)),
            Ok(signer) => signer,
        };
        match read_public(disk, public) {
            Err(error) => self.doubts.push(said(public, &error)),
            // What is no key was said already.
            Ok(None) => {}
            Ok(Some(found)) if found == *signer.verifier() => {}
            Ok(Some(_)) => {
                let what = format!("it is not the public half of {}", secret.display());
                self.doubts.push(said(public, &what));
            }
        }
    }
}

fn read_public(disk: &dyn Disk, path: &Path) -> io::Result<Option<VerifierKey>> {
    let bytes = read_file(disk, path)?;
    Ok(VerifierKey::parse(&String::from_utf8_lossy(&bytes)).ok())
}
