//! What members say, taken word by word: what is wrong is refused, and the rest goes on.
//! Does not know what becomes of an answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::answers::{Failure, NotDelivered};
use super::engine::Engine;
use super::member::Note;
use super::worker::{CREDIT_MAX, MemberId};
use crate::proto::{ConsumeRefused, ConsumeRequest, Nack, ParkDelivery};

/// Answers that one message may have.
const ANSWERS_MAX: usize = 10_000;
/// The longest pause that a member may ask for.
const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 1_000;

/// A member, and the room for its next word, which is kept until it has read what is refused.
type Speaker = (MemberId, Arc<OwnedSemaphorePermit>);

impl Engine {
    /// Takes what a member says.
    pub(super) fn said(
        &mut self,
        member: MemberId,
        said: &ConsumeRequest,
        (now, room): (Instant, OwnedSemaphorePermit),
    ) {
        if !self.posts.contains_key(&member) {
            return;
        }
        let member = (member, Arc::new(room));
        let answers = [said.acks.len(), said.nacks.len(), said.in_progress.len(), said.parks.len()];
        let count: usize = answers.iter().sum();
        if count > ANSWERS_MAX {
            let what = format!("{count} answers in a message; allowed are at most {ANSWERS_MAX}");
            return self.refuse(&member, None, what);
        }
        self.answers(&member, said, now);
        // Last: whoever answers and asks for more has its answers counted first.
        match u32::try_from(said.credit) {
            Err(_) => {
                let what = format!("credit: {}; allowed are 0 to {CREDIT_MAX}", said.credit);
                self.refuse(&member, None, what);
            }
            Ok(credit) => {
                if let Err(sum) = self.dispatch.grant(member.0, credit) {
                    let what = format!(
                        "credit: {sum} together with what was granted and not used; allowed are \
                         at most {CREDIT_MAX}"
                    );
                    self.refuse(&member, None, what);
                }
            }
        }
    }

    fn answers(&mut self, member: &Speaker, said: &ConsumeRequest, now: Instant) {
        if said.join.is_some() {
            self.refuse(member, None, "join: only the first message of a stream joins".to_owned());
        }
        for offset in &said.acks {
            let taken = self.dispatch.ack(member.0, *offset);
            self.rate.note(u64::from(taken.is_ok()), now);
            self.dirty |= taken.is_ok();
            self.answered(member, (*offset, "ack"), taken);
        }
        for Nack { offset, reason, delay } in &said.nacks {
            let asked = delay.map(Duration::try_from);
            let delay = match asked {
                None => None,
                Some(Ok(delay)) if delay <= DELAY_MAX => Some(delay),
                Some(_) => {
                    let what = "nacks.delay: out of range; allowed are 0 to 1 day";
                    self.refuse(member, Some(*offset), what.to_owned());
                    continue;
                }
            };
            let taken = self.dispatch.nack(
                (member.0, *offset),
                &Failure { reason: kept(reason), delay },
                now,
            );
            self.answered(member, (*offset, "nack"), taken);
        }
        for offset in &said.in_progress {
            let taken = self.dispatch.in_progress(member.0, *offset, now);
            self.answered(member, (*offset, "in_progress"), taken);
        }
        for ParkDelivery { offset, reason } in &said.parks {
            let taken = self.dispatch.park((member.0, *offset), kept(reason), now);
            self.answered(member, (*offset, "park"), taken);
        }
    }

    fn answered(
        &self,
        member: &Speaker,
        (offset, word): (u64, &str),
        taken: Result<(), NotDelivered>,
    ) {
        if taken.is_ok() {
            return;
        }
        let message = format!(
            "{word} of offset {offset}: the event is not with this member; it was never delivered \
             to it, or answered before, or its time was over"
        );
        let reason = "NOT_DELIVERED".to_owned();
        let refused = ConsumeRefused { reason, offset: Some(offset), message };
        self.note(member.0, Note::Refused(refused, Arc::clone(&member.1)));
    }

    fn refuse(&self, member: &Speaker, offset: Option<u64>, message: String) {
        let reason = "INVALID_ARGUMENT".to_owned();
        let refused = ConsumeRefused { reason, offset, message };
        self.note(member.0, Note::Refused(refused, Arc::clone(&member.1)));
    }
}

/// As much of a reason as is kept.
fn kept(reason: &str) -> &str {
    let end = (0..=REASON_BYTES_MAX.min(reason.len())).rev();
    let end = end.into_iter().find(|end| reason.is_char_boundary(*end)).unwrap_or_default();
    reason.get(..end).unwrap_or_default()
}
