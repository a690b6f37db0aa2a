//! A model that a file names.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow};

use crate::risk::Model;

/// Reads a model.
///
/// # Errors
/// The file cannot be read, or holds no model that this version reads.
pub(super) fn read(file: &Path) -> Result<Model> {
    let json = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Model::parse(&json).map_err(|error| {
        anyhow!("{}: {error}\nhint: mergecast calibrate --fit writes models that this version reads", file.display())
    })
}
