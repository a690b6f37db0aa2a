//! Paths as reports give them. They are names to compare with a repository's files; nothing opens them.

/// Longest path that is taken, in bytes.
const BYTES_MAX: usize = 1_024;
/// Most parts of a path; more would cost time and mean nothing.
const PARTS_MAX: usize = 64;

/// The path with `/` between its parts, without drive, leading slash and `.`; `None` if it leads upwards, has no part or
/// cannot be a file's.
pub(super) fn clean(given: &str) -> Option<String> {
    let given = given.trim();
    if given.len() > BYTES_MAX || given.chars().any(char::is_control) {
        return None;
    }
    // A drive, as in `C:\src`.
    let bytes = given.as_bytes();
    let drive = matches!(bytes, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    let given = if drive { &given[2..] } else { given };
    let mut clean = String::with_capacity(given.len());
    let mut parts = 0;
    for part in given.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => return None,
            part => {
                parts += 1;
                if parts > PARTS_MAX {
                    return None;
                }
                if !clean.is_empty() {
                    clean.push('/');
                }
                clean.push_str(part);
            }
        }
    }
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_names_to_compare() {
        let check = |given: &str, expected: Option<&str>| assert_eq!(clean(given).as_deref(), expected, "{given}");
        check("src/a.rs", Some("src/a.rs"));
        check("./src//a.rs", Some("src/a.rs"));
        check(" /home/ci/shop/src/a.rs ", Some("home/ci/shop/src/a.rs"));
        check("C:\\ci\\shop\\src\\a.cs", Some("ci/shop/src/a.cs"));
        check("c:/ci/a.cs", Some("ci/a.cs"));
        check("src/größe.rs", Some("src/größe.rs"));
        for bad in ["", " ", "/", ".", "./", "../a.rs", "src/../../etc/passwd", "..\\a", "a\0b", "a\nb", "/.."] {
            check(bad, None);
        }
        check(&"a".repeat(BYTES_MAX), Some(&"a".repeat(BYTES_MAX)));
        check(&"a".repeat(BYTES_MAX + 1), None);
        check(&"a/".repeat(PARTS_MAX), Some(&vec!["a"; PARTS_MAX].join("/")));
        check(&"a/".repeat(PARTS_MAX + 1), None);
    }
}
