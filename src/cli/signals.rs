//! Signals that ask the process to end. Does not know what is ended.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Ready when the process is asked to end; a second signal ends it at once. Signals count from
/// this call on, not only when the answer is awaited.
pub(super) fn asked_to_end() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(130);
        });
    })
}
