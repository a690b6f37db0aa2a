//! The year through the database: kept in any order, twice and sent again, and read back after the process has ended.

use chrono::{DateTime, Utc};
use mergecast::{
    deployment::attribution::Correction,
    store::{Store, StoreOptions, StorePath, Teller},
};

use super::told::Told;

/// What is kept at once, as it comes from several sources at a time.
const AT_ONCE: usize = 700;

/// What is read after all of it was kept: of deployments, incidents, SLOs and corrections. What deployments brought is no
/// part of it.
pub(super) async fn kept(told: &Told, corrections: &[Correction]) -> (Told, Vec<Correction>) {
    let directory = tempfile::tempdir().unwrap();
    let options = || StoreOptions::new(StorePath::File(directory.path().join("mergecast.db")));
    let store = Store::open(options()).await.unwrap();
    let nobody = Teller::default();
    for some in told.sightings.chunks(AT_ONCE) {
        store.save_sightings(some, nobody).await.unwrap();
    }
    for some in told.tellings.chunks(AT_ONCE) {
        store.save_tellings(some, nobody).await.unwrap();
    }
    for burn in &told.burns {
        store.save_burn(burn, DateTime::<Utc>::UNIX_EPOCH).await.unwrap();
    }
    store.save_corrections(corrections, nobody).await.unwrap();
    store.close().await;

    let store = Store::open(options()).await.unwrap();
    let ever = DateTime::<Utc>::MIN_UTC;
    let read = Told {
        sightings: store.sightings(ever).await.unwrap(),
        tellings: store.tellings(ever).await.unwrap(),
        burns: store.burns().await.unwrap().into_iter().map(|(burn, _)| burn).collect(),
        shipped: told.shipped.clone(),
        ..Told::default()
    };
    let corrections = store.corrections(ever).await.unwrap();
    store.close().await;
    (read, corrections)
}
