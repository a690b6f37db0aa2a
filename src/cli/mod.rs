//! temp
pub mod demo; mod serve; mod replay; pub mod output;
/// x
#[derive(PartialEq,Eq,Clone,Copy,Debug)] pub enum ExitCode { /// a
Done, /// b
Failed }
