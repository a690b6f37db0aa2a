//! XML within bounds: elements and their attributes, nothing else. No entity but the five that XML itself knows is
//! replaced, a document type may be named but not defined, and depth and attributes have limits.

use std::borrow::Cow;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::{Format, Refused};

/// Elements within one another. No format needs a dozen, groups of JaCoCo's aside.
const DEPTH_MAX: usize = 64;
/// Attributes of an element that are looked at.
const ATTRIBUTES_MAX: usize = 64;
/// Elements that may stand before the one that says what the report is.
const LOOKED_AT: usize = 1_000;

/// Something in the document.
pub(super) enum Piece<'a> {
    /// An element begins. One without content ends at once.
    Open(Element<'a>),
    /// The innermost open element ends; its name.
    Close(Cow<'a, str>),
    /// Text, without references.
    Text(Cow<'a, str>),
}

/// The start of an element.
pub(super) struct Element<'a>(BytesStart<'a>);

/// Reads a document piece by piece.
pub(super) struct Document<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    format: Format,
    text: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, format: Format) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = true;
        config.allow_dangling_amp = true;
        Self { reader, depth: 0, format, text }
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece<'a>>, Refused> {
        loop {
            let event = self.reader.read_event();
            let event = event.map_err(|_| self.malformed("not well-formed"))?;
            return Ok(Some(match event {
                Event::Start(start) | Event::Empty(start) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        return Err(Refused::TooLarge { what: "elements within one another", limit: DEPTH_MAX as u64 });
                    }
                    Piece::Open(Element(start))
                }
                Event::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    Piece::Close(local(end.name().as_ref()).to_owned().into())
                }
                Event::Text(text) => Piece::Text(text.into_inner()),
                Event::DocType(name) if name.contains(['[', '<']) => {
                    return Err(self.malformed("it defines a document type of its own"));
                }
                Event::Eof if self.depth > 0 => return Err(self.malformed("cut off")),
                Event::Eof => return Ok(None),
                _ => continue,
            }));
        }
    }

    /// That something is wrong where the reader stands.
    pub(super) fn malformed(&self, what: &'static str) -> Refused {
        let at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX).min(self.text.len());
        let line = self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        Refused::Malformed { format: self.format, line: Some(line), what }
    }
}

impl Element<'_> {
    /// Name without a prefix.
    pub(super) fn name(&self) -> &str {
        local(self.0.name().into_inner())
    }

    /// Value of an attribute.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut attributes = self.0.attributes();
        // To look for doubles costs the square of their number.
        attributes.with_checks(false);
        let found = attributes.take(ATTRIBUTES_MAX).filter_map(Result::ok).find(|one| one.key.as_ref() == name)?;
        found.normalized_value(XmlVersion::Implicit1_0).ok()
    }

    /// Value of an attribute that is a whole number, 0 for one below.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        let text = text.trim();
        text.parse().ok().or_else(|| text.parse::<i64>().ok().map(|_| 0))
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Which of the XML formats this is.
pub(super) fn detect(text: &str) -> Result<Format, Refused> {
    let mut document = Document::new(text, Format::Cobertura);
    let mut root = String::new();
    for _ in 0..LOOKED_AT {
        let Some(piece) = document.next()? else { break };
        let Piece::Open(element) = piece else { continue };
        match (root.as_str(), element.name()) {
            ("", "report") => return Ok(Format::Jacoco),
            ("", "coverage") if element.text("line-rate").is_some() => return Ok(Format::Cobertura),
            ("", "coverage") => root.push_str("coverage"),
            ("", _) => break,
            (_, "sources" | "packages") => return Ok(Format::Cobertura),
            (_, "project") => return Ok(Format::Clover),
            _ => {}
        }
    }
    Err(Refused::Unknown)
}
