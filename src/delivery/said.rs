//! What members say, taken word by word: what is wrong is refused, and the rest goes on.
//! Does not know what becomes of an answer.

use std::time::Duration;

use tokio::time::Instant;

use super::dispatch::{CREDIT_MAX, Failure, MemberId, NotDelivered};
use super::engine::Engine;
use super::member::Told;
use crate::proto::{ConsumeRefused, ConsumeRequest, Nack, ParkDelivery};

/// The longest pause that a member may ask for.
const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 1_000;

impl Engine {
    /// Takes what a member says.
    pub(super) fn said(&mut self, member: MemberId, said: &ConsumeRequest, now: Instant) {
        if !self.posts.contains_key(&member) {
            return;
        }
        if said.join.is_some() {
            self.refuse(member, None, "join: only the first message of a stream joins".to_owned());
        }
        for offset in &said.acks {
            let taken = self.dispatch.ack(member, *offset);
            self.rate.note(u64::from(taken.is_ok()), now);
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
                (member, *offset),
                &Failure { reason: kept(reason), delay },
                now,
            );
            self.answered(member, (*offset, "nack"), taken);
        }
        for offset in &said.in_progress {
            let taken = self.dispatch.in_progress(member, *offset, now);
            self.answered(member, (*offset, "in_progress"), taken);
        }
        for ParkDelivery { offset, reason } in &said.parks {
            let taken = self.dispatch.park((member, *offset), kept(reason), now);
            self.answered(member, (*offset, "park"), taken);
        }
        // Last: whoever answers and asks for more has its answers counted first.
        match u32::try_from(said.credit) {
            Err(_) => {
                let what = format!("credit: {}; allowed are 0 to {CREDIT_MAX}", said.credit);
                self.refuse(member, None, what);
            }
            Ok(credit) => {
                if let Err(sum) = self.dispatch.grant(member, credit) {
                    let what = format!(
                        "credit: {sum} together with what was granted and not used; allowed are \
                         at most {CREDIT_MAX}"
                    );
                    self.refuse(member, None, what);
                }
            }
        }
    }

    fn answered(
        &mut self,
        member: MemberId,
        (offset, word): (u64, &str),
        taken: Result<(), NotDelivered>,
    ) {
        if taken.is_ok() {
            self.dirty = true;
            return;
        }
        let message = format!(
            "{word} of offset {offset}: the event is not with this member; it was never delivered \
             to it, or answered before, or its time was over"
        );
        let reason = "NOT_DELIVERED".to_owned();
        self.tell(member, Told::Refused(ConsumeRefused { reason, offset: Some(offset), message }));
    }

    fn refuse(&mut self, member: MemberId, offset: Option<u64>, message: String) {
        let reason = "INVALID_ARGUMENT".to_owned();
        self.tell(member, Told::Refused(ConsumeRefused { reason, offset, message }));
    }
}

/// As much of a reason as is kept.
fn kept(reason: &str) -> &str {
    let end = (0..=REASON_BYTES_MAX.min(reason.len())).rev();
    let end = end.into_iter().find(|end| reason.is_char_boundary(*end)).unwrap_or_default();
    reason.get(..end).unwrap_or_default()
}
