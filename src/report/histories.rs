//! The page that says of each repository whether its history is ready, loading or could not be had.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    outside,
    sentences::figures::{count, instant},
};

/// Most characters of what a remote or git said.
const WHY_MAX: usize = 300;

/// How the history of a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryState {
    /// It is there, with so many changes up to that time.
    Ready {
        /// Changes of the main line.
        changes: u64,
        /// When the repository was fetched last.
        at: DateTime<Utc>,
    },
    /// It is read for the first time; how much of that is done, 0-100.
    Loading(u8),
    /// It could not be had. Untrusted text.
    Failed(String),
}

/// One repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// `owner/name`. Untrusted.
    pub repository: String,
    /// How its history is.
    pub state: HistoryState,
}

#[derive(Template)]
#[template(path = "histories.html")]
struct HistoriesPage {
    rows: Vec<ShownRow>,
}

struct ShownRow {
    repository: String,
    state: String,
    why: String,
}

/// The page.
pub fn page(rows: &[HistoryRow]) -> String {
    let rows = rows.iter().map(shown).collect();
    HistoriesPage { rows }.render().expect("templates write to a string and call nothing that fails")
}

fn shown(row: &HistoryRow) -> ShownRow {
    let (state, why) = match &row.state {
        HistoryState::Ready { changes: 1, at } => (format!("ready, 1 change up to {}", instant(*at)), ""),
        HistoryState::Ready { changes, at } => {
            (format!("ready, {} changes up to {}", count(*changes), instant(*at)), "")
        }
        HistoryState::Loading(percent) => (format!("loading, {percent} %"), ""),
        HistoryState::Failed(why) => ("failed, and tried again by itself".to_owned(), why.as_str()),
    };
    let why = outside::shorten(&outside::visible(why), WHY_MAX);
    ShownRow { repository: outside::visible(&row.repository), state, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_words_and_outside_text_is_harmless() {
        let row = |repository: &str, state| HistoryRow { repository: repository.to_owned(), state };
        let at = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let html = page(&[
            row("acme/shop", HistoryState::Ready { changes: 12_345, at }),
            row("acme/till", HistoryState::Loading(43)),
            row("acme/<img src=x>", HistoryState::Failed("git failed: <script>\u{202e}".to_owned())),
        ]);
        for expected in ["ready, 12,345 changes up to 2025-10-09 08:53 UTC", "loading, 43 %", "tried again by itself"] {
            assert!(html.contains(expected), "{expected}: {html}");
        }
        assert!(!html.contains("<img") && !html.contains("<script") && !html.contains('\u{202e}'), "{html}");
        assert!(page(&[]).contains("No repository is mirrored yet"));
    }
}
