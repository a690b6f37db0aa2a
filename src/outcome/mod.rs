//! How right scores have been: measures over changes whose outcome is known.

pub mod evaluate;
mod chance;
