//! Pages for eyes.
use super::state::State;
use axum::body::Body;
use axum::http::Response;
pub(super) fn serve(_state: &State, _segments: &[String]) -> Response<Body> {
    Response::new(Body::empty())
}
