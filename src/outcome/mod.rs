//! How right scores have been: measures over changes whose outcome is known.

pub mod backtest;
pub mod evaluate;
pub mod labels;
pub mod rivals;

mod chance;
#[cfg(test)]
mod stories;
