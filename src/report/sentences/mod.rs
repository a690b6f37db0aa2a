//! Sentences as data, so that each rendering can make outside text harmless in its own way.
//!
//! Our own words are literals and figures; text from outside can enter only as [`Part::Name`] or [`Part::Prose`].

pub(crate) mod cause;
mod coverage;
pub(crate) mod evidence;
pub(crate) mod figures;
pub(crate) mod group;
pub(crate) mod health;
mod history;
pub(crate) mod unknown;
pub(crate) mod verdict;
pub(crate) mod ways;

use figures::Figure;

use super::{markdown, outside};

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Our own words.
    Words(&'static str),
    /// A number with its unit, a date, a digest: ours.
    Figure(String),
    /// A path, a name or code from outside.
    Name(String),
    /// A sentence from outside.
    Prose(String),
    /// A name from outside that leads to a page at Datadog.
    Link {
        /// The name.
        name: String,
        /// Address of the page: plain, see [`link`].
        url: String,
    },
}

impl From<&'static str> for Part {
    fn from(words: &'static str) -> Self {
        Self::Words(words)
    }
}

impl From<Figure> for Part {
    fn from(figure: Figure) -> Self {
        Self::Figure(figure.0)
    }
}

/// A path, a name or code from outside.
pub(crate) fn name(outside: &str) -> Part {
    Part::Name(outside.to_owned())
}

/// A sentence from outside.
pub(crate) fn prose(outside: &str) -> Part {
    Part::Prose(outside.to_owned())
}

/// A name from outside that leads to a page at Datadog, if the address is plain and on one of its sites; else the name alone.
pub(crate) fn link(outside: &str, url: Option<&str>) -> Part {
    match url.filter(|url| is_at_datadog(url)) {
        Some(url) => Part::Link { name: outside.to_owned(), url: url.to_owned() },
        None => name(outside),
    }
}

/// Whether an address is at Datadog and holds nothing that any markup would read.
fn is_at_datadog(url: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/?=%".contains(&byte);
    let Some(rest) = url.strip_prefix("https://").filter(|rest| rest.len() <= 300 && rest.bytes().all(plain)) else {
        return false;
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    ["datadoghq.com", "datadoghq.eu", "ddog-gov.com"]
        .into_iter()
        .any(|site| host.strip_suffix(site).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// Words of ours and text from outside, kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sentence(pub(crate) Vec<Part>);

/// A sentence from literals, figures and names.
macro_rules! say {
    ($($part:expr),* $(,)?) => {
        $crate::report::sentences::Sentence(vec![$($crate::report::sentences::Part::from($part)),*])
    };
}
pub(crate) use say;

/// How much is said of long lists and long names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    /// Most items of a list; the rest is counted.
    pub(crate) items: usize,
    /// Most characters of a name from outside.
    pub(crate) characters: usize,
}

impl Detail {
    /// As much as reads well.
    pub(crate) const FULL: Self = Self { items: 3, characters: 120 };
    /// Falling steps for a report that must become shorter.
    pub(crate) const STEPS: [Self; 4] = [
        Self::FULL,
        Self { items: 2, characters: 60 },
        Self { items: 1, characters: 40 },
        Self { items: 0, characters: 24 },
    ];
}

impl Sentence {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This sentence with `part` at its end.
    pub(crate) fn then(mut self, part: impl Into<Part>) -> Self {
        self.0.push(part.into());
        self
    }

    /// This sentence with `other` at its end.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Several sentences as one.
    pub(crate) fn joined(sentences: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        let mut all = Self::default();
        for sentence in sentences.into_iter().filter(|sentence| !sentence.is_empty()) {
            if !all.is_empty() {
                all.0.push(between.into());
            }
            all.0.extend(sentence.0);
        }
        all
    }

    /// GitHub Markdown.
    pub(crate) fn markdown(&self, detail: Detail) -> String {
        self.render(|part| match part {
            Part::Words(words) => (*words).to_owned(),
            Part::Figure(figure) => figure.clone(),
            Part::Name(name) => markdown::code_within(name, detail.characters),
            Part::Prose(prose) => markdown::text_within(prose, 3 * detail.characters),
            Part::Link { name, url } => format!("[{}]({url})", markdown::code_within(name, detail.characters)),
        })
    }

    /// One line without markup, for a terminal and for data.
    pub(crate) fn plain(&self, detail: Detail) -> String {
        self.render(|part| match part {
            Part::Words(words) => (*words).to_owned(),
            Part::Figure(figure) => figure.clone(),
            Part::Name(name) | Part::Link { name, .. } => outside::shorten(&outside::visible(name), detail.characters),
            Part::Prose(prose) => outside::shorten(&outside::visible(prose), 3 * detail.characters),
        })
    }

    fn render(&self, part: impl Fn(&Part) -> String) -> String {
        self.0.iter().map(part).collect()
    }
}

/// `a, b and 7 more`: at most `most` of `names`; only a count, such as `7 files`, where none fits.
pub(crate) fn list<'a>(
    names: impl ExactSizeIterator<Item = &'a String>,
    most: usize,
    things: &'static str,
) -> Sentence {
    let total = names.len();
    if most == 0 {
        return say![figures::count(total), " ", things];
    }
    let shown = names.take(most).map(|item| say![name(item)]);
    let all = Sentence::joined(shown, ", ");
    if total > most { all.then(" and ").then(figures::count(total - most)).then(" more") } else { all }
}
