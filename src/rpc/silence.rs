//! How long a connection or a stream may be silent before it counts as dead: every such time, in
//! one place. Does not know what travels.
//!
//! A stream of the log says at least every [`HEARTBEAT`] that it lives. A side that has heard
//! nothing on a connection for [`Keepalive::interval`] asks, and gives the connection up where no
//! answer comes within [`Keepalive::timeout`]. Both together are [`SILENCE_MAX`].

use std::time::Duration;

use tonic::{Code, Status, Streaming};

/// How often a stream that brings nothing says that it lives.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);
/// A reader that has waited so long for the next message of a stream need not wait on.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(30);

/// When a connection is probed, and when it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keepalive {
    /// How often a silent connection is probed.
    pub(crate) interval: Duration,
    /// How long an answer to such a probe may take.
    pub(crate) timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), timeout: Duration::from_secs(20) }
    }
}

impl Keepalive {
    /// A peer that has been silent for so long is gone.
    pub(super) fn silence_max(self) -> Duration {
        self.interval.saturating_add(self.timeout)
    }
}

/// The next message of a stream that never is silent for long.
///
/// # Errors
/// As the stream ends, and `UNAVAILABLE` where it was silent for as long as `silence_max`.
pub(crate) async fn heard<M>(
    messages: &mut Streaming<M>,
    silence_max: Duration,
) -> Result<Option<M>, Status> {
    // In two halves: a process that was stopped for a while finds the first one over, and what
    // came meanwhile is read during the second.
    for _ in 0..2 {
        if let Ok(next) = tokio::time::timeout(silence_max / 2, messages.message()).await {
            return next;
        }
    }
    let silence = silence_max.as_secs_f64();
    let message = format!(
        "the stream was silent for {silence} s, so the server or the way to it is gone; \
         follow again from where it came to"
    );
    Err(Status::new(Code::Unavailable, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sides_know_after_the_same_time_and_not_because_one_heartbeat_is_late() {
        assert_eq!(Keepalive::default().silence_max(), SILENCE_MAX);
        assert!(HEARTBEAT * 3 < SILENCE_MAX);
    }
}
