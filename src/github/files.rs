//! Changed files with their hunks, over REST: GraphQL has no patches.

use crate::risk::facts::FileChange;

/// Changed files, as many as GitHub gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Files {
    /// In GitHub's order (by path).
    pub files: Vec<FileChange>,
    /// Nothing is missing; GitHub lists at most 3,000 files.
    pub complete: bool,
    /// The answers they were read from, to be kept for the next time.
    pub pages: Vec<CachedPage>,
}

/// An answer that can be revalidated for free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedPage {
    /// Path and query below the API's base; the same for the same page of the same list.
    pub route: String,
    /// GitHub's `ETag`.
    pub etag: String,
    /// The JSON text.
    pub body: Vec<u8>,
}
