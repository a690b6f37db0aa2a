//! What can go wrong with a call to Datadog, and what the caller may do then. Nothing here ever holds a key.

use chrono::{DateTime, Utc};

use crate::risk::facts::{Absence, Reason};

/// Why a call did not give what it was made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A limit of the organisation is spent; nothing was sent if that was known before.
    #[error("Datadog's rate limit is spent until {until}")]
    RateLimited {
        /// First instant at which a call may be sent again.
        until: DateTime<Utc>,
    },
    /// One of the keys is refused.
    #[error("Datadog refuses the keys")]
    Unauthorized,
    /// The keys are good, and the application key does not reach so far.
    #[error("Datadog refuses access{}", .needs.map(|needs| format!(", the permission for it is {needs}")).unwrap_or_default())]
    Forbidden {
        /// The permission that such a call takes.
        needs: Option<&'static str>,
    },
    /// There is no such thing.
    #[error("Datadog knows no such thing")]
    NotFound,
    /// Datadog understood the request and refuses its content.
    #[error("Datadog refuses the request as invalid: {message}")]
    Invalid {
        /// Datadog's words, cut to 300 characters. Untrusted.
        message: String,
    },
    /// The settings cannot be used.
    #[error("{what}")]
    Settings {
        /// What does not fit.
        what: &'static str,
    },
    /// No answer, or one that says that Datadog has trouble.
    #[error("Datadog is not available: {what}")]
    Unavailable {
        /// What happened.
        what: String,
    },
    /// The answer is not what Datadog documents or was ever seen to send.
    #[error("Datadog's answer is not understood: {what}")]
    Contract {
        /// What was wrong with it.
        what: String,
    },
}

impl Error {
    /// The same for the facts: why what was asked for is not known.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Forbidden { needs } => Reason::Forbidden(needs.map(str::to_owned)),
            Self::Unauthorized => Reason::Forbidden(None),
            Self::NotFound => Reason::Nothing(Absence::NotThere),
            other => Reason::Unavailable(other.to_string()),
        }
    }

    /// Whether another try may help, without anybody doing anything.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable { .. })
    }

    pub(super) fn contract(what: impl Into<String>) -> Self {
        Self::Contract { what: what.into() }
    }

    pub(super) fn unavailable(what: impl Into<String>) -> Self {
        Self::Unavailable { what: what.into() }
    }
}
