//! Which model is in force after a list of activations and rollbacks.

/// What was done about the model in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<'v> {
    /// A version was put in force.
    Activated(&'v str),
    /// The last one was taken out of force, so that the one before it is again.
    RolledBack,
}

/// Versions that followed each other, the one in force last; empty while the shipped model is. What was rolled back is
/// not among them.
pub fn succession<'v>(turns: impl IntoIterator<Item = Turn<'v>>) -> Vec<&'v str> {
    let mut versions = Vec::new();
    for turn in turns {
        match turn {
            Turn::Activated(version) => versions.push(version),
            Turn::RolledBack => drop(versions.pop()),
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::{Turn::*, *};

    #[test]
    fn a_rollback_leads_to_the_version_before() {
        let check =
            |turns: &[Turn<'static>], expected: &[&str]| assert_eq!(succession(turns.iter().copied()), expected);
        check(&[], &[]);
        check(&[Activated("a"), Activated("b")], &["a", "b"]);
        check(&[Activated("a"), Activated("b"), RolledBack], &["a"]);
        // Not to what was rolled back itself.
        check(&[Activated("a"), Activated("b"), RolledBack, Activated("c"), RolledBack, RolledBack], &[]);
        check(&[RolledBack, Activated("a")], &["a"]);
    }
}
