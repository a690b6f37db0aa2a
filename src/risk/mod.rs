//! How risky is this change? Facts in, assessment out; nothing here fetches, waits, fails or knows the time.

pub mod assessment;
pub mod facts;
pub mod patch;
pub mod policy;
pub mod signal;
