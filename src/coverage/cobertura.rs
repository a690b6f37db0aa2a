//! Cobertura's XML: `class filename` holds `line number hits`, once in its methods and once for the whole class.
//!
//! File names are relative to one of the `sources`. One that is relative itself is put before them; absolute ones are
//! places on the machine that ran the tests, and the end of the path tells more.

use super::{
    Draft, Format, Refused,
    markup::{Document, Piece},
};

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), Refused> {
    let mut document = Document::new(text, Format::Cobertura);
    let mut sources: Vec<String> = Vec::new();
    let mut in_source = false;
    while let Some(piece) = document.next()? {
        match piece {
            Piece::Open(element) => {
                in_source = element.name() == "source";
                match element.name() {
                    "class" => {
                        let file =
                            element.text("filename").ok_or_else(|| document.malformed("a class without filename"))?;
                        draft.open(&below(&sources, &file))?;
                    }
                    "line" => {
                        let (Some(number), Some(hits)) = (element.number("number"), element.number("hits")) else {
                            return Err(document.malformed("a line without number and hits"));
                        };
                        draft.line(number, hits)?;
                    }
                    _ => {}
                }
            }
            Piece::Text(text) if in_source && sources.len() < 2 => sources.push(text.trim().to_owned()),
            Piece::Text(_) => {}
            Piece::Close(name) => {
                in_source = false;
                if name == "class" {
                    draft.close();
                }
            }
        }
    }
    Ok(())
}

/// The file's path below the one relative source, if that is what there is.
fn below(sources: &[String], file: &str) -> String {
    match sources {
        [source]
            if !file.starts_with('/')
                && !source.is_empty()
                && !source.starts_with(['/', '\\'])
                && !source.contains(':') =>
        {
            let below = format!("{source}/{file}");
            // A source that leads upwards says nothing of where the file lies.
            if super::path::clean(&below).is_some() { below } else { file.to_owned() }
        }
        _ => file.to_owned(),
    }
}
