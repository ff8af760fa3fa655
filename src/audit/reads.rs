//! Who read which history: entries of the ledger's own. Does not know how readers are told apart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::Event;
use crate::ledger::{AppendError, Batch, Ledger, Pending, QueryError};
use crate::proto::{HistoryRead, LedgerEntry};
use crate::time::{now_ns, rfc3339, signed, timestamp};

/// Where the histories of reads begin: one for each hour.
const READS: &str = "$reads/";
const HISTORY_READ: &str = "history.read";
/// Bytes of a time in RFC 3339 up to the hour.
const HOUR_LEN: usize = "2026-11-23T15".len();
/// Bytes of what a reader says of itself; what is longer is cut, and ends in "...".
const TEXT_LEN_MAX: usize = 1_000;

/// The pen that writes down who reads.
#[derive(Debug)]
pub(crate) struct ReadLog {
    ledger: Arc<Ledger>,
    /// Makes ids that no other process has made.
    nonce: u64,
    next: AtomicU64,
    /// The hour of the newest entry: it never goes back, whatever the clock does.
    hour: Mutex<String>,
}

impl ReadLog {
    /// Goes on where the log has reads already.
    ///
    /// # Errors
    /// Where the views cannot be read.
    pub(crate) fn open(ledger: Arc<Ledger>) -> Result<Self, QueryError> {
        let nonce = getrandom::u64().unwrap_or_else(|_| now_ns());
        let last = ledger.last_own_history(READS)?;
        let hour = last.and_then(|name| name.strip_prefix(READS).map(str::to_owned));
        let hour = Mutex::new(hour.unwrap_or_default());
        Ok(Self { ledger, nonce, next: AtomicU64::default(), hour })
    }

    /// Sends to the writer that histories are read; they may be shown when it is durable.
    ///
    /// # Errors
    /// What appends say.
    pub(crate) fn record(&self, reads: Vec<HistoryRead>) -> Result<Pending, AppendError> {
        let history = format!("{READS}{}", self.hour());
        let event = |mut read: HistoryRead| {
            for text in [&mut read.reader, &mut read.peer, &mut read.scope] {
                cut(text);
            }
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let id = format!("{:016x}-{id}", self.nonce);
            let entry = LedgerEntry { read: Some(read), ..LedgerEntry::default() };
            Event::of_ledger((history.clone(), id), (HISTORY_READ, entry))
        };
        self.ledger.submit(Batch::of(reads.into_iter().map(event)))
    }

    fn hour(&self) -> String {
        let now = rfc3339(&timestamp(signed(now_ns())), None);
        let now = now.get(..HOUR_LEN).unwrap_or_default();
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        if now > hour.as_str() {
            now.clone_into(&mut hour);
        }
        hour.clone()
    }
}

fn cut(text: &mut String) {
    if text.len() > TEXT_LEN_MAX {
        let end = (0..=TEXT_LEN_MAX).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        text.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut_between_letters_and_say_so() {
        let mut text = "ä".repeat(600);
        cut(&mut text);
        assert_eq!(text, format!("{}...", "ä".repeat(500)));
        let mut short = "anna".to_owned();
        cut(&mut short);
        assert_eq!(short, "anna");
    }
}
