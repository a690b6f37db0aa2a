//! An assessment: what the model and the policy make of the facts. Data for the report; it holds no sentences.

use super::{
    facts::{Source, Unknown},
    floors,
    overrides::Override,
    signal::{Reading, Signal},
};
use chrono::{DateTime, Utc};

/// The explained score of one change and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// 0-100: base plus contributions, lifted by the floors that apply.
    pub score: u8,
    /// The score in words.
    pub level: Level,
    /// What the score could be if the unknown were known.
    pub range: Range,
    /// Score of a typical change of this repository, in points.
    pub base: i32,
    /// One for each signal, in the order of `SIGNALS`; `base` and their points add up to the score before floors.
    pub contributions: Vec<Contribution>,
    /// Points by which the sum left the scale 0-100 and was cut: negative above, positive below, mostly 0.
    pub clamped: i32,
    /// Rules that lift the score to at least a stated number, as far as they are switched on and triggered.
    pub floors: Vec<Floor>,
    /// How often such changes failed; `None` until enough outcomes are known.
    pub probability: Option<Probability>,
    /// Where the change stands among the latest of this repository; `None` until enough have landed.
    pub standing: Option<Standing>,
    /// What would lower the score, most effective first, each with its exact effect.
    pub ways_down: Vec<WayDown>,
    /// What the check run concludes.
    pub verdict: Verdict,
    /// Where the facts came from and what is missing.
    pub sources: Vec<SourceState>,
}

impl Assessment {
    /// The least score that the floors allow; 0 where there is none.
    pub fn lift(&self) -> u8 {
        floors::lift(&self.floors)
    }
}

/// The score in words: low 0-39, medium 40-69, high 70-89, critical 90-100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 0-39.
    Low,
    /// 40-69.
    Medium,
    /// 70-89.
    High,
    /// 90-100.
    Critical,
}

impl Level {
    /// Level of a score.
    pub fn of(score: u8) -> Self {
        match score {
            0..40 => Self::Low,
            40..70 => Self::Medium,
            70..90 => Self::High,
            _ => Self::Critical,
        }
    }

    /// Lower-case word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The scores that the unknown readings allow, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Every unknown at the favourable tenth percentile of its population.
    pub low: u8,
    /// Every unknown at the unfavourable one, and the floors triggered that it could trigger.
    pub high: u8,
}

/// What one signal adds to the score.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The signal.
    pub signal: &'static Signal,
    /// Whole points; 0 when the reading is unknown.
    pub points: i32,
    /// What was read.
    pub reading: Reading,
    /// Why points that the reading is worth do not count, where they do not.
    pub exempt_because: Option<Exemption>,
}

/// A rule that lifts the score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Which rule.
    pub rule: FloorRule,
    /// The least score it allows.
    pub at_least: u8,
    /// Whether it lifted the score.
    pub applied: bool,
    /// Why it does not apply although it was triggered.
    pub exempt_because: Option<Exemption>,
}

/// The rules that lift a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloorRule {
    /// A migration destroys data or takes a lock that blocks writers.
    DestructiveMigration,
    /// The target service has an open incident of high severity.
    ActiveIncident,
    /// The target service has spent its error budget.
    BudgetExhausted,
}

impl FloorRule {
    /// Name in the policy file and in the JSON.
    pub fn id(self) -> &'static str {
        match self {
            Self::DestructiveMigration => "destructive_migration",
            Self::ActiveIncident => "active_incident",
            Self::BudgetExhausted => "budget_exhausted",
        }
    }
}

/// Why a triggered floor does not apply, and the trouble of a service adds nothing: the remediation lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exemption {
    /// The change is the exact inverse of an earlier one.
    ProvenRevert,
    /// In a merge group, only files of proven reverts trigger it.
    ProvenRevertInGroup,
    /// In a merge group, every pull request is a proven revert or mends an incident that is open on its services.
    WaysBackInGroup,
    /// The change mends an incident that is open on its services.
    Hotfix,
}

/// Where a change stands among the latest that landed, by what history and diff say of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Its score by history and diff alone, 0-100: reviews, checks and the like are not known of what landed before.
    pub score: u8,
    /// Share of the latest changes with a lower score, 0-1; of those with the same half.
    pub riskier_than: f64,
    /// How many latest changes those are.
    pub of: u64,
}

/// What a rate counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// What failed in production, of changes that were merged with about this score.
    InProduction,
    /// What was rolled back within 30 days, of changes with about this score by history and diff.
    RolledBack,
}

/// How often changes like this one failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probability {
    /// What counts as failed.
    pub counts: Failed,
    /// Estimated share that fails, 0-1.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end of its 95 % interval.
    pub high: f64,
    /// Changes it rests on.
    pub sample: u64,
    /// How many of those failed.
    pub failures: u64,
}

