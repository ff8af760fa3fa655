//! A bar for what takes long, on the terminal's error output. Does not know what takes long.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ledger::Progress;

/// What is over by then needs no bar.
const SHOWN_AFTER: Duration = Duration::from_millis(500);
/// How often the bar moves by itself.
const TICK: Duration = Duration::from_millis(250);

/// A bar that appears when something takes long, and goes when it is dropped.
pub(super) struct Bar {
    begin: Instant,
    shown: Option<ProgressBar>,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { begin: Instant::now(), shown: None }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        if self.begin.elapsed() < SHOWN_AFTER {
            return;
        }
        let bar = self.shown.get_or_insert_with(bar);
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(progress.what);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent} % {eta}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}
