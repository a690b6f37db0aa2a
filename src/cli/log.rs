//! The log on standard error, and spans to an OpenTelemetry collector where one is named.

use std::{io, panic};

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

#[cfg(feature = "otel")]
use super::otlp;
use super::{Args, Command, LogFormat};

/// The running log; its end is waited for.
pub(super) struct Log {
    #[cfg(feature = "otel")]
    spans: Option<otlp::Spans>,
}

impl Log {
    /// Sends on what is still held.
    pub(super) fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(spans) = self.spans {
            spans.end();
        }
    }
}

/// Starts the log. `RUST_LOG` outranks the flags.
pub(super) fn start(args: &Args) -> Log {
    let level = match (&args.command, args.verbose) {
        (Command::Serve(_), 0) => "info",
        (_, 0) => "warn",
        (_, 1) => "mergecast=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let terminal = io::IsTerminal::is_terminal(&io::stderr());
    let colors = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let json = match args.log_format {
        Some(format) => format == LogFormat::Json,
        None => !terminal,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(terminal && colors);
    // The innermost span holds delivery, repository and pull request; those around it would only repeat them.
    let lines = if json {
        lines.json().with_span_list(false).with_filter(filter).boxed()
    } else {
        lines.with_filter(filter).boxed()
    };
    #[cfg(feature = "otel")]
    let (started, log) = {
        let (layer, spans) = otlp::start(matches!(args.command, Command::Serve(_))).unzip();
        (tracing_subscriber::registry().with(layer).with(lines).try_init(), Log { spans })
    };
    #[cfg(not(feature = "otel"))]
    let (started, log) = (tracing_subscriber::registry().with(lines).try_init(), Log {});
    // A second start in one process keeps the first log.
    drop(started);
    if matches!(args.command, Command::Serve(_)) {
        panic::set_hook(Box::new(log_panic));
    }
    log
}

/// A panic is a line of the log like any other failure.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(panic = panic.payload_as_str().unwrap_or("without words"), place, "a defect in Mergecast (panic)");
}
