//! One line of CODEOWNERS: its pattern taken apart into segments, its owners checked.

use std::{borrow::Cow, ops::Range};

use super::MistakeKind;

/// Git allows paths of 4,096 bytes; a pattern with more segments than that can hold matches none.
const SEGMENTS_MAX: usize = 2_048;

/// Why a line is skipped.
pub(super) struct Fault {
    /// 1-based, in characters.
    pub(super) column: u64,
    pub(super) kind: MistakeKind,
    pub(super) suggestion: Option<String>,
}

/// A pattern, anchored at the root: one without a slash at its start or inside begins with `AnyDepth`.
#[derive(Debug, PartialEq)]
pub(super) struct Pattern<'a> {
    pub(super) segments: Vec<Segment<'a>>,
    pub(super) extent: Extent,
}

/// What a pattern covers once its segments have matched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Extent {
    /// The file itself only: patterns that end in `/*`.
    Exact,
    /// Everything below the directory: patterns that end in `/` or `/**`.
    Below,
    /// The file itself, or everything below the directory.
    ExactAndBelow,
}

/// Matches one path segment, or any number of them.
#[derive(Debug, PartialEq)]
pub(super) enum Segment<'a> {
    /// `**`: any number of segments, none too.
    AnyDepth,
    /// A segment that is this text.
    Literal(Cow<'a, str>),
    /// A segment that these pieces match.
    Wild(Vec<Piece>),
}

/// A part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
}

/// A line that counts.
pub(super) struct Counts {
    /// Where its pattern stands.
    pub(super) pattern: Range<usize>,
    /// What GitHub finds wrong with it all the same.
    pub(super) fault: Option<Fault>,
}

/// Takes a line apart; `Ok(None)` for blank lines and comments.
pub(super) fn check_line(line: &str) -> Result<Option<Counts>, Fault> {
    let trimmed = line.trim_start_matches(is_blank);
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let start = line.len() - trimmed.len();
    let end = start + pattern_end(trimmed);
    let fault = |offset: usize, kind, suggestion| Fault {
        column: line[..offset].chars().count() as u64 + 1,
        kind,
        suggestion: Some(suggestion),
    };
    let invalid = |(offset, suggestion)| fault(start + offset, MistakeKind::InvalidPattern, suggestion);
    let tolerated = check_pattern(&line[start..end]).map_err(invalid)?.map(invalid);
    match owners(&line[end..]).find(|owner| !is_owner(owner)) {
        Some(owner) => {
            let offset = owner.as_ptr() as usize - line.as_ptr() as usize;
            Err(fault(offset, MistakeKind::InvalidOwner, instead_of(owner)))
        }
        None => Ok(Some(Counts { pattern: start..end, fault: tolerated })),
    }
}

/// What to write in the place of an owner that is none.
fn instead_of(owner: &str) -> String {
    let handle = format!("@{owner}");
    if !owner.contains('@') && is_owner(&handle) {
        return format!("did you mean {handle}?");
    }
    "write @user, @org/team or an e-mail address".to_owned()
}

/// The owners in what follows a pattern, up to a comment.
pub(super) fn owners(rest: &str) -> impl Iterator<Item = &str> {
    let end = rest.find(['#', '\r']).unwrap_or(rest.len());
    rest[..end].split(is_blank).filter(|owner| !owner.is_empty())
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Where the pattern ends: at the first blank that no backslash escapes, or at a `#`, which none can.
fn pattern_end(text: &str) -> usize {
    let mut escaped = false;
    for (offset, c) in text.char_indices() {
        match c {
            '#' => return offset,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ' ' | '\t' => return offset,
            _ => {}
        }
    }
    text.len()
}

/// Whether GitHub accepts the pattern; if not, where it fails (a byte offset) and what to write instead. Brackets that are
/// not escaped are such a fault; what they mean is clear all the same, since there are no ranges.
fn check_pattern(source: &str) -> Result<Option<(usize, String)>, (usize, String)> {
    if source.starts_with('!') {
        let instead = "a line cannot take files away; write a later line with other owners, or with none";
        return Err((0, instead.to_owned()));
    }
    let mut escaped = false;
    let mut stars = 0;
    let mut bracket = None;
    for (offset, byte) in source.bytes().enumerate() {
        stars = if byte == b'*' && !escaped { stars + 1 } else { 0 };
        match byte {
            0 => return Err((offset, "remove the null character".to_owned())),
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' | b']' => _ = bracket.get_or_insert(offset),
            b'*' if stars == 3 => return Err((offset - 2, with_fewer_stars(source))),
            _ => {}
        }
    }
    // What a backslash at the end was to escape is a `#`, or nothing.
    if escaped {
        let instead = "a # cannot be escaped, it begins a comment; write ? in its place, or remove the last backslash";
        return Err((source.len() - 1, instead.to_owned()));
    }
    Ok(bracket.map(|offset| (offset, without_range(source))))
}

