//! What the service logs, line by line. One subscriber for the process: tests look for what only they can have written.

use std::{
    io::Write,
    sync::{Mutex, OnceLock, PoisonError},
};

use tracing_subscriber::fmt::MakeWriter;

/// The lines since the start of the process.
pub(crate) struct Logs(Mutex<Vec<u8>>);

/// Starts to capture, if that was not done before.
pub(crate) fn capture() -> &'static Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    let logs = LOGS.get_or_init(|| Logs(Mutex::default()));
    // A second call finds the subscriber in place.
    let _ = tracing_subscriber::fmt().with_ansi(false).with_writer(logs).try_init();
    logs
}

impl Logs {
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }
}

impl Write for &Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for &'static Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}
