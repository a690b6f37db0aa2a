//! Where the database lies, as people write it in a setting.

use std::{path::PathBuf, str::FromStr};

use super::StoreError;

/// Where the database lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePath {
    /// A SQLite file.
    File(PathBuf),
}

impl FromStr for StorePath {
    type Err = StoreError;

    /// Reads `sqlite://PATH`, `sqlite:PATH` or a plain path; `sqlite:///PATH` is absolute.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let text = text.trim();
        let path = match text.split_once(':') {
            Some(("sqlite", rest)) => rest.strip_prefix("//").unwrap_or(rest),
            Some(("postgres" | "postgresql", _)) => return Err(POSTGRES),
            Some((_, rest)) if rest.starts_with("//") => return Err(UNKNOWN),
            _ => text,
        };
        if path.is_empty() || path == ":memory:" || path.contains('?') {
            return Err(NO_FILE);
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

const POSTGRES: StoreError = StoreError::Address {
    what: "PostgreSQL is not supported yet; it comes with a later version",
    hint: "use a SQLite file until then, such as sqlite://mergecast.db",
};
const UNKNOWN: StoreError = StoreError::Address {
    what: "the database address has a scheme that is not known",
    hint: "use a SQLite file, such as sqlite://mergecast.db",
};
const NO_FILE: StoreError = StoreError::Address {
    what: "the database address names no file",
    hint: "name a file without options, such as sqlite://mergecast.db",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, StoreError>) {
        assert_eq!(text.parse(), expected.map(|path| StorePath::File(path.into())), "{text}");
    }

    #[test]
    fn reads_addresses() {
        check("sqlite://mergecast.db", Ok("mergecast.db"));
        check("sqlite:///var/lib/mergecast/mergecast.db", Ok("/var/lib/mergecast/mergecast.db"));
        check("sqlite:data/mergecast.db", Ok("data/mergecast.db"));
        check(" ./mergecast.db\n", Ok("./mergecast.db"));
        check("/srv/a:b.db", Ok("/srv/a:b.db"));
        check("postgres://bot:hunter2@db/mergecast", Err(POSTGRES));
        check("postgresql://db/mergecast", Err(POSTGRES));
        check("mysql://db/mergecast", Err(UNKNOWN));
        for nothing in ["", "sqlite:", "sqlite://", "sqlite::memory:", ":memory:", "sqlite://a.db?mode=ro"] {
            check(nothing, Err(NO_FILE));
        }
        let shown = "postgres://bot:hunter2@db/mergecast".parse::<StorePath>().unwrap_err().to_string();
        assert!(!shown.contains("hunter2") && shown.contains("\nhint: "), "{shown}");
    }
}
