//! Lists of dead letters, the newest first, page by page. Does not know how letters are closed.

use prost::Message as _;

use super::letter::{PREFIX, history_of};
use super::state::Row;
use super::{DeadLetterError, DeadLetters};
use crate::ledger::{OwnPlaces, QueryError, page_rows, token, token_of};
use crate::proto::{
    DeadLetterState, EventName, KeptDeadLetter, ListDeadLettersRequest, ListDeadLettersResponse,
};
use crate::time::{signed, timestamp};

/// Bytes of letters in a page, so that it fits into a message.
const PAGE_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A letter that may be on a page: its offset, its history by place in a list, and its row.
type Candidate = (u64, usize, Row);

impl DeadLetters {
    /// Lists dead letters, the newest first.
    ///
    /// # Errors
    /// [`QueryError::Invalid`], [`QueryError::PageToken`], and where log or views cannot be read.
    pub fn list(
        &self,
        request: &ListDeadLettersRequest,
    ) -> Result<ListDeadLettersResponse, DeadLetterError> {
        let mut violations = Vec::new();
        let limit = page_rows(request.page_size, &mut violations);
        if !violations.is_empty() {
            return Err(QueryError::Invalid(violations).into());
        }
        let asked = (&request.source, request.include_closed);
        let about = format!("{} dead letters {asked:?}", self.ledger.id());
        let below = match token_of(&request.page_token, &about)? {
            None => u64::MAX,
            Some(rest) => rest.parse().map_err(|_| QueryError::PageToken)?,
        };
        let histories = match &request.source {
            Some(source) => vec![history_of(source)],
            None => self.ledger.own_histories(PREFIX)?,
        };
        let mut places = Vec::with_capacity(histories.len());
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut open_count = 0;
        for (at, history) in histories.iter().enumerate() {
            places.push(self.state.refresh(&self.ledger, history)?);
            let (rows, open) = self.state.rows(history, (below, request.include_closed));
            open_count += open;
            candidates
                .extend(rows.into_iter().take(limit + 1).map(|(offset, row)| (offset, at, row)));
        }
        candidates.sort_unstable_by_key(|(offset, ..)| std::cmp::Reverse(*offset));
        let (letters, next) = self.page(&candidates, &places, (limit, request.omit_raw))?;
        let next_page_token = next.map_or_else(String::new, |at| token(&about, &at.to_string()));
        Ok(ListDeadLettersResponse { letters, next_page_token, open_count })
    }

    /// As many letters as fit, and the offset below which the next page begins.
    fn page(
        &self,
        candidates: &[Candidate],
        places: &[OwnPlaces],
        (limit, omit_raw): (usize, bool),
    ) -> Result<(Vec<KeptDeadLetter>, Option<u64>), DeadLetterError> {
        let mut letters: Vec<KeptDeadLetter> = Vec::new();
        let mut room = PAGE_BYTES_MAX;
        for (offset, at, row) in candidates {
            let last = letters.last().map(|letter| letter.offset);
            if letters.len() >= limit {
                return Ok((letters, last));
            }
            let Some(of) = places.get(*at) else { continue };
            let Some(mut kept) = self.kept(of, (*offset, row))? else { continue };
            if omit_raw && let Some(letter) = &mut kept.letter {
                letter.raw = Vec::new();
            }
            match (room.checked_sub(kept.encoded_len()), last) {
                (None, Some(_)) => return Ok((letters, last)),
                (left, _) => room = left.unwrap_or(0),
            }
            letters.push(kept);
        }
        Ok((letters, None))
    }

    fn kept(
        &self,
        of: &OwnPlaces,
        (offset, row): (u64, &Row),
    ) -> Result<Option<KeptDeadLetter>, DeadLetterError> {
        let Some(recorded) = self.ledger.one_of_history(of, row.revision)? else {
            return Ok(None);
        };
        let letter = recorded.event.ledger_entry().and_then(|entry| entry.dead_letter);
        let mut kept = KeptDeadLetter {
            offset,
            recorded_at: Some(timestamp(signed(recorded.recorded_at_ns))),
            letter,
            state: DeadLetterState::Open.into(),
            raw_bytes: row.raw_len,
            ..KeptDeadLetter::default()
        };
        let Some(closing) = row.closing else {
            return Ok(Some(kept));
        };
        // One that came after the history was located is not part of this answer.
        if let Some(closed) = self.ledger.one_of_history(of, closing.revision)? {
            let entry = closed.event.ledger_entry().unwrap_or_default();
            kept.state = closing.state.into();
            (kept.actor, kept.reason) = (entry.actor, entry.reason);
            kept.closed_at = Some(timestamp(signed(closed.recorded_at_ns)));
            if let Some(EventName { correlation_id, source, event_id }) = entry.event {
                let (found, _) = self.ledger.find_event(&correlation_id, &source, &event_id)?;
                kept.event_offset = found.map(|receipt| receipt.offset);
            }
        }
        Ok(Some(kept))
    }
}
