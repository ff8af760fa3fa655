//! Whether a newer proof of an order's history goes on where an older one ended. Does not know where
//! the proofs come from.

use crate::log::Hash;
use crate::num::u64_from;

/// Why a history does not continue an older one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SinceDefect {
    /// Entries are gone.
    #[error("order {order}: {older} entries were proven, {newer} are there now")]
    Shorter {
        /// The order.
        order: String,
        /// Entries that were proven before.
        older: u64,
        /// Entries that are proven now.
        newer: u64,
    },
    /// An entry is another one than before.
    #[error("order {order}: revision {revision} is another entry than the one that was proven")]
    Changed {
        /// The order.
        order: String,
        /// The first place that differs.
        revision: u64,
    },
}

/// Checks that the leaf hashes of an order begin with those that were proven before.
///
/// ```
/// use order_ledger::continues_history;
///
/// assert!(continues_history("erp/7", &[[1; 32]], &[[1; 32], [2; 32]]).is_ok());
/// let changed = continues_history("erp/7", &[[1; 32]], &[[3; 32]]).unwrap_err();
/// assert!(changed.to_string().contains("revision 0"));
/// ```
///
/// # Errors
/// What is gone, or other.
pub fn continues_history(order: &str, older: &[Hash], newer: &[Hash]) -> Result<(), SinceDefect> {
    let order = || order.to_owned();
    let differs = (0..).zip(older.iter().zip(newer)).find(|(_, (old, new))| old != new);
    if let Some((revision, _)) = differs {
        return Err(SinceDefect::Changed { order: order(), revision });
    }
    if newer.len() < older.len() {
        let (older, newer) = (u64_from(older.len()), u64_from(newer.len()));
        return Err(SinceDefect::Shorter { order: order(), older, newer });
    }
    Ok(())
}
