//! Reads webhook bodies within a common allowance: whoever sends without a signature must not fill the memory.

use std::{error::Error, sync::Arc};

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use http_body_util::LengthLimitError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::TimeoutError;

/// Bytes of bodies that may be held at once. GitHub's are some 25 KB, 25 MB at most.
const ALLOWANCE: usize = 128 * 1024 * 1024;

/// The allowance that all requests share. Bytes count as they arrive, so that announcing many takes nothing from others.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<Semaphore>);

impl Default for Allowance {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALLOWANCE)))
    }
}

/// A body, and the part of the allowance that it takes until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    pub bytes: Bytes,
    _place: OwnedSemaphorePermit,
}

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The client paused for too long within it.
    Late,
    /// It is larger than the route allows.
    TooLarge,
    /// Others take all the allowance.
    Crowded,
    /// The connection broke.
    Broken,
}

impl Allowance {
    /// Reads the whole body.
    pub(super) async fn read(&self, body: Body) -> Result<Held, Unread> {
        let take = |length| Arc::clone(&self.0).try_acquire_many_owned(length).map_err(|_| Unread::Crowded);
        let (mut bytes, mut place) = (Vec::new(), take(0)?);
        let mut parts = body.into_data_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| reason(&error))?;
            let length = u32::try_from(part.len()).map_err(|_| Unread::TooLarge)?;
            place.merge(take(length)?);
            bytes.extend_from_slice(&part);
        }
        Ok(Held { bytes: bytes.into(), _place: place })
    }
}

fn reason(error: &axum::Error) -> Unread {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<TimeoutError>() {
            return Unread::Late;
        }
        if error.is::<LengthLimitError>() {
            return Unread::TooLarge;
        }
        cause = error.source();
    }
    Unread::Broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_held_counts_and_what_was_read_no_longer_does() {
        let allowance = Allowance(Arc::new(Semaphore::new(10)));
        let first = allowance.read(Body::from("12345678")).await.unwrap();
        assert_eq!(&first.bytes[..], b"12345678");
        assert_eq!(allowance.read(Body::from("abc")).await.unwrap_err(), Unread::Crowded);
        let second = allowance.read(Body::from("ab")).await.unwrap();
        drop(first);
        assert_eq!(allowance.read(Body::from("abcdefgh")).await.unwrap().bytes.len(), 8);
        drop(second);
        assert_eq!(allowance.0.available_permits(), 10);
    }
}
