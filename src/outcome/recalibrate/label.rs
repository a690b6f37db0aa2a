//! The label of an assessed change: failed, clean, or censored, which is no outcome at all.
//!
//! Both kinds of outcome become known when the whole window has passed. Taking early failures and ripe clean changes together
//! would make failing look about twice as frequent. So a change that was watched for a part of its window is censored
//! even if it failed in that part.

/// What became of an assessed change, as far as it is known at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Label {
    /// It failed in production within its window.
    Failed(Failure),
    /// Its window passed in production, watched, without a failure.
    Clean,
    /// It says nothing of the score.
    Censored(Censored),
}

/// How a change failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failure {
    /// What shows it.
    pub by: Evidence,
    /// How sure it is that this change was the cause, above 0 and at most 1.
    pub certainty: f64,
    /// When it began, seconds after the deployment.
    pub after_s: i64,
}

/// What shows that a change failed. The surer kind comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// An incident was put down to it.
    Incident,
    /// Its deployment was rolled back, or it was reverted.
    RolledBack,
    /// The deployment led to SLO burn.
    SloBurn,
    /// Lines that it brought needed a fix.
    Fixed,
}

/// Why a change has no outcome. The first that holds is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Censored {
    /// Another assessment is the one at merge.
    Superseded,
    /// It was held because of its score and never reached production.
    Held,
    /// It never reached production for another reason.
    NotDeployed,
    /// Its window has not passed.
    Unripe,
    /// Nobody watched production for the whole window.
    NotObserved,
}

/// What happened to a change after its assessment. All instants are unix seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fate {
    /// It is not the assessment at merge.
    pub superseded: bool,
    /// It was held because of its score.
    pub held: bool,
    /// When it first took effect in production.
    pub deployed_at: Option<i64>,
    /// Until when a failure would have been noticed; none if nothing is watched.
    pub observed_until: Option<i64>,
    /// What was put down to it: the evidence, how sure it is (above 0, at most 1), and when it began.
    pub failures: Vec<(Evidence, f64, i64)>,
}

impl Fate {
    /// When the outcome is known, whatever it is; none if it never will be.
    pub fn known_at(&self, window_s: i64) -> Option<i64> {
        self.deployed_at.map(|at| at.saturating_add(window_s))
    }

    /// The label as it stands at `now`, for a window of so many seconds after the deployment.
    pub fn label(&self, window_s: i64, now: i64) -> Label {
        let Some(deployed_at) = self.deployed_at.filter(|_| !self.superseded) else {
            return Label::Censored(match (self.superseded, self.held) {
                (true, _) => Censored::Superseded,
                (false, true) => Censored::Held,
                (false, false) => Censored::NotDeployed,
            });
        };
        let end = deployed_at.saturating_add(window_s);
        if end > now {
            return Label::Censored(Censored::Unripe);
        }
        if self.observed_until.is_none_or(|until| until < end) {
            return Label::Censored(Censored::NotObserved);
        }
        let within =
            self.failures.iter().filter(|(_, certainty, at)| *certainty > 0.0 && (deployed_at..end).contains(at));
        // The surest one, of equal ones the first.
        let surest = within.min_by(|a, b| b.1.total_cmp(&a.1).then(a.2.cmp(&b.2)).then(a.0.cmp(&b.0)));
        surest.map_or(Label::Clean, |&(by, certainty, at)| {
            Label::Failed(Failure { by, certainty: certainty.min(1.0), after_s: at - deployed_at })
        })
    }
}

impl Label {
    /// How much of a failure it was, 0-1: the certainty of one that failed. None if it is censored.
    pub fn failed(self) -> Option<f64> {
        match self {
            Self::Failed(failure) => Some(failure.certainty),
            Self::Clean => Some(0.0),
            Self::Censored(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: i64 = 100;

    fn check(edit: impl FnOnce(&mut Fate), now: i64, expected: Label) {
        let mut fate = Fate { deployed_at: Some(1_000), observed_until: Some(5_000), ..Fate::default() };
        edit(&mut fate);
        assert_eq!(fate.label(WINDOW, now), expected, "{fate:?}");
    }

    #[test]
    fn outcomes_of_both_kinds_ripen_together() {
        let failed = |fate: &mut Fate| fate.failures = vec![(Evidence::Incident, 0.7, 1_003)];
        let incident = Label::Failed(Failure { by: Evidence::Incident, certainty: 0.7, after_s: 3 });
        for (now, clean, broken) in [
            (1_099, Label::Censored(Censored::Unripe), Label::Censored(Censored::Unripe)),
            (1_100, Label::Clean, incident),
        ] {
            check(|_| (), now, clean);
            check(failed, now, broken);
        }
        // Watched for a part: neither the failure nor its absence counts.
        let partly = |fate: &mut Fate| fate.observed_until = Some(1_099);
        check(partly, 2_000, Label::Censored(Censored::NotObserved));
        check(|fate| (failed(fate), partly(fate)).0, 2_000, Label::Censored(Censored::NotObserved));
    }

    #[test]
    fn what_never_ran_is_not_clean() {
        let undeployed = |held, superseded| move |fate: &mut Fate| *fate = Fate { held, superseded, ..Fate::default() };
        check(undeployed(false, false), 9_000, Label::Censored(Censored::NotDeployed));
        check(undeployed(true, false), 9_000, Label::Censored(Censored::Held));
        check(undeployed(true, true), 9_000, Label::Censored(Censored::Superseded));
        check(|fate| fate.superseded = true, 9_000, Label::Censored(Censored::Superseded));
        // Held for a while, then deployed: it has an outcome.
        check(|fate| fate.held = true, 9_000, Label::Clean);
    }

    #[test]
    fn the_surest_failure_within_the_window_counts() {
        let failures = |failures: &[(Evidence, f64, i64)]| {
            let failures = failures.to_vec();
            move |fate: &mut Fate| fate.failures = failures
        };
        use Evidence::{Fixed, Incident, RolledBack, SloBurn};
        let expected = |by, certainty, after_s| Label::Failed(Failure { by, certainty, after_s });
        check(failures(&[(SloBurn, 0.5, 1_001), (RolledBack, 1.0, 1_050)]), 9_000, expected(RolledBack, 1.0, 50));
        check(failures(&[(RolledBack, 1.0, 1_050), (Incident, 1.0, 1_050)]), 9_000, expected(Incident, 1.0, 50));
        check(failures(&[(Fixed, 3.0, 1_000)]), 9_000, expected(Fixed, 1.0, 0));
        // Before the deployment, at the end of the window, or not put down to it at all.
        check(failures(&[(Incident, 1.0, 999), (Incident, 1.0, 1_100), (Incident, 0.0, 1_001)]), 9_000, Label::Clean);
    }
}
