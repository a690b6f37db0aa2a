//! The machine: room on its disks, git, and the public address as it looks from here.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use url::{Host, Url};

use super::{EXCHANGE, checklist::Finding};
use crate::{config::Config, git, store::StorePath};

/// Below this the next busy day may fill the disk.
const ROOM_LOW: u64 = 1 << 30;
/// Below this deliveries will soon be refused.
const ROOM_LEAST: u64 = 100 << 20;
/// The oldest git that is known to do all that is asked of it.
const GIT_LEAST: (u32, u32) = git::mirror::GIT_LEAST;

/// Room where the database lies.
pub(super) async fn disk(config: &Config) -> Vec<Finding> {
    let Ok(StorePath::File(file)) = config.database.parse() else { return Vec::new() };
    let folder = existing(&file);
    let asked = folder.clone();
    // A network disk that is gone does not answer.
    let statistics = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&asked)).await;
    let unknown = |why: &dyn Display| {
        let says = format!("the room at {} cannot be told: {why}", folder.display());
        Finding::warn("disk", says, "see that the directory of MERGECAST_DATABASE is there")
    };
    vec![match statistics {
        Err(error) => unknown(&error),
        Ok(Err(error)) => unknown(&error),
        Ok(Ok(disk)) => room(&folder, disk.f_bavail.saturating_mul(disk.f_frsize)),
    }]
}

fn room(folder: &Path, free: u64) -> Finding {
    let says = format!("{} free at {}", size(free), folder.display());
    let fix = "make room, or move MERGECAST_DATABASE to another disk";
    match free {
        0..ROOM_LEAST => Finding::broken("disk", says, fix),
        ROOM_LEAST..ROOM_LOW => Finding::warn("disk", says, fix),
        _ => Finding::ok("disk", says),
    }
}

pub(super) fn size(bytes: u64) -> String {
    if bytes < ROOM_LOW { format!("{} MB", bytes >> 20) } else { format!("{} GB", bytes >> 30) }
}

/// The directory of a file, or the one above that will hold it.
pub(super) fn existing(file: &Path) -> PathBuf {
    let here = || PathBuf::from(".");
    let above = file.ancestors().skip(1).find(|folder| !folder.as_os_str().is_empty() && folder.is_dir());
    above.map_or_else(here, Path::to_owned)
}

/// Whether git is there and new enough.
pub(super) async fn git() -> Vec<Finding> {
    let version = tokio::task::spawn_blocking(git::version).await;
    let fix = format!("install git {}.{} or newer", GIT_LEAST.0, GIT_LEAST.1);
    vec![match version {
        Ok(Ok((major, minor))) if (major, minor) >= GIT_LEAST => Finding::ok("git", format!("version {major}.{minor}")),
        Ok(Ok((major, minor))) => Finding::warn("git", format!("version {major}.{minor} is too old"), fix),
        Ok(Err(error)) => Finding::warn("git", error, fix),
        Err(error) => Finding::warn("git", error, fix),
    }]
}

/// Whether this server answers at its public address. Not every network lets a machine reach itself that way.
pub(super) async fn public_url(url: Option<&Url>) -> Vec<Finding> {
    let Some(url) = url else {
        let fix = "set MERGECAST_PUBLIC_URL to the address under which people reach this server";
        return vec![Finding::warn("public URL", "not set: check runs cannot link to their pages", fix)];
    };
    let mut health = url.clone();
    health.set_path(&format!("{}/healthz", url.path().trim_end_matches('/')));
    vec![match answer(&health).await {
        Ok(()) => Finding::ok("public URL", format!("{health} answers")),
        Err(why) => {
            let fix = "start serve, and see name, proxy and certificate; a proxy that lets only /webhooks/github \
                       pass, or a network that does not lead back to this machine, is no fault";
            Finding::warn("public URL", format!("{health} {why}"), fix)
        }
    }]
}

async fn answer(url: &Url) -> Result<(), String> {
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    };
    let mut client = reqwest::Client::builder().timeout(EXCHANGE).redirect(reqwest::redirect::Policy::none());
    if local {
        client = client.no_proxy();
    }
    if url.scheme() == "http" {
        client = client.tls_certs_only([]);
    }
    let client = client.build().map_err(|_| "cannot be asked: no HTTP client can be set up".to_owned())?;
    let answer = client.get(url.clone()).send().await.map_err(|error| {
        if error.is_timeout() { "does not answer in time" } else { "cannot be reached from here" }.to_owned()
    })?;
    match answer.status().as_u16() {
        200 => Ok(()),
        status => Err(format!("answers with status {status}")),
    }
}
