//! `mergecast setup`: creates the GitHub App through GitHub's manifest flow and writes its credentials.
//!
//! A page on this machine sends the manifest to GitHub, the person consents there, and GitHub sends the browser back with
//! a code that is exchanged for the credentials. They go into files that nobody else can read, or to standard output.

mod credentials;
mod desk;
mod page;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{ExitCode, serve};
use crate::{
    clock::Clock,
    config::Config,
    github::{APP_NAME_MAX, Error, Manifest, NewApp, Options, exchange_code, webhook_url},
};
use credentials::{Credentials, Place};
use desk::Desk;

/// Pauses before the exchange is tried again when GitHub was not reached at all.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

#[derive(Debug, clap::Args)]
pub(super) struct SetupArgs {
    /// Organisation that shall own the App [default: your own account]
    #[arg(long, value_name = "ORG", value_parser = organisation)]
    org: Option<String>,
    /// Where GitHub reaches this server: webhooks go to URL/webhooks/github
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Name of the App, which nobody else's may have [default: Mergecast and ORG, or the host of the public URL]
    #[arg(long, value_parser = app_name)]
    name: Option<String>,
    /// Directory for mergecast.toml and the files with the secrets
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Write no files: print the credentials as environment variables, for a secret store
    #[arg(long, conflicts_with_all = ["dir", "force"])]
    print: bool,
    /// Replace files that are there; they are kept as NAME.old
    #[arg(long)]
    force: bool,
    /// Loopback address and port of the page; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Minutes to wait; GitHub's code is good for 60
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

impl SetupArgs {
    pub(super) fn flags(&self) -> Vec<(&'static str, String)> {
        self.public_url.iter().map(|url| ("MERGECAST_PUBLIC_URL", url.clone())).collect()
    }

    fn app_name(&self, public_url: &Url) -> String {
        let whose = self.org.as_deref().or(public_url.host_str()).unwrap_or_default();
        let default = || format!("Mergecast {whose}").chars().take(APP_NAME_MAX).collect();
        self.name.clone().unwrap_or_else(default)
    }

    fn owner(&self) -> &str {
        self.org.as_deref().unwrap_or("your account")
    }
}

/// Login of an organisation: it becomes part of an address.
fn organisation(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if plain && (1..=39).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("no login of an organisation".into())
    }
}

fn app_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=APP_NAME_MAX => Ok(text.to_owned()),
        _ => Err(format!("GitHub takes names of 1 to {APP_NAME_MAX} characters")),
    }
}

/// Takes the person through the flow and leaves the credentials behind.
///
/// # Errors
/// A setting or an option cannot be used, files are in the way, nobody consents in time, or GitHub refuses the code.
/// Nothing is left half written.
pub(super) async fn run(args: &SetupArgs, config: &Config, clock: &Clock) -> anyhow::Result<ExitCode> {
    let public_url = reachable(config.public_url.as_ref())?;
    let pages = config.github.pages_url()?;
    let place = if args.print { Place::StandardOutput } else { Place::prepare(&args.dir, args.force)? };
    let mut desk = open_desk(args, public_url, &pages, clock).await?;
    invite(args, public_url, &desk);
    let handover = tokio::select! {
        handover = desk.code() => handover.context("the page stopped")?,
        ended = serve::interrupted() => {
            ended?;
            bail!("interrupted: nothing was written\nhint: if you have created the App on GitHub already, delete it there");
        }
        () = tokio::time::sleep(Duration::from_secs(args.timeout * 60)) => bail!(
            "no App was created within {} minutes\nhint: run setup again and open the address that it prints; \
             if GitHub refused the name, choose another one with --name", args.timeout
        ),
    };
    let made = finish(config, public_url, &pages, place, handover.code(), clock).await;
    handover.answer(made.as_ref().map(Made::page).map_err(|error| format!("{error:#}")));
    desk.close().await;
    let made = made?;
    made.tell(args, public_url);
    Ok(ExitCode::Done)
}

/// The public address, unless GitHub would refuse it for a hook.
fn reachable(public_url: Option<&Url>) -> anyhow::Result<&Url> {
    let hint = "hint: --public-url https://HOST, the address under which GitHub reaches this server";
    let url = public_url.with_context(|| format!("MERGECAST_PUBLIC_URL is not set\n{hint}"))?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => true,
    };
    ensure!(!local, "GitHub delivers no webhooks to {url}, which is this machine to itself\n{hint}");
    Ok(url)
}

