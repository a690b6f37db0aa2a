//! A place for a database in tests, and rows to fill it with.

use std::{fs, future::Future, path::PathBuf};

use super::{DeliveryState, NewDelivery, Store, StoreOptions, StorePath};

/// A directory with a database, in memory where the machine has such a place: these tests are about rows, not disks.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    pub(super) fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        Self(if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap())
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.path().join("data/mergecast.db")
    }

    pub(super) fn options(&self) -> StoreOptions {
        StoreOptions::new(StorePath::File(self.file()))
    }

    pub(super) async fn open(&self) -> Store {
        Store::open(self.options()).await.unwrap()
    }

    /// The files as they are, elsewhere.
    pub(super) fn copy(&self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.file().parent().unwrap()).unwrap();
        for suffix in ["", "-wal"] {
            let name = |place: &Self| format!("{}{suffix}", place.file().display());
            fs::copy(name(self), name(&copy)).unwrap();
        }
        copy
    }
}

/// Key of the `n`th delivery.
pub(super) fn id(n: i64) -> String {
    format!("72d3162e-cc78-11e3-81ab-{n:012}")
}

/// The `n`th delivery, which came at `n` ms.
pub(super) fn delivery_at(n: i64) -> NewDelivery {
    NewDelivery {
        delivery_id: id(n),
        event: "pull_request".to_owned(),
        action: Some("opened".to_owned()),
        installation_id: Some(42),
        received_at: n,
        body: format!("{{\"action\":\"opened\",\"number\":{n}}}").into_bytes(),
        state: DeliveryState::Queued,
    }
}

/// Runs `tasks` of them at once; their results in order.
pub(super) async fn at_once<F>(tasks: i64, start: impl Fn(i64) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let started: Vec<_> = (0..tasks).map(|n| tokio::spawn(start(n))).collect();
    let mut results = Vec::new();
    for task in started {
        results.push(task.await.unwrap());
    }
    results
}
