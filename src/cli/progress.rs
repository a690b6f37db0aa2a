//! How far long work has come, as one line on standard error; nothing where that is no terminal.

use std::io::{IsTerminal, Write};

/// Cells of the bar.
const CELLS: u64 = 30;

/// A line that is written over itself.
pub(super) struct Progress {
    shown: bool,
    last: Option<u64>,
}

impl Progress {
    /// On standard error, if a person sees it.
    pub(super) fn stderr() -> Self {
        Self { shown: std::io::stderr().is_terminal(), last: None }
    }

    /// Shows that `done` of `total` is done, with what that means in words. Written at each thousandth only.
    pub(super) fn show(&mut self, done: u64, total: u64, words: impl FnOnce() -> String) {
        let part = done.saturating_mul(1_000) / total.max(1);
        if !self.shown || self.last == Some(part) {
            return;
        }
        self.last = Some(part);
        let full = (part.min(1_000) * CELLS / 1_000) as usize;
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(CELLS as usize - full));
        // Progress that cannot be shown is no failure.
        let _ = write!(std::io::stderr(), "\r{bar} {:>3} % {}\x1b[K", part.min(1_000) / 10, words());
    }
}

impl Drop for Progress {
    /// Takes the line away.
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
