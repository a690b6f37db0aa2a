//! What can go wrong with a call to GitHub, and what the caller may do then. Nothing here ever holds a secret.

use chrono::{DateTime, Utc};

use crate::risk::facts::Reason;

/// Why a call did not give what it was made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A rate limit is spent; nothing was sent if the limit was known to be spent before.
    #[error("GitHub's {} rate limit is spent until {until}", if *.secondary { "secondary" } else { "primary" })]
    RateLimited {
        /// First instant at which a call may be sent again.
        until: DateTime<Utc>,
        /// GitHub's limit on bursts, not the hourly one.
        secondary: bool,
    },
    /// The credentials are refused, a fresh token included.
    #[error("GitHub refuses the App's credentials")]
    Unauthorized,
    /// The installation lacks a permission.
    #[error("GitHub refuses access, {}", .needs.as_deref().map_or("without saying which permission is missing".to_owned(), |n| format!("the permission that is missing is {n}")))]
    Forbidden {
        /// The permission that GitHub names, such as `checks=write`.
        needs: Option<String>,
    },
    /// The installation is suspended.
    #[error("the installation is suspended")]
    Suspended,
    /// There is no such thing, or it may not be seen.
    #[error("GitHub knows no such thing, or hides it")]
    NotFound,
    /// It was there and is no more.
    #[error("what was asked for is gone")]
    Gone,
    /// GitHub understood the request and refuses its content.
    #[error("GitHub refuses the request as invalid: {message}")]
    Invalid {
        /// GitHub's words, cut to 300 characters. Untrusted.
        message: String,
    },
    /// No answer, or one that says that GitHub has trouble. Nothing was changed.
    #[error("GitHub is not available: {what}")]
    Unavailable {
        /// HTTP status, where there was one.
        status: Option<u16>,
        /// What happened.
        what: String,
    },
    /// A write was sent and no usable answer came back: it may or may not have been done. Look before repeating it.
    #[error("the answer to a write was lost")]
    AnswerLost {
        /// HTTP status, where there was one.
        status: Option<u16>,
    },
    /// The answer is not what GitHub documents.
    #[error("GitHub's answer is not understood: {what}")]
    Contract {
        /// What was wrong with it.
        what: String,
    },
}

/// What to do after an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It will not get better by itself.
    Never,
    /// Later, with growing pauses.
    Backoff,
    /// Not before this instant; the wait counts as no failed attempt.
    At(DateTime<Utc>),
    /// Read whether it was done before doing it again.
    LookFirst,
}

impl Error {
    /// Whether and how the call may be made again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::RateLimited { until, .. } => Retry::At(*until),
            // A permission or a key is given by people; the queue's bound on attempts ends it if nobody does.
            Self::Unauthorized | Self::Unavailable { .. } | Self::Contract { .. } => Retry::Backoff,
            Self::AnswerLost { .. } => Retry::LookFirst,
            Self::Forbidden { .. } | Self::Suspended | Self::NotFound | Self::Gone | Self::Invalid { .. } => {
                Retry::Never
            }
        }
    }

    /// The same for the facts: why what was asked for is not known.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Forbidden { needs } => Reason::Forbidden(needs.clone()),
            other => Reason::Unavailable(other.to_string()),
        }
    }

    pub(super) fn contract(what: impl Into<String>) -> Self {
        Self::Contract { what: what.into() }
    }

    pub(super) fn unavailable(what: impl Into<String>) -> Self {
        Self::Unavailable { status: None, what: what.into() }
    }
}