/// An action and what it takes off the score, found by scoring the facts with the action applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayDown {
    /// What to do.
    pub action: Action,
    /// Points it takes off; always positive.
    pub points: u8,
    /// The score after it.
    pub target_score: u8,
}

/// What the author or the reviewers can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Owners approve the current head.
    OwnerApproval {
        /// Files that lack it.
        files: Vec<String>,
        /// Whom to ask, as written in CODEOWNERS.
        owners: Vec<String>,
    },
    /// Somebody with write access approves the current head.
    Approval,
    /// Somebody who knows files that the author does not approves the current head.
    KnowerApproval {
        /// Login with `@`.
        name: String,
        /// The files.
        files: Vec<String>,
    },
    /// Those who asked for changes are satisfied.
    ResolveChangesRequested {
        /// Logins of the reviewers who asked.
        reviewers: Vec<String>,
    },
    /// The failing or unfinished checks pass.
    PassChecks {
        /// Names of the checks.
        checks: Vec<String>,
    },
    /// Tests change along with the source.
    AddTests,
    /// Tests run the changed lines that none runs yet.
    CoverLines {
        /// How many.
        lines: u64,
        /// Files that hold them, those with most first.
        files: Vec<String>,
    },
    /// The schema migration goes into a change of its own.
    SplitOffMigration {
        /// Files of the migration.
        files: Vec<String>,
    },
    /// The change is taken apart.
    Split {
        /// Its parts, the riskiest first.
        parts: Vec<SplitPart>,
    },
    /// Merge after the freeze.
    WaitForFreezeEnd {
        /// First instant after it.
        until: DateTime<Utc>,
    },
    /// Wait until no 2 h of the last 48 h burned faster than twice the budget's pace.
    WaitForBurn {
        /// When that is, at the latest, if nothing else goes wrong; `None` where it cannot be told.
        until: Option<DateTime<Utc>>,
    },
    /// Wait until the last deployment has proven itself.
    WaitForBake {
        /// First instant after that.
        until: DateTime<Utc>,
    },
}

/// A part of a change as a change of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPart {
    /// Paths of its files. Untrusted.
    pub files: Vec<String>,
    /// What it scores beside the other parts, 0-100.
    pub score: u8,
}

/// What the check run concludes and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the score may hold the change back.
    pub mode: Mode,
    /// The score from which on it is held back (or would be).
    pub threshold: ThresholdInForce,
    /// What the check run says.
    pub conclusion: Conclusion,
    /// What led there.
    pub because: Because,
    /// The override by which a score at or above the threshold passes all the same.
    pub overridden: Option<Override>,
}

/// Whether a score may hold a change back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Says what enforcing would have done.
    #[default]
    Advisory,
    /// Holds back at or above the threshold.
    Enforce,
}

/// A threshold as a score, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThresholdInForce {
    /// The score from which on a change is held back.
    pub score: u8,
    /// Where it comes from.
    pub origin: ThresholdOrigin,
}

/// Where a threshold comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdOrigin {
    /// The policy names the score.
    Fixed,
    /// The policy names a share of this repository's changes; read off so many latest scores.
    TopShare {
        /// Hundredths of a per cent, so that 5 % is 500.
        share_bp: u32,
        /// Scores it was read off.
        sample: u32,
        /// The share alone would have given less than the least threshold, which stands in.
        raised: bool,
    },
    /// The policy names a share, but too few changes have been scored: the default score stands in.
    TopShareTooFew {
        /// Hundredths of a per cent.
        share_bp: u32,
        /// Scores there are.
        sample: u32,
        /// Scores that are needed.
        needed: u32,
    },
}

/// Conclusion of a check run, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Below the threshold, or overridden.
    Success,
    /// Says something without judging.
    Neutral,
    /// Held back until somebody acts.
    ActionRequired,
}

impl Conclusion {
    /// The conclusion that GitHub's word means.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Success, Self::Neutral, Self::ActionRequired].into_iter().find(|known| known.word() == word)
    }

    /// GitHub's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Neutral => "neutral",
            Self::ActionRequired => "action_required",
        }
    }
}

/// What led to a conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The score is below the threshold.
    BelowThreshold,
    /// The score is at or above the threshold.
    AtOrAboveThreshold,
    /// The score of a merge group is below the threshold, but one of its pull requests is held back by itself.
    HeldMember,
    /// The change is a draft.
    Draft,
    /// The pull request is closed or merged.
    NotOpen,
    /// No file is changed.
    Empty,
    /// The changed files could not be read, or too few of them to call a low score low.
    TooLittleData,
}

/// A source and how it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Which source.
    pub source: Source,
    /// `Ok` since when its facts hold, or why they are missing.
    pub state: Result<DateTime<Utc>, Unknown>,
}
