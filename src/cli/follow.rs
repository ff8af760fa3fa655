//! Reads a stream of the log to its end or until interrupted, and says where to resume.
//! Does not know what the stream brings.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::time::Duration;

use super::failure::Failure;
use crate::rpc::{SILENCE_MAX, Streaming, heard, wire};

/// Where lines are written; what has not left this process does not count as reached.
pub(super) type Out = BufWriter<Stdout>;

/// One message of a stream.
pub(super) enum Said<B> {
    Brings(B),
    Progress(wire::ReplayProgress),
    CaughtUp(wire::ReplayCaughtUp),
    Closed(wire::ReplayClosed),
}

/// A stream that can be followed.
pub(super) trait Follow {
    /// A message of it.
    type Message;
    /// What it brings.
    type Brings;

    /// What a message says; `None` where it says nothing.
    fn said(message: Self::Message) -> Option<Said<Self::Brings>>;

    /// Whether its end is told on standard error, as where to resume.
    fn says_where(&self) -> bool;

    /// Writes what came, and answers where to resume behind it.
    fn write(&self, out: &mut Out, brings: Self::Brings) -> Result<Option<u64>, Failure>;

    /// Says that the head was reached for the first time.
    fn caught_up(&self, _head: u64) {}
}

/// Writes what a stream brings, and says how far it came; `from` is where it begins, if known.
pub(super) async fn follow<F: Follow>(
    followed: &F,
    messages: Streaming<F::Message>,
    from: Option<u64>,
) -> Result<(), Failure> {
    let mut reached = from;
    let ended = read(followed, messages, &mut reached, SILENCE_MAX).await;
    let Some(reached) = reached.filter(|_| followed.says_where()) else { return ended };
    let resume = resume_text(reached);
    ended.map_err(|failure| failure.and(resume.clone()))?;
    eprintln!("{resume}");
    Ok(())
}

async fn read<F: Follow>(
    followed: &F,
    mut messages: Streaming<F::Message>,
    reached: &mut Option<u64>,
    silence_max: Duration,
) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout());
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut caught_up = false;
    loop {
        let next = tokio::select! {
            next = heard(&mut messages, silence_max) => next,
            _ = &mut interrupted => return Ok(out.flush()?),
        };
        let next = match next {
            Ok(next) => next.and_then(F::said),
            Err(status) => {
                out.flush()?;
                return Err(status.into());
            }
        };
        let behind = match next {
            Some(Said::Brings(brings)) => followed.write(&mut out, brings)?,
            Some(Said::Progress(progress)) => Some(progress.scanned_to),
            Some(Said::CaughtUp(at)) => {
                // It comes anew after every change; who follows wants to know it once.
                if !std::mem::replace(&mut caught_up, true) {
                    out.flush()?;
                    followed.caught_up(at.head);
                }
                Some(at.head)
            }
            Some(Said::Closed(closed)) => {
                out.flush()?;
                *reached = Some(closed.resume_from).max(*reached);
                return end_of(&closed, reached);
            }
            None => {
                out.flush()?;
                return Err(Failure::failed("the stream ended without a word of why"));
            }
        };
        out.flush()?;
        *reached = behind.max(*reached);
    }
}

fn end_of(closed: &wire::ReplayClosed, reached: &mut Option<u64>) -> Result<(), Failure> {
    if closed.reason() != wire::ReplayClosedReason::ShuttingDown {
        return Ok(());
    }
    // The message says where to resume: nothing else has to.
    *reached = None;
    let resume = resume_text(closed.resume_from);
    Err(Failure::failed(format!("the server shuts down; {resume}")))
}

/// Where to go on, as it is said on standard error.
fn resume_text(from: u64) -> String {
    format!("resume with --from {from}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::audit::AuditOptions;
    use crate::ledger::{Ledger, Options};
    use crate::rpc::connect_local;
    use crate::rpc::wire::replay_response::Message;

    /// Reads a replay, and writes nothing.
    struct Reader;

    impl Follow for Reader {
        type Message = wire::ReplayResponse;
        type Brings = ();

        fn said(message: wire::ReplayResponse) -> Option<Said<()>> {
            Some(match message.message? {
                Message::Events(_) => Said::Brings(()),
                Message::Progress(progress) => Said::Progress(progress),
                Message::CaughtUp(caught_up) => Said::CaughtUp(caught_up),
                Message::Closed(closed) => Said::Closed(closed),
            })
        }

        fn says_where(&self) -> bool {
            true
        }

        fn write(&self, _: &mut Out, (): ()) -> Result<Option<u64>, Failure> {
            Ok(None)
        }
    }

    /// Less than the time between two signs of life is silence. Seen red with a reader that waits
    /// for the next message without a clock beside it.
    #[tokio::test]
    async fn a_stream_that_falls_silent_fails_and_the_place_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::open(&folder, Options::default()).unwrap());
        let request = wire::ReplayRequest { follow: true, ..Default::default() };
        let mut client = connect_local(ledger, AuditOptions::default()).ledger;
        let messages = client.replay(request).await.unwrap().into_inner();
        let mut reached = None;
        let ended = read(&Reader, messages, &mut reached, Duration::from_millis(100)).await;
        let failure = format!("{:?}", ended.unwrap_err());
        assert!(failure.contains("the stream was silent for 0.1 s"), "{failure}");
        assert_eq!(reached, Some(0));
    }
}
