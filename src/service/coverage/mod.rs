//! Coverage that CI uploads: who may, what is taken, and what a score reads of it.

mod inflate;

pub use inflate::{NotInflated, inflate, is_gzip};
