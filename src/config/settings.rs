//! The table of settings: names, defaults and what each is for. Parsing and documentation both read it.

/// One setting of the program.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name of the environment variable.
    pub env: &'static str,
    /// Dotted key in `mergecast.toml`.
    pub key: &'static str,
    /// Used when nothing else is given.
    pub default: Option<&'static str>,
    /// A secret: it can also be given as a file (`…_FILE`, `…_file`), and its value is never shown.
    pub secret: bool,
    /// What it is for, in one phrase.
    pub about: &'static str,
}

/// Every setting, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    plain("MERGECAST_LISTEN", "listen", Some("127.0.0.1:8080"), "address and port of the HTTP server"),
    plain("MERGECAST_DATABASE", "database", Some("sqlite://mergecast.db"), "database URL"),
    plain("MERGECAST_DATA_DIR", "data_dir", Some("./data"), "directory for mirrors of repositories"),
    plain(
        "MERGECAST_MIRRORS",
        "mirrors",
        Some("on"),
        "`on`, or `off`: no mirrors of repositories, and scores without history",
    ),
    plain("MERGECAST_PUBLIC_URL", "public_url", None, "where people reach this server; links start with it"),
    plain("MERGECAST_WORKERS", "workers", Some("4"), "changes assessed at the same time, 1-64"),
    plain(
        "MERGECAST_METRICS_LISTEN",
        "metrics_listen",
        None,
        "address and port for `/metrics` alone, which is then nowhere else",
    ),
    plain(
        "MERGECAST_OUTCOME_COMMENTS",
        "outcome_comments",
        Some("off"),
        "`on`: a pull request that an incident is put down to gets a comment that says so",
    ),
    plain(
        "MERGECAST_PRODUCTION",
        "outcomes.production",
        Some("production, prod, prd, live, prod-*, production-*"),
        "environments that are production; those that end with `*` are environments of their own, the others are one",
    ),
    plain(
        "MERGECAST_HOTFIXES",
        "outcomes.hotfixes",
        Some("label:hotfix, title:hotfix*, title:fix(hotfix)*, branch:hotfix/*, branch:hotfix-*"),
        "what makes a pull request a hotfix, which fails the deployment before it; or `off`",
    ),
    plain(
        "MERGECAST_REVERTS",
        "outcomes.reverts",
        Some("on"),
        "reverts that fail the deployment they take back: `on`, `proven` by their patches alone, or `off`",
    ),
    plain(
        "MERGECAST_ATTRIBUTION_WINDOW",
        "outcomes.attribution_window",
        Some("4h"),
        "how long after a deployment an incident may begin that is put down to it, `1h` to `72h`",
    ),
    plain(
        "MERGECAST_SLO_BURN_FAILS",
        "outcomes.slo_burn_fails",
        Some("on"),
        "`off`: SLO burn after a deployment is shown, and is no failure by itself",
    ),
    plain(
        "MERGECAST_RETENTION_DELIVERIES",
        "retention.deliveries",
        Some("90d"),
        "how long webhooks are kept, at least `7d`",
    ),
    plain(
        "MERGECAST_RETENTION_FACTS",
        "retention.facts",
        Some("2y"),
        "how long the facts behind a score are kept, at least `30d`; scores stay",
    ),
    plain(
        "MERGECAST_LEARNING",
        "learning",
        Some("propose"),
        "`propose`: models learned from outcomes are proposed; `activate`: those better beyond noise are put in force; or `off`",
    ),
    plain("GITHUB_APP_ID", "github.app_id", None, "number of the GitHub App"),
    plain("GITHUB_CLIENT_ID", "github.client_id", None, "client id of the GitHub App"),
    secret("GITHUB_CLIENT_SECRET", "github.client_secret", "client secret of the GitHub App"),
    secret(
        "GITHUB_PRIVATE_KEY",
        "github.private_key",
        "private key of the GitHub App (PEM; `\\n` stands for a line break)",
    ),
    secret("GITHUB_WEBHOOK_SECRET", "github.webhook_secret", "secret that signs webhooks"),
    secret(
        "GITHUB_WEBHOOK_SECRET_PREVIOUS",
        "github.webhook_secret_previous",
        "the secret before, accepted as well while you rotate",
    ),
    plain("GITHUB_API_URL", "github.api_url", Some("https://api.github.com"), "base of GitHub's REST API"),
    plain("GITHUB_GRAPHQL_URL", "github.graphql_url", None, "GitHub's GraphQL API; derived from the REST base"),
    plain("GITHUB_GIT_URL", "github.git_url", Some("https://github.com"), "base of git remotes; `file://` works"),
    plain(
        "GITHUB_OIDC_ISSUER",
        "github.oidc_issuer",
        Some("https://token.actions.githubusercontent.com"),
        "issuer of workflow tokens that may upload; on an Enterprise Server `https://HOST/_services/token`",
    ),
    secret("DD_API_KEY", "datadog.api_key", "Datadog API key"),
    secret("DD_APP_KEY", "datadog.app_key", "Datadog application key"),
    plain("DD_SITE", "datadog.site", Some("datadoghq.com"), "Datadog site"),
    plain(
        "DD_INCIDENT_LINKS",
        "datadog.incident_links",
        Some("off"),
        "`on`: incidents get a link to the score that their cause had before its merge",
    ),
    plain(
        "DD_INCIDENT_FIELD",
        "datadog.incident_field",
        None,
        "text box of incidents in which that is written where Datadog refuses links",
    ),
    plain(
        "DD_DORA_EVENTS",
        "datadog.dora_events",
        Some("off"),
        "`on`: DORA Metrics is told of deployments and failures",
    ),
    plain("DD_API_URL", "datadog.api_url", None, "base of Datadog's API; derived from the site"),
    secret("CODECOV_TOKEN", "codecov.token", "Codecov API token"),
    plain("CODECOV_API_URL", "codecov.api_url", Some("https://api.codecov.io"), "base of Codecov's API"),
    secret("SONAR_TOKEN", "sonar.token", "SonarQube token"),
    plain("SONAR_URL", "sonar.url", Some("https://sonarcloud.io"), "base of SonarQube"),
    secret("PAGERDUTY_WEBHOOK_SECRET", "pagerduty.webhook_secret", "secret that signs PagerDuty's webhooks"),
    plain(
        "PAGERDUTY_ENV",
        "pagerduty.env",
        None,
        "environment that PagerDuty's incidents are in; without it production",
    ),
];

/// Sites that Datadog runs; a site names a host, so it comes from this list only.
pub(super) const DATADOG_SITES: &[&str] = &[
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
];

const fn plain(env: &'static str, key: &'static str, default: Option<&'static str>, about: &'static str) -> Setting {
    Setting { env, key, default, secret: false, about }
}

const fn secret(env: &'static str, key: &'static str, about: &'static str) -> Setting {
    Setting { env, key, default: None, secret: true, about }
}
