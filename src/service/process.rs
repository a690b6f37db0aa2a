//! What Linux tells of this process. Elsewhere it is unknown.

use std::fs;

/// Memory that is held, in bytes.
pub(super) fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))?;
    Some(kilobytes.parse::<i64>().ok()? * 1_024)
}

/// Open files and connections.
pub(super) fn open_files() -> Option<i64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(open).ok()
}
