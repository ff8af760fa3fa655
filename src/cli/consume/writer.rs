//! Writes to standard output on a thread of its own: who reads there may take its time, and what
//! waits for it can be given up. Does not know what is written.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Standard output, and what became of each text that was given to it.
#[derive(Debug)]
pub(super) struct Writer {
    texts: Sender<String>,
    written: UnboundedReceiver<io::Result<()>>,
}

impl Writer {
    pub(super) fn start() -> Self {
        let (texts, to_write) = channel();
        let (say, written) = unbounded_channel();
        std::thread::spawn(move || write_all(&to_write, &say));
        Self { texts, written }
    }

    /// Writes a text, and flushes.
    pub(super) fn write(&self, text: String) {
        // Without its thread the next answer says so.
        let _ = self.texts.send(text);
    }

    /// What became of the oldest text of which that was not said yet.
    pub(super) async fn written(&mut self) -> io::Result<()> {
        let gone = || io::Error::other("standard output cannot be written");
        self.written.recv().await.unwrap_or_else(|| Err(gone()))
    }
}

fn write_all(texts: &Receiver<String>, say: &UnboundedSender<io::Result<()>>) {
    let mut out = io::stdout();
    for text in texts {
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if say.send(written).is_err() {
            return;
        }
    }
}
