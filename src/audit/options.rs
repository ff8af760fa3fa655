//! How the audit of a ledger is opened. Does not know what it does with that.

use std::path::PathBuf;
use std::time::Duration;

use super::checkpoint::TreeOrigin;

/// How the audit of a ledger is opened.
///
/// ```
/// use std::time::Duration;
///
/// let options = order_ledger::AuditOptions::default();
/// assert_eq!(options.checkpoint_interval, Duration::from_millis(100));
/// assert_eq!(options.seal_interval, Some(Duration::from_secs(60)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// The name that checkpoints are signed under, which a ledger keeps for ever. `None`: the one
    /// that it has; in a new ledger `order-ledger/` and its id.
    pub origin: Option<TreeOrigin>,
    /// Begins a new origin where the ledger has another one. That ends the old one: what was signed
    /// under it is never continued.
    pub new_origin: Option<NewOrigin>,
    /// Files of the keys that sign, all of them. Empty: those in `audit/keys/`, where one is made
    /// with the ledger's first checkpoint.
    pub signing_keys: Vec<PathBuf>,
    /// The folder of checkpoints. `None`: `checkpoints` in the folder of the ledger.
    pub checkpoints: Option<PathBuf>,
    /// Further folders for checkpoints, on another disk or another machine's: only they show that a
    /// whole ledger was put back to an older state. What fails there is logged and tried again.
    pub checkpoint_copies: Vec<PathBuf>,
    /// How long an append waits at most for a checkpoint that covers it, when nobody asks.
    pub checkpoint_interval: Duration,
    /// How often the log is sealed where something changed. `None`: only when somebody asks.
    pub seal_interval: Option<Duration>,
}

/// An origin that begins where another one ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrigin {
    /// Its name.
    pub origin: TreeOrigin,
    /// Who decided it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            origin: None,
            new_origin: None,
            signing_keys: Vec::new(),
            checkpoints: None,
            checkpoint_copies: Vec::new(),
            checkpoint_interval: Duration::from_millis(100),
            seal_interval: Some(Duration::from_secs(60)),
        }
    }
}
