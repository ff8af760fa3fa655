//! A file that a command makes, as `--out` names it: begun beside its name, and named when it is
//! whole; `-` is standard output. Does not know what is in it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::failure::{Exit, Failure};

/// A file that has not its name yet, and goes where it does not get it.
#[derive(Debug)]
pub(super) struct OutFile {
    out: PathBuf,
    /// `None`: standard output.
    begun: Option<(PathBuf, File)>,
}

impl OutFile {
    /// Begins a file before anything is asked for it. With `force` it replaces the one of its name.
    pub(super) fn begin(out: &Path, force: bool) -> Result<Self, Failure> {
        if out == Path::new("-") {
            return Ok(Self { out: out.to_owned(), begun: None });
        }
        if !force && out.exists() {
            let what = format!("{} exists; --force replaces it", out.display());
            return Err(Failure::new(Exit::Conflict, what));
        }
        let mut name = out.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = PathBuf::from(name);
        let file = File::create(&path).map_err(|error| unwritten(out, &error))?;
        Ok(Self { out: out.to_owned(), begun: Some((path, file)) })
    }

    /// Whether what is written goes to standard output, so that nothing else may.
    pub(super) fn is_standard_output(&self) -> bool {
        self.begun.is_none()
    }

    /// Writes all of it, durably, and gives it its name.
    pub(super) fn finish(mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.begun else {
            return Ok(io::stdout().lock().write_all(bytes)?);
        };
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let named = written.and_then(|()| fs::rename(path, &self.out));
        named.map_err(|error| unwritten(&self.out, &error))
    }
}

fn unwritten(out: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", out.display()))
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.begun {
            let _ = fs::remove_file(path);
        }
    }
}
