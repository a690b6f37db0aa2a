//! What git says of how far it is, on its standard error.

/// What git is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The remote counts the objects that are wanted.
    Counting,
    /// The remote packs them.
    Compressing,
    /// They come.
    Receiving,
    /// They are unpacked.
    Resolving,
}

/// How far git is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// How much of that is done, 0-100.
    pub percent: u8,
}

impl Progress {
    /// Reads one line of git's; `None` if it tells no share.
    pub(super) fn read(line: &str) -> Option<Self> {
        let line = line.trim_start_matches("remote: ").trim_start();
        let (what, rest) = line.split_once(':')?;
        let phase = match what {
            "Counting objects" => Phase::Counting,
            "Compressing objects" => Phase::Compressing,
            "Receiving objects" => Phase::Receiving,
            "Resolving deltas" => Phase::Resolving,
            _ => return None,
        };
        let percent = rest.split_once('%')?.0.trim().parse().ok().filter(|percent| *percent <= 100)?;
        Some(Self { phase, percent })
    }

    /// How much of a whole fetch is done, 0-100. How long each phase takes differs; receiving is most of it as a rule.
    pub fn of_fetch(self) -> u8 {
        let (from, to) = match self.phase {
            Phase::Counting => (0, 5),
            Phase::Compressing => (5, 10),
            Phase::Receiving => (10, 85),
            Phase::Resolving => (85, 100),
        };
        let within = u32::from(self.percent) * (to - from) / 100;
        u8::try_from(from + within).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_all_else_is_talk() {
        let check = |line: &str, expected: Option<(Phase, u8, u8)>| {
            let read = Progress::read(line).map(|read| (read.phase, read.percent, read.of_fetch()));
            assert_eq!(read, expected, "{line}");
        };
        check("remote: Counting objects:  40% (4/10)", Some((Phase::Counting, 40, 2)));
        check("remote: Compressing objects: 100% (9/9), done.", Some((Phase::Compressing, 100, 10)));
        check("Receiving objects:  50% (5/10), 1.20 MiB | 2.40 MiB/s", Some((Phase::Receiving, 50, 47)));
        check("Resolving deltas: 100% (3/3), done.", Some((Phase::Resolving, 100, 100)));
        check("remote: Enumerating objects: 1234, done.", None);
        check("Receiving objects: 900% (1/1)", None);
        check("fatal: repository 'x' not found", None);
        check("", None);
    }
}
