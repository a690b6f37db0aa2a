//! `mergecast backup` and `mergecast restore`: the database to a file, and back.

use std::{io::Write, path::Path};

use chrono::{DateTime, Utc};

use crate::{
    config::Config,
    store::{self, Copied},
};

/// Copies the database to `file`; the App may run and write meanwhile.
///
/// # Errors
/// When the file exists and is not to be overwritten, cannot be written, or the copy is not whole.
pub(super) fn backup(config: &Config, file: &Path, force: bool) -> anyhow::Result<()> {
    let Copied { bytes, schema } = store::backup(&config.database.parse()?, file, force)?;
    writeln!(anstream::stdout(), "{}", file.display())?;
    anstream::eprintln!("copied and checked: {} MB, schema {schema}", megabytes(bytes));
    Ok(())
}

/// Puts the copy in `file` in the place of the database.
///
/// # Errors
/// When the database is in use, or the copy is broken or of a later version.
pub(super) fn restore(config: &Config, file: &Path, now: DateTime<Utc>) -> anyhow::Result<()> {
    let stamp = now.format("%Y%m%dT%H%M%S%3fZ").to_string();
    let restored = store::restore(&config.database.parse()?, file, &stamp)?;
    let Copied { bytes, schema } = restored.copied;
    anstream::eprintln!("restored and checked: {} MB, schema {schema}", megabytes(bytes));
    if let Some(aside) = restored.aside {
        writeln!(anstream::stdout(), "{}", aside.display())?;
        anstream::eprintln!("the database before is kept under that name; delete it when it is no longer needed");
    }
    Ok(())
}

/// With one decimal.
fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
