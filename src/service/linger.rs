//! Lets a refusal be read by who is still sending: a connection that is closed with unread data in it is reset, and what was
//! answered is lost with it, or the client's next request.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::header,
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::{runtime::Handle, time::timeout};

/// How long what is left of a refused body is read and thrown away; then the connection is closed.
const LINGER: Duration = Duration::from_secs(3);

/// A body of which the rest is read and thrown away when it is dropped.
struct Lingering(Body);

/// The request, so that its body is read to its end even where it is refused before.
pub(super) fn lingering(request: Request) -> Request {
    // Who waits for `100 Continue` has sent nothing yet, and reading on would ask for it.
    if request.headers().contains_key(header::EXPECT) {
        request
    } else {
        request.map(|body| Body::new(Lingering(body)))
    }
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.0);
        if rest.is_end_stream() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(LINGER, async move { while let Some(Ok(_)) = rest.frame().await {} }));
        }
    }
}
