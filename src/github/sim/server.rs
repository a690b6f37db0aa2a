//! The HTTP side.
use std::sync::Arc;
use tokio::net::TcpListener;
use super::Shared;
pub(super) async fn serve(_listener: TcpListener, _shared: Arc<Shared>) {}
