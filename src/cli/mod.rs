//! temp
pub mod demo;
pub mod output;
mod replay;
mod serve;
/// x
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub enum ExitCode {
    /// a
    Done,
    /// b
    Failed,
}
