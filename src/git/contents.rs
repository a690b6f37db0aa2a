//! Which contents are in a clone: a partial one may have commits and trees only.

use std::{collections::HashSet, io::Read};

use super::{Error, Repository, process::Git};

/// Changes that are looked at to tell what a clone holds.
const LOOKED_AT: &str = "--max-count=200";

impl Repository {
    /// Whether objects of it may be elsewhere.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether the lines of most files cannot be counted that the latest changes of the main line up to `tip` touched: a
    /// partial clone without contents, of which only the files that are checked out may be here.
    ///
    /// # Errors
    /// The tip is unknown, or git fails.
    pub fn lacks_contents(&self, tip: &str) -> Result<bool, Error> {
        if !self.partial {
            return Ok(false);
        }
        let tip = self.commit(tip)?;
        let listed = self.git.run(&[
            "log",
            "--first-parent",
            "--diff-merges=first-parent",
            LOOKED_AT,
            "--format=",
            "--no-show-signature",
            "--raw",
            "-r",
            "-z",
            "--no-abbrev",
            "--no-renames",
            "--no-ext-diff",
            "--no-color",
            &tip,
            "--",
        ])?;
        let listed = String::from_utf8_lossy(&listed);
        let files: Vec<Vec<&str>> = listed.split('\0').filter_map(contents).collect();
        let missing = missing(&self.git, files.iter().flatten().copied().collect())?;
        let uncounted = files.iter().filter(|ids| ids.iter().any(|id| missing.contains(*id))).count();
        Ok(uncounted * 2 > files.len())
    }
}

/// Object ids of the contents before and after, of a line `:mode mode id id status`; none of what has no contents.
fn contents(line: &str) -> Option<Vec<&str>> {
    // Two commits stand apart by a line break.
    let fields: Vec<&str> = line.trim_start().strip_prefix(':')?.split(' ').collect();
    let &[old_mode, new_mode, old, new, _] = fields.as_slice() else { return None };
    let is_content = |(mode, id): &(&str, &str)| *mode != "160000" && id.bytes().any(|digit| digit != b'0');
    Some([(old_mode, old), (new_mode, new)].into_iter().filter(is_content).map(|(_, id)| id).collect())
}

/// Those of these objects that are not here.
pub(super) fn missing(git: &Git, wanted: HashSet<&str>) -> Result<HashSet<String>, Error> {
    let input: String = wanted.into_iter().flat_map(|id| [id, "\n"]).collect();
    let (mut output, running) =
        git.feed(&["cat-file", "--batch-check=%(objectname)", "--buffer"], &[], input.into_bytes())?;
    let mut listed = Vec::new();
    output.read_to_end(&mut listed).map_err(Error::Io)?;
    running.finish()?;
    let listed = String::from_utf8(listed).map_err(|_| Error::Answer("cat-file"))?;
    Ok(listed.lines().filter_map(|line| line.strip_suffix(" missing")).map(str::to_owned).collect())
}