/// The pattern with each bracket escaped that is not yet.
fn without_range(source: &str) -> String {
    let mut pattern = String::new();
    let mut escaped = false;
    for c in source.chars() {
        if matches!(c, '[' | ']') && !escaped {
            pattern.push('\\');
        }
        escaped = c == '\\' && !escaped;
        pattern.push(c);
    }
    format!("there are no character ranges; for a path with brackets write {pattern}")
}

fn with_fewer_stars(source: &str) -> String {
    let mut pattern = source.to_owned();
    while pattern.contains("***") {
        pattern = pattern.replace("***", "**");
    }
    format!("did you mean {pattern}?")
}

impl<'a> Pattern<'a> {
    /// Takes a checked pattern apart. `None` if it holds a literal segment that is not among `known`, or more segments
    /// than any path has, and so cannot match.
    pub(super) fn parse(source: &'a str, known: impl Fn(&str) -> bool) -> Option<Self> {
        if source == "/" {
            return None;
        }
        let body = source.strip_prefix('/').unwrap_or(source);
        let (body, directory) = match body.strip_suffix('/') {
            // An escaped slash is a slash all the same; an escaped backslash before it is one as well.
            Some(body) if body.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 => {
                (&body[..body.len() - 1], true)
            }
            Some(body) => (body, true),
            None => (body, false),
        };
        let mut segments = Vec::new();
        if !source.starts_with('/') && !body.contains('/') {
            segments.push(Segment::AnyDepth);
        }
        for text in body.split('/') {
            match parse_segment(text) {
                Segment::AnyDepth if segments.last() == Some(&Segment::AnyDepth) => {}
                Segment::Literal(text) if !known(&text) => return None,
                segment => segments.push(segment),
            }
            if segments.len() > SEGMENTS_MAX {
                return None;
            }
        }
        let extent = extent(&mut segments, directory);
        Some(Self { segments, extent })
    }
}

fn extent(segments: &mut Vec<Segment<'_>>, directory: bool) -> Extent {
    match segments.last() {
        // `docs/**/` is no more than `docs/**`: a slash at the end is one at any depth.
        Some(Segment::AnyDepth) => {
            segments.pop();
            Extent::Below
        }
        _ if directory => Extent::Below,
        Some(Segment::Wild(pieces)) if pieces == &[Piece::Many] => Extent::Exact,
        _ => Extent::ExactAndBelow,
    }
}

fn parse_segment(text: &str) -> Segment<'_> {
    if text == "**" {
        return Segment::AnyDepth;
    }
    if !text.contains(['\\', '?', '*']) {
        return Segment::Literal(Cow::Borrowed(text));
    }
    let mut pieces = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let piece = match c {
            '\\' => match chars.next() {
                Some(escaped) => Piece::Char(escaped),
                // The backslash before a slash.
                None => break,
            },
            '?' => Piece::One,
            '*' => Piece::Many,
            c => Piece::Char(c),
        };
        // `**` inside a segment is no more than `*`.
        if piece != Piece::Many || pieces.last() != Some(&Piece::Many) {
            pieces.push(piece);
        }
    }
    plain(&pieces).map_or(Segment::Wild(pieces), |text| Segment::Literal(Cow::Owned(text)))
}

/// The text of pieces without wildcards.
pub(super) fn plain(pieces: &[Piece]) -> Option<String> {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Char(c) => Some(*c),
            Piece::One | Piece::Many => None,
        })
        .collect()
}

/// Whether GitHub reads it as an owner.
pub(super) fn is_owner(text: &str) -> bool {
    let name = |text: &str, extra: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || extra.contains(c))
    };
    if let Some(handle) = text.strip_prefix('@') {
        return match handle.split_once('/') {
            Some((organisation, team)) => name(organisation, "_") && name(team, "_."),
            None => name(handle, "_"),
        };
    }
    match text.split_once('@') {
        Some((local, domain)) => {
            name(local, "._'%+") && name(domain, ".") && domain.contains('.') && !domain.ends_with('.')
        }
        None => false,
    }
}
