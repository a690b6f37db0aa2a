//! Where the new App's credentials go: into files of their own that nobody else can read, all of them or none, or onto
//! standard output as environment variables.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{
    config::{GitHubConfig, SETTINGS as ALL},
    github::{NewApp, Urls},
};

/// The settings file.
pub(super) const SETTINGS: &str = "mergecast.toml";
const PRIVATE_KEY: &str = "private-key.pem";
const WEBHOOK_SECRET: &str = "webhook-secret";
const CLIENT_SECRET: &str = "client-secret";
const NAMES: [&str; 4] = [PRIVATE_KEY, WEBHOOK_SECRET, CLIENT_SECRET, SETTINGS];
/// Written on trial before anything is created; a private key has 2 KB.
const ROOM_BYTES: usize = 64 << 10;

/// What is kept.
pub(super) struct Credentials<'a> {
    pub(super) app: &'a NewApp,
    pub(super) public_url: &'a Url,
    pub(super) github: &'a GitHubConfig,
    /// Base of GitHub's pages.
    pub(super) pages: &'a Url,
}

/// Where it is kept.
pub(super) enum Place {
    StandardOutput,
    Directory { path: PathBuf, force: bool },
}

impl Place {
    /// A directory in which the files can be written: found out before GitHub creates anything.
    ///
    /// # Errors
    /// Files are in the way (unless `force`), or nothing can be written there.
    pub(super) fn prepare(directory: &Path, force: bool) -> anyhow::Result<Self> {
        let shown = directory.display();
        let mut make = fs::DirBuilder::new();
        make.recursive(true).mode(0o700).create(directory).with_context(|| format!("cannot make {shown}"))?;
        // The settings name the files wherever the program is started.
        let path = directory.canonicalize().with_context(|| format!("cannot find {shown}"))?;
        let there: Vec<&str> = NAMES.into_iter().filter(|name| path.join(name).symlink_metadata().is_ok()).collect();
        if !there.is_empty() && !force {
            bail!(
                "{} in {} would be overwritten\nhint: choose another --dir, or --force (the old ones are kept as NAME.old)",
                there.join(", "),
                path.display()
            );
        }
        let trial = path.join(".mergecast-setup");
        let tried = create(&trial, &[0; ROOM_BYTES]);
        let removed = fs::remove_file(&trial);
        tried.and(removed).with_context(|| {
            format!("cannot write into {}\nhint: choose another --dir, or --print for a secret store", path.display())
        })?;
        Ok(Self::Directory { path, force })
    }

    /// Keeps the credentials; gives the files that were written.
    ///
    /// # Errors
    /// They cannot be kept: then nothing of them is left, and what was there before is there again.
    pub(super) fn keep(&self, credentials: &Credentials<'_>) -> anyhow::Result<Vec<PathBuf>> {
        match self {
            Self::StandardOutput => {
                let mut out = anstream::stdout();
                out.write_all(credentials.environment().expose_secret().as_bytes())?;
                out.flush()?;
                Ok(Vec::new())
            }
            Self::Directory { path, force } => {
                let mut written = Written::default();
                for (name, text) in credentials.files(path) {
                    written.add(path.join(name), text.expose_secret().as_bytes(), *force)?;
                }
                // The names are on the disk when the directory is.
                File::open(path).and_then(|directory| directory.sync_all())?;
                Ok(written.done())
            }
        }
    }
}

/// Files written so far; taken back when dropped before the end.
#[derive(Default)]
struct Written {
    new: Vec<PathBuf>,
    /// What stood there before, and where it stands now.
    moved: Vec<(PathBuf, PathBuf)>,
}

impl Written {
    fn add(&mut self, file: PathBuf, bytes: &[u8], force: bool) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", file.display());
        if force && file.symlink_metadata().is_ok() {
            let mut old = file.clone().into_os_string();
            old.push(".old");
            fs::rename(&file, &old).with_context(failed)?;
            self.moved.push((file.clone(), old.into()));
        }
        let created = create(&file, bytes);
        // What stood there before is not ours to remove.
        if !matches!(&created, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            self.new.push(file.clone());
        }
        created.with_context(failed)
    }

    fn done(mut self) -> Vec<PathBuf> {
        self.moved.clear();
        std::mem::take(&mut self.new)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // The failure that led here is told; nothing more can be done about another.
        for file in &self.new {
            let _ = fs::remove_file(file);
        }
        for (file, old) in &self.moved {
            let _ = fs::rename(old, file);
        }
    }
}

