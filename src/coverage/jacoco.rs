//! JaCoCo's XML: `package name` holds `sourcefile name`, and that `line nr ci`, the instructions of the line that ran.
//!
//! Where a package lies in the repository it does not say; the tree does.

use super::{
    Draft, Format, Refused,
    markup::{Document, Piece},
};

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), Refused> {
    let mut document = Document::new(text, Format::Jacoco);
    let mut package = String::new();
    while let Some(piece) = document.next()? {
        match piece {
            Piece::Open(element) => match element.name() {
                "package" => package = element.text("name").unwrap_or_default().into_owned(),
                "sourcefile" => {
                    let name = element.text("name").ok_or_else(|| document.malformed("a sourcefile without name"))?;
                    draft.open(&format!("{package}/{name}"))?;
                }
                "line" => {
                    let (Some(number), Some(ran)) = (element.number("nr"), element.number("ci")) else {
                        return Err(document.malformed("a line without nr and ci"));
                    };
                    draft.line(number, ran)?;
                }
                _ => {}
            },
            Piece::Close(name) if name == "sourcefile" => draft.close(),
            Piece::Close(_) | Piece::Text(_) => {}
        }
    }
    Ok(())
}
