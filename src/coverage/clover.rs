//! Clover's XML: `file path` holds `line num count`; a condition ran if one of its outcomes did.

use super::{
    Draft, Format, Refused,
    markup::{Document, Element, Piece},
};

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), Refused> {
    let mut document = Document::new(text, Format::Clover);
    while let Some(piece) = document.next()? {
        match piece {
            Piece::Open(element) => match element.name() {
                "file" => {
                    let path = element.text("path").or_else(|| element.text("name"));
                    draft.open(&path.ok_or_else(|| document.malformed("a file without path"))?)?;
                }
                "line" => {
                    let (Some(number), Some(count)) = (element.number("num"), count(&element)) else {
                        return Err(document.malformed("a line without num and count"));
                    };
                    draft.line(number, count)?;
                }
                _ => {}
            },
            Piece::Close(name) if name == "file" => draft.close(),
            Piece::Close(_) | Piece::Text(_) => {}
        }
    }
    Ok(())
}

fn count(line: &Element<'_>) -> Option<u64> {
    let outcomes = || Some(line.number("truecount")?.max(line.number("falsecount")?));
    line.number("count").or_else(outcomes)
}
