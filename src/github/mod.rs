//! GitHub: the App's login, what is read of a pull request, the check run that is written, the webhooks that arrive.
//!
//! An adapter: it returns the product's types, holds every call to a deadline and to GitHub's rate limits, and never
//! decides what a change is worth. It talks to one host only, the one it was given.
//! No SDK stands between: what is used is a signed token and some ten endpoints.

mod auth;
mod base_files;
mod branch_policy;
mod branch_rules;
mod check_run;
mod client;
mod comments;
mod commit_authors;
mod comparison;
mod deliveries;
mod error;
mod event;
mod files;
mod fold;
mod graphql;
mod installation;
mod installations;
mod introduction;
mod manifest;
mod measure;
mod merge_queue;
mod name;
mod oidc;
mod open_pulls;
mod owners;
mod payload;
mod pull_refs;
mod pull_request;
mod rate;
mod registration;
#[cfg(test)]
mod scripted;
mod transport;
mod wire;
mod writes;

pub mod sim;
pub mod webhook;

pub use auth::{AppCredentials, Permissions};
pub use check_run::{
    Annotation, AnnotationLevel, Button, CheckRun, CheckRunDraft, CheckRunLook, CheckRunOutput, CheckRunStatus,
    Conclusion,
};
pub use client::{App, GitHub, Options, Urls};
pub use comments::{Collaborator, CommentLook, Reaction};
pub use comparison::Comparison;
pub use deliveries::{DeliveryPage, HookDelivery};
pub use error::{Error, Retry};
pub use files::{CachedPage, CommitFiles, Files};
pub use installation::{HandedToken, Installation};
pub use installations::{InstallationInfo, InstalledRepository, RepositorySelection, events_lacking};
pub use introduction::{AppProfile, Budget, Budgets, HookConfig, Introduction};
pub use manifest::{APP_NAME_MAX, HookAttributes, Manifest, webhook_url};
pub use merge_queue::{MergeQueue, QueueEntry};
pub use name::RepoName;
pub use oidc::{Oidc, OidcError, Workflow};
pub use open_pulls::{OpenPull, OpenPulls};
pub use owners::{OwnersAsk, OwnersTold};
pub use pull_refs::{PullRef, Undone};
pub use pull_request::{GitAuthor, OwnerPlace, PullRequest, TextFile};
pub use registration::{NewApp, exchange_code};

/// A permission that the App asks for: what breaks without it stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// GitHub's name for it, as in the App's manifest.
    pub name: &'static str,
    /// `read` or `write`.
    pub access: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

/// Everything the App asks for, and no more.
pub const PERMISSIONS: &[Permission] = &[
    Permission { name: "metadata", access: "read", purpose: "granted to every App" },
    Permission { name: "checks", access: "write", purpose: "the check run, its re-run and its buttons" },
    Permission { name: "contents", access: "read", purpose: "changed files, CODEOWNERS, the policy file, pushes" },
    Permission { name: "pull_requests", access: "write", purpose: "pull requests, reviews; answers to commands" },
    Permission { name: "issues", access: "read", purpose: "comments on pull requests" },
    Permission { name: "statuses", access: "read", purpose: "commit statuses of the head commit" },
    Permission { name: "actions", access: "read", purpose: "the end of workflow runs" },
    Permission { name: "merge_queues", access: "read", purpose: "merge groups" },
    Permission { name: "members", access: "read", purpose: "the teams that code owners and reviewers belong to" },
];

/// A webhook that is read, with the permission that GitHub demands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Value of `X-GitHub-Event`.
    pub name: &'static str,
    /// Actions that are read; empty for events without.
    pub actions: &'static [&'static str],
    /// The permission that is needed to receive it; `None` if it is always sent.
    pub permission: Option<&'static str>,
    /// Whether the App must subscribe to it; the others come by themselves.
    pub subscribed: bool,
    /// What it is for.
    pub purpose: &'static str,
}

/// Everything that is read of GitHub's webhooks.
pub const EVENTS: &[EventRow] = &[
    EventRow {
        name: "pull_request",
        actions: &[
            "opened",
            "reopened",
            "synchronize",
            "ready_for_review",
            "converted_to_draft",
            "edited",
            "labeled",
            "unlabeled",
            "closed",
            "review_requested",
            "review_request_removed",
            "enqueued",
            "dequeued",
        ],
        permission: Some("pull_requests"),
        subscribed: true,
        purpose: "score the pull request",
    },
    EventRow {
        name: "pull_request_review",
        actions: &["submitted", "edited", "dismissed"],
        permission: Some("pull_requests"),
        subscribed: true,
        purpose: "the review state changed",
    },
    EventRow {
        name: "check_run",
        actions: &["created", "completed", "rerequested", "requested_action"],
        permission: Some("checks"),
        subscribed: true,
        purpose: "another check ended; re-run and buttons of ours",
    },
    EventRow {
        name: "check_suite",
        actions: &["completed", "requested", "rerequested"],
        permission: Some("checks"),
        subscribed: true,
        purpose: "other checks ended; re-run of ours",
    },
    EventRow {
        name: "status",
        actions: &[],
        permission: Some("statuses"),
        subscribed: true,
        purpose: "a commit status changed",
    },
    EventRow {
        name: "workflow_run",
        actions: &["completed"],
        permission: Some("actions"),
        subscribed: true,
        purpose: "a workflow ended",
    },
    EventRow {
        name: "push",
        actions: &[],
        permission: Some("contents"),
        subscribed: true,
        purpose: "the mirror follows; pull requests too where CODEOWNERS or policy changed",
    },
    EventRow {
        name: "merge_group",
        actions: &["checks_requested", "destroyed"],
        permission: Some("merge_queues"),
        subscribed: true,
        purpose: "the merge queue waits for the check",
    },
    EventRow {
        name: "issue_comment",
        actions: &["created"],
        permission: Some("issues"),
        subscribed: true,
        purpose: "slash-commands",
    },
    EventRow {
        name: "installation",
        actions: &["created", "deleted", "suspend", "unsuspend", "new_permissions_accepted"],
        permission: None,
        subscribed: false,
        purpose: "installed, suspended or removed",
    },
    EventRow {
        name: "installation_repositories",
        actions: &["added", "removed"],
        permission: None,
        subscribed: false,
        purpose: "repositories came or went",
    },
    EventRow {
        name: "installation_target",
        actions: &["renamed"],
        permission: None,
        subscribed: false,
        purpose: "the account has another name",
    },
    EventRow {
        name: "repository",
        actions: &["renamed", "transferred", "deleted", "archived", "unarchived"],
        permission: Some("metadata"),
        subscribed: true,
        purpose: "a repository has another name or owner, or is gone",
    },
    EventRow { name: "ping", actions: &[], permission: None, subscribed: false, purpose: "GitHub tries the hook" },
];
