//! What the signals that watch services read, as evidence.

use crate::risk::facts::{ChangeFailRate, FlakyPipeline, FlakySuite, LatestDeployment, OpenIncident, SloHealth};

/// Something that was read of a service. Names and titles in it are untrusted.
#[derive(Clone, Debug, PartialEq)]
pub enum Health {
    /// The SLO that burns most.
    Burn(Box<SloHealth>),
    /// The other SLOs that were looked at.
    OtherSlos {
        /// Those that burned fast as well.
        fast: u64,
        /// How many there are.
        of: u64,
        /// Those that could not be read or have no data.
        unread: u64,
    },
    /// The SLO with the least of its budget left.
    Budget(Box<SloHealth>),
    /// An incident that is not over.
    Incident(OpenIncident),
    /// The pipeline with most flaky runs.
    Flaky {
        /// Which one, and how many.
        pipeline: FlakyPipeline,
        /// Its runs are too few to be weighed.
        few: bool,
    },
    /// The suites with most flakes.
    Suites(Vec<FlakySuite>),
    /// The newest deployment.
    Deployed(LatestDeployment),
    /// How often deployments failed.
    ChangeFailRate {
        /// Of which service, and how many.
        rate: ChangeFailRate,
        /// They are too few to be weighed.
        few: bool,
    },
}
