//! `mergecast health`: asks the server of this machine how it is. Containers and unit files run it, so that an image
//! needs no other client.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;

use super::ExitCode;

/// Below the time-outs of common probes, so that the reason is told and not the probe's own time-out.
const DEADLINE: Duration = Duration::from_secs(4);

/// Asks the server that listens on `listen` whether it is alive or, with `ready`, whether it can do its work. Its answer
/// goes to `out`.
///
/// # Errors
/// When nobody answers.
pub(super) async fn run(listen: SocketAddr, ready: bool, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let path = if ready { "readyz" } else { "healthz" };
    let url = format!("http://{}/{path}", reachable(listen));
    let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build()?;
    let answer = client.get(&url).send().await.with_context(|| format!("nobody answers at {url}"))?;
    let status = answer.status();
    let body = answer.text().await.with_context(|| format!("the answer of {url} breaks off"))?;
    writeln!(out, "{}", body.trim_end())?;
    Ok(if status.is_success() { ExitCode::Done } else { ExitCode::Failed })
}

/// Where a server that listens on `listen` can be asked: one that listens on every address, on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_loopback() {
        let check = |listen: &str, expected: &str| {
            let listen = listen.parse().expect("the test gives an address");
            assert_eq!(reachable(listen).to_string(), expected);
        };
        check("0.0.0.0:8080", "127.0.0.1:8080");
        check("[::]:8080", "[::1]:8080");
        check("192.0.2.7:80", "192.0.2.7:80");
    }
}