async fn open_desk(args: &SetupArgs, public_url: &Url, pages: &Url, clock: &Clock) -> anyhow::Result<Desk> {
    ensure!(
        args.listen.ip().is_loopback(),
        "--listen {} is no loopback address, and the page must not be open to others\n\
         hint: listen on 127.0.0.1:8765 and forward it: ssh -L 8765:127.0.0.1:8765 THIS-HOST",
        args.listen
    );
    let state = clock.new_secret();
    let mut action = pages.clone();
    let path = match &args.org {
        Some(org) => format!("{}/organizations/{org}/settings/apps/new", pages.path().trim_end_matches('/')),
        None => format!("{}/settings/apps/new", pages.path().trim_end_matches('/')),
    };
    action.set_path(&path);
    action.query_pairs_mut().append_pair("state", &state);
    let manifest = Manifest::new(&args.app_name(public_url), public_url);
    let secrets = desk::Secrets { key: clock.new_secret().into(), state: state.into() };
    Desk::open(args.listen, secrets, action, manifest, args.owner()).await
}

fn invite(args: &SetupArgs, public_url: &Url, desk: &Desk) {
    let port = desk.address().port();
    anstream::eprintln!("Open this page in a browser on this machine, within {} minutes:\n", args.timeout);
    anstream::eprintln!("    {}\n", desk.url().expose_secret());
    anstream::eprintln!(
        "GitHub then asks you to create the App \"{}\" for {}, and sends you back here.\n\
         No two Apps have the same name: if it is taken, change it there.",
        args.app_name(public_url),
        args.owner()
    );
    anstream::eprintln!("From another machine, forward the port first: ssh -L {port}:127.0.0.1:{port} THIS-HOST");
}

/// What came of it.
struct Made {
    slug: String,
    page: Option<Url>,
    files: Vec<PathBuf>,
    without_secret: bool,
}

/// Exchanges the code and stores what it gives.
async fn finish(
    config: &Config,
    public_url: &Url,
    pages: &Url,
    place: Place,
    code: &SecretString,
    clock: &Clock,
) -> anyhow::Result<Made> {
    let app = exchange(config, code, clock).await?;
    // Where GitHub says its page is, if that is GitHub.
    let page = Url::parse(&app.html_url).ok().filter(|page| page.origin() == pages.origin());
    let (slug, without_secret) = (app.slug.clone(), app.webhook_secret.is_none());
    let credentials = Credentials { app: &app, public_url, github: &config.github, pages };
    let files = place.keep(&credentials).with_context(|| {
        format!(
            "the App {slug} was created, but its credentials could not be kept\n\
             hint: delete it on GitHub (Settings, Developer settings, GitHub Apps) and run setup again"
        )
    })?;
    Ok(Made { slug, page, files, without_secret })
}

async fn exchange(config: &Config, code: &SecretString, clock: &Clock) -> anyhow::Result<NewApp> {
    let again = "hint: delete the App on GitHub (Settings, Developer settings, GitHub Apps) and run setup again";
    let options = Options::default();
    let mut pauses = PAUSES.iter();
    loop {
        let exchanged = exchange_code(&config.github.api_url, code.expose_secret(), clock, &options).await;
        let error = match exchanged {
            Ok(app) => return Ok(app),
            Err(error) => error,
        };
        match (&error, pauses.next()) {
            (Error::Unavailable { .. }, Some(pause)) => tokio::time::sleep(*pause).await,
            (Error::NotFound, _) => {
                bail!("GitHub does not take the code: it was used already or is over an hour old\n{again}")
            }
            (Error::AnswerLost { .. } | Error::Contract { .. }, _) => {
                bail!("{error}: the App exists, but its credentials are lost\n{again}")
            }
            _ => bail!(
                "{error}\nhint: the App exists on GitHub; delete it there, check GITHUB_API_URL and run setup again"
            ),
        }
    }
}

impl Made {
    fn page(&self) -> page::Made {
        page::Made { slug: self.slug.clone(), page: self.address(""), install: self.address("/installations/new") }
    }

    fn address(&self, below: &str) -> Option<String> {
        self.page.as_ref().map(|page| format!("{}{below}", page.as_str().trim_end_matches('/')))
    }

    /// Says what was done and what is next.
    fn tell(&self, args: &SetupArgs, public_url: &Url) {
        let config = match self.files.iter().find(|file| file.ends_with(credentials::SETTINGS)) {
            Some(file) if args.dir != Path::new(".") => format!(" --config {}", file.display()),
            _ => String::new(),
        };
        let page = self.address("").map(|page| format!(": {page}")).unwrap_or_default();
        anstream::eprintln!("\nThe GitHub App {} stands{}", super::printable(&self.slug), super::printable(&page));
        for file in &self.files {
            anstream::eprintln!("wrote {}", file.display());
        }
        if self.without_secret {
            anstream::eprintln!(
                "warning: GitHub made no webhook secret\nhint: set one on the App's page and as GITHUB_WEBHOOK_SECRET"
            );
        }
        let install = self.address("/installations/new").unwrap_or_else(|| "on the App's page".to_owned());
        anstream::eprintln!("\nNext:");
        anstream::eprintln!("  1. start it:   mergecast serve{config}");
        anstream::eprintln!("     GitHub has to reach it at {}", webhook_url(public_url));
        anstream::eprintln!("  2. install it: {}", super::printable(&install));
        anstream::eprintln!("  3. check it:   mergecast doctor{config}");
    }
}
