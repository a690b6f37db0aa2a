//! What rulesets ask of reviews on a branch. (Classic branch protection needs a permission that the App does not ask for.)

use reqwest::header::ETAG;
use serde::Deserialize;
use url::Url;

use super::error::Error;
use super::files::CachedPage;
use super::installation::Installation;
use super::name::RepoName;
use super::rate::Bucket;
use super::transport::Call;
use crate::risk::facts::ReviewRules;

/// Rules of one branch that are read: GitHub's most on a page. A branch has a rule of each kind for each ruleset.
const PER_PAGE: &str = "100";

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    required_approving_review_count: u64,
    require_code_owner_review: bool,
    dismiss_stale_reviews_on_push: bool,
    require_last_push_approval: bool,
    required_review_thread_resolution: bool,
}

impl Installation {
    /// What the rulesets in force ask of reviews on a branch, and the answer to keep. A kept one is revalidated.
    pub async fn branch_rules(
        &self,
        repo: &RepoName,
        branch: &str,
        cached: Option<&CachedPage>,
    ) -> Result<(ReviewRules, CachedPage), Error> {
        let call =
            Call { etag: cached.map(|kept| kept.etag.clone()), ..Call::get(self.branch_rules_url(repo, branch)) };
        let answer = self.call(Bucket::Core, &call).await?;
        let page = match (answer.status, cached) {
            (304, Some(kept)) => kept.clone(),
            (304, None) => return Err(Error::contract("\"not modified\" without a question")),
            _ => CachedPage {
                route: Self::branch_rules_route(repo, branch),
                etag: answer.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned(),
                body: answer.body.to_vec(),
            },
        };
        Ok((Self::read_branch_rules(&page.body)?, page))
    }

    /// Key of the answer for keeping it.
    pub fn branch_rules_route(repo: &RepoName, branch: &str) -> String {
        format!("repos/{repo}/rules/branches/{branch}")
    }

    /// Reads a kept answer.
    pub fn read_branch_rules(body: &[u8]) -> Result<ReviewRules, Error> {
        let rules: Vec<Rule> =
            serde_json::from_slice(body).map_err(|_| Error::contract("rules that are not a list"))?;
        let mut all = ReviewRules::default();
        for rule in rules.into_iter().filter(|rule| rule.kind == "pull_request") {
            let asked = rule.parameters.unwrap_or_default();
            all.approvals = all.approvals.max(asked.required_approving_review_count);
            all.code_owners |= asked.require_code_owner_review;
            all.dismiss_stale |= asked.dismiss_stale_reviews_on_push;
            all.last_push_by_others |= asked.require_last_push_approval;
            all.threads_resolved |= asked.required_review_thread_resolution;
        }
        Ok(all)
    }

    fn branch_rules_url(&self, repo: &RepoName, branch: &str) -> Url {
        let path = ["repos", repo.owner(), repo.name(), "rules", "branches", branch];
        self.transport().url(path, &[("per_page", PER_PAGE)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_of_several_rulesets_holds() {
        let body = br#"[
            {"type": "deletion"},
            {"type": "pull_request", "parameters": {"required_approving_review_count": 2,
                "require_code_owner_review": false, "require_last_push_approval": true}},
            {"type": "pull_request", "parameters": {"required_approving_review_count": 1,
                "require_code_owner_review": true, "new_one": {}}},
            {"type": "pull_request"}
        ]"#;
        let expected =
            ReviewRules { approvals: 2, code_owners: true, last_push_by_others: true, ..ReviewRules::default() };
        assert_eq!(Installation::read_branch_rules(body).unwrap(), expected);
        assert_eq!(Installation::read_branch_rules(b"[]").unwrap(), ReviewRules::default());
        assert!(Installation::read_branch_rules(b"{}").is_err());
    }
}
