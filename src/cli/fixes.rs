//! Which changes of a stream needed a fix: known where a table of labels lies beside it.

use std::{collections::HashMap, fs, io::Read, path::Path};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;

/// Which changes were rolled back or needed a fix, by the `fail30` column of `NAME.features.csv.gz` beside the stream;
/// nothing where there is no such file.
pub(super) fn fixes_beside(stream: &Path) -> Result<Option<HashMap<String, bool>>> {
    let name = stream.file_name().unwrap_or_default().to_string_lossy();
    let Some(name) = name.strip_suffix(".changes.jsonl.gz") else { return Ok(None) };
    let file = stream.with_file_name(format!("{name}.features.csv.gz"));
    if !file.exists() {
        return Ok(None);
    }
    let said = || format!("{} cannot be read", file.display());
    let mut text = String::new();
    MultiGzDecoder::new(fs::File::open(&file).with_context(said)?).read_to_string(&mut text).with_context(said)?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |wanted: &str| header.iter().position(|name| *name == wanted);
    let (Some(sha), Some(fail30)) = (column("sha"), column("fail30")) else {
        bail!("{} has no columns sha and fail30", file.display());
    };
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        Some(((*cells.get(sha)?).to_owned(), *cells.get(fail30)? != "0"))
    };
    Ok(Some(lines.filter_map(row).collect()))
}
