//! `mergecast man`: manual pages, made from the same definition as the help.

use std::{fs, io::Write, path::Path};

use anyhow::Context;

/// Writes the page of the whole program to `out`, or that page and one for each subcommand into `directory`, which is
/// made if it is missing.
///
/// # Errors
/// When something cannot be written.
pub(super) fn run(command: clap::Command, directory: Option<&Path>, out: &mut impl Write) -> anyhow::Result<()> {
    // `help` has no page of its own that could be referred to.
    let command = command.disable_help_subcommand(true);
    let Some(directory) = directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(out.write_all(&page)?);
    };
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    clap_mangen::generate_to(command, directory)
        .with_context(|| format!("the pages cannot be written to {}", directory.display()))
}
