//! What redb says when it fails, and how a panic of it becomes an error.
//! Does not know which tables there are.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ViewError;
use super::row::DamagedRow;
use crate::log::LogError;

/// What redb or a row said.
pub(super) enum Failure {
    Row(DamagedRow),
    Database(Box<redb::Error>),
    View(Box<ViewError>),
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        Self::View(Box::new(error))
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::View(Box::new(error.into()))
    }
}

impl From<DamagedRow> for Failure {
    fn from(damage: DamagedRow) -> Self {
        Self::Row(damage)
    }
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

impl From<Failure> for ViewError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::View(error) => *error,
            Failure::Row(damage) => Self::Damaged(damage.to_string()),
            Failure::Database(error) => {
                if let redb::Error::Corrupted(what) = *error {
                    Self::Damaged(what)
                } else {
                    Self::Io(error.to_string())
                }
            }
        }
    }
}

/// Runs against redb, which panics on some damaged pages: here that is damage like any other.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, ViewError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => Ok(done?),
        Err(panic) => Err(ViewError::Unusable(text_of(&*panic))),
    }
}

pub(super) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("redb panicked").to_owned()
}
