//! The JSON of `llvm-cov export`: for each file the segments in which one count holds. Lines follow from them by the rule
//! of LLVM itself (`LineCoverageStats` in CoverageMapping.cpp).

use serde::Deserialize;

use super::{Draft, Format, LINE_MAX, Refused};

#[derive(Deserialize)]
struct Export {
    #[serde(rename = "type")]
    kind: String,
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    segments: Vec<Segment>,
}

/// From this place on the count holds, until the next segment.
#[derive(Clone, Copy)]
struct Segment {
    line: u64,
    count: u64,
    has_count: bool,
    is_region_entry: bool,
    is_gap: bool,
}

/// A list of five or, since LLVM 11, six values.
impl<'de> Deserialize<'de> for Segment {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Segment;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a segment")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Segment, A::Error> {
                let short = || serde::de::Error::custom("a short segment");
                let line = list.next_element()?.ok_or_else(short)?;
                let _column: u64 = list.next_element()?.ok_or_else(short)?;
                let segment = Segment {
                    line,
                    count: list.next_element()?.ok_or_else(short)?,
                    has_count: list.next_element()?.ok_or_else(short)?,
                    is_region_entry: list.next_element()?.ok_or_else(short)?,
                    is_gap: list.next_element()?.unwrap_or(false),
                };
                while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(segment)
            }
        }
        from.deserialize_seq(Visitor)
    }
}

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), Refused> {
    let malformed = |line, what| Refused::Malformed { format: Format::LlvmCov, line, what };
    let export: Export = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refused::Unknown,
        _ => malformed(Some(error.line() as u64), "not JSON"),
    })?;
    if export.kind != "llvm.coverage.json.export" {
        return Err(Refused::Unknown);
    }
    for file in export.data.iter().flat_map(|data| &data.files) {
        if file.segments.windows(2).any(|pair| pair[0].line > pair[1].line) {
            return Err(malformed(None, "segments that are not in order"));
        }
        draft.open(&file.filename)?;
        lines(&file.segments, draft)?;
    }
    Ok(())
}

fn lines(segments: &[Segment], draft: &mut Draft) -> Result<(), Refused> {
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(()) };
    if last.line > u64::from(LINE_MAX) {
        return Err(Refused::TooLarge { what: "lines in one file", limit: u64::from(LINE_MAX) });
    }
    let mut rest = segments;
    let mut wrapped: Option<Segment> = None;
    let mut line = first.line;
    while let Some(next) = rest.first() {
        if line < next.line && !wrapped.is_some_and(|segment| segment.has_count) {
            // Nothing up to there can run.
            line = next.line;
        }
        let here = rest.iter().take_while(|segment| segment.line == line).count();
        let (on_line, after) = rest.split_at(here);
        if let Some(hits) = hits(on_line, wrapped) {
            draft.line(line, hits)?;
        }
        wrapped = on_line.last().copied().or(wrapped);
        rest = after;
        line += 1;
    }
    Ok(())
}

/// How often a line ran, from the segments that begin on it and the one that reaches into it; `None` if nothing on it
/// can run.
fn hits(on_line: &[Segment], wrapped: Option<Segment>) -> Option<u64> {
    let starts = |segment: &&Segment| !segment.is_gap && segment.has_count && segment.is_region_entry;
    let skipped = on_line.first().is_some_and(|first| !first.has_count && first.is_region_entry);
    let regions = on_line.iter().filter(starts);
    let most = regions.map(|segment| segment.count).max();
    let mapped = !skipped && (wrapped.is_some_and(|segment| segment.has_count) || most.is_some());
    mapped.then(|| wrapped.map_or(0, |segment| segment.count).max(most.unwrap_or(0)))
}
