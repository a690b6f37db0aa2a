//! Where output goes and what the terminal there can show.

use std::io::{IsTerminal, Write};

use crate::report::terminal::Style;

/// Columns when the output is not a terminal that tells.
const WIDTH: usize = 100;

/// Standard output: colours are taken out where they are not wanted (`NO_COLOR`, pipes).
pub(super) struct Terminal {
    out: anstream::AutoStream<std::io::Stdout>,
    style: Style,
}

impl Terminal {
    /// Standard output of this process.
    pub(super) fn stdout() -> Self {
        let out = anstream::stdout();
        let color = out.current_choice() != anstream::ColorChoice::Never;
        let unicode = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .is_none_or(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"));
        Self { out, style: Style { color, width: width(), unicode } }
    }

    /// What it can show.
    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// Where to write.
    pub(super) fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }
}

fn width() -> usize {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return WIDTH;
    }
    terminal_size::terminal_size_of(stdout).map_or(WIDTH, |(width, _)| usize::from(width.0))
}
