//! `mergecast completions`: a script for a shell, made from the same definition as the help.

use std::io::Write;

use clap_complete::Shell;

/// Writes the script for `shell`.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn run(shell: Shell, mut command: clap::Command, out: &mut impl Write) -> anyhow::Result<()> {
    // The generator panics where it cannot write, so that it writes to memory first.
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    out.write_all(&script)?;
    Ok(())
}
