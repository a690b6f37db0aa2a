//! How right scores have been: measures over changes whose outcome is known.

pub mod backtest;
pub mod evaluate;
pub mod fit;
pub mod labels;
pub mod recalibrate;
pub mod rivals;
pub mod training;

mod chance;
mod dates;
#[cfg(test)]
mod stories;
