//! Histories small enough to be judged by hand.
