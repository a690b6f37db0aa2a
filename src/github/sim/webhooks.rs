//! Webhook payloads, built from the state when the event happens.

use serde_json::Value;

use super::pulls::Reviewer;
use super::state::State;

impl State {
    pub(super) fn send_pull(&mut self, action: &str, repo: &str, number: u64, sender: &str, more: Value) {}
    pub(super) fn send_labeled(&mut self, action: &str, repo: &str, number: u64, label: &str) {}
    pub(super) fn send_review_requested(&mut self, repo: &str, number: u64, reviewer: &Reviewer) {}
    pub(super) fn send_review(&mut self, action: &str, repo: &str, number: u64, review: u64, sender: &str) {}
    pub(super) fn send_comment(&mut self, action: &str, repo: &str, number: u64, comment: u64, sender: &str, more: Value) {}
    pub(super) fn send_run(&mut self, action: &str, run: u64, sender: &str, more: Value) {}
    pub(super) fn send_suite(&mut self, action: &str, suite: u64, sender: &str) {}
    pub(super) fn send_status(&mut self, repo: &str, status: u64) {}
    pub(super) fn send_push(&mut self, repo: &str, branch: &str, before: &str, after: &str, sender: &str) {}
    pub(super) fn send_merge_group(&mut self, repo: &str, number: u64, sha: &str, action: &str, reason: Option<&str>) {}
    pub(super) fn send_installation(&mut self, action: &str, installation: u64) {}
}