/// A new file that only its owner reads, on the disk when this returns. It never follows or replaces what is there.
fn create(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

impl Credentials<'_> {
    /// Secrets first: without the settings file nobody reads them.
    fn files(&self, directory: &Path) -> Vec<(&'static str, SecretString)> {
        let Self { app, .. } = self;
        let secret = app.webhook_secret.as_ref().map(|secret| (WEBHOOK_SECRET, line(secret)));
        let fixed = [(PRIVATE_KEY, line(&app.private_key_pem)), (CLIENT_SECRET, line(&app.client_secret))];
        let settings = (SETTINGS, self.settings(directory).into());
        fixed.into_iter().chain(secret).chain([settings]).collect()
    }

    fn settings(&self, directory: &Path) -> String {
        let Self { app, public_url, .. } = self;
        let file = |name: &str| quoted(&directory.join(name).display().to_string());
        let mut text = format!(
            "# Written by `mergecast setup`. `mergecast doctor` checks it.\npublic_url = {}\n\n[github]\napp_id = {}\nclient_id = {}\n",
            quoted(without_slash(public_url)),
            app.id,
            quoted(&app.client_id),
        );
        let mut add = |key: &str, value: String| writeln!(text, "{key} = {value}").expect("a String takes it");
        // The client secret is kept in its file, for GitHub shows it once; `serve` has no use for it.
        add("private_key_file", file(PRIVATE_KEY));
        if app.webhook_secret.is_some() {
            add("webhook_secret_file", file(WEBHOOK_SECRET));
        }
        for (_, key, address) in self.addresses() {
            add(key.trim_start_matches("github."), quoted(address));
        }
        text
    }

    /// Lines of an environment file: values stand as they are, a line break in the key as `\n`.
    fn environment(&self) -> SecretString {
        let Self { app, public_url, .. } = self;
        let mut text = format!(
            "MERGECAST_PUBLIC_URL={}\nGITHUB_APP_ID={}\nGITHUB_CLIENT_ID={}\n",
            without_slash(public_url),
            app.id,
            one_line(&app.client_id)
        );
        let mut add =
            |name: &str, value: &str| writeln!(text, "{name}={}", one_line(value)).expect("a String takes it");
        for (name, _, address) in self.addresses() {
            add(name, address);
        }
        add("GITHUB_CLIENT_SECRET", app.client_secret.expose_secret());
        if let Some(secret) = &app.webhook_secret {
            add("GITHUB_WEBHOOK_SECRET", secret.expose_secret());
        }
        add("GITHUB_PRIVATE_KEY", app.private_key_pem.expose_secret());
        text.into()
    }

    /// Addresses of GitHub that do not follow from the defaults: variable, key, value.
    fn addresses(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let Self { github, pages, .. } = self;
        let setting = |env: &str| ALL.iter().find(|setting| setting.env == env);
        let is_default = move |env: &str, address: &str| setting(env).is_some_and(|s| s.default == Some(address));
        // Of an Enterprise Server the remotes stand beside the pages, unless the settings say otherwise.
        let remotes =
            if is_default("GITHUB_GIT_URL", without_slash(&github.git_url)) { pages } else { &github.git_url };
        let derived = Urls::new(github.api_url.clone()).is_ok_and(|urls| urls.graphql == github.graphql_url);
        let graphql = Some(("GITHUB_GRAPHQL_URL", &github.graphql_url)).filter(|_| !derived);
        let all = [("GITHUB_API_URL", &github.api_url), ("GITHUB_GIT_URL", remotes)];
        all.into_iter().chain(graphql).filter_map(move |(env, url)| {
            let address = without_slash(url);
            let key = setting(env)?.key;
            (!is_default(env, address)).then_some((env, key, address))
        })
    }
}

/// A secret as a line of its own file.
fn line(secret: &SecretString) -> SecretString {
    format!("{}\n", secret.expose_secret().trim_end_matches(['\r', '\n'])).into()
}

fn one_line(text: &str) -> String {
    text.trim_end_matches(['\r', '\n']).replace('\r', "").replace('\n', "\\n")
}

fn without_slash(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// A basic string of TOML: its escapes are those of JSON, and the one character that JSON leaves alone is none of a path.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
