//! Reviews with what their worth hangs on: whether files are what they were when they were approved, who is in an owning
//! team, what the branch asks for. GitHub is asked only where the answer matters, and not again for what cannot change.

use chrono::TimeDelta;

use super::{App, assess::Outcome, number};
use crate::{
    github::{self, CachedPage, Installation, OwnersAsk, OwnersTold, PullRequest, RepoName, Retry},
    risk::{
        facts::{
            ChangeState, Facts, Known, Opinion, Ownership, Reason, Review, ReviewRules, ReviewVerdict, Source, Unknown,
        },
        owners::may_approve,
    },
    store::AssessmentRow,
};

/// A branch's rules are asked for again after this time: they rarely change, and a score asks for little else.
const RULES_LAST: TimeDelta = TimeDelta::minutes(10);

/// The reviews of a pull request. `left` requests may be spent on what could be done without.
pub(super) async fn review(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    ownership: &Known<Ownership>,
    last: Option<&AssessmentRow>,
    left: usize,
) -> Result<Known<Review>, Outcome> {
    let Ok(mut review) = pull.review.clone() else { return Ok(pull.review.clone()) };
    if pull.state != ChangeState::Open {
        return Ok(Ok(review));
    }
    review.circumstances.rules = rules(app, installation, repo, &pull.base_ref, left).await?;
    let moved = app.store.latest_move(number(pull.repository_id), number(pull.number)).await?;
    let moved = moved.filter(|moved| moved.head_sha.as_ref() == Some(&pull.head_sha));
    review.circumstances.pushed_at = moved.map(|moved| moved.at);
    let Ok(ownership) = ownership else { return Ok(Ok(review)) };
    remember(pull, &mut review, ownership, last);
    doubt_what_is_gone(pull, &mut review);
    let ask = ask(pull, &review, ownership);
    if !ask.is_empty() {
        match installation.owners(repo, &ask).await {
            Ok(told) => tell(&mut review, &told),
            Err(error) if error.retry() == Retry::Never => {
                tracing::warn!(%error, "what owners' approvals hang on could not be read");
                doubt(&mut review, &ask, &error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Ok(review))
}

/// Contents of two commits do not change: what was known of the same head, the same approval and the same files holds.
fn remember(pull: &PullRequest, review: &mut Review, ownership: &Ownership, last: Option<&AssessmentRow>) {
    let mut opinions = old_ones(review, pull).peekable();
    if opinions.peek().is_none() {
        return;
    }
    let last = last.filter(|last| last.head_sha == pull.head_sha);
    let last = last.and_then(|last| serde_json::from_str::<Facts>(&last.facts).ok());
    let Some(Facts { review: Ok(before), ownership: Ok(owned), .. }) = last else { return };
    // Who owns a file says whether it was compared.
    if owned.owned != ownership.owned || owned.unusable != ownership.unusable {
        return;
    }
    for opinion in opinions {
        let same = |old: &&Opinion| old.reviewer == opinion.reviewer && old.commit == opinion.commit;
        // Earlier versions took what they had not compared for changed, and kept no last path.
        let known = before.opinions.iter().find(same).filter(|old| old.compared_until.is_some());
        if let Some((Some(Ok(changed)), until)) = known.map(|old| (&old.changed_since, &old.compared_until)) {
            (opinion.changed_since, opinion.compared_until) = (Some(Ok(changed.clone())), until.clone());
        }
    }
}

/// What was approved cannot be compared where GitHub no longer has the commit.
fn doubt_what_is_gone(pull: &PullRequest, review: &mut Review) {
    let reason = Reason::Unavailable("GitHub no longer has the commit that was approved".to_owned());
    let unknown = Unknown { source: Source::Reviews, reason };
    for opinion in old_ones(review, pull).filter(|opinion| opinion.commit.is_none()) {
        opinion.changed_since = Some(Err(unknown.clone()));
    }
}

/// Approvals of an earlier commit.
fn old_ones<'a>(review: &'a mut Review, pull: &'a PullRequest) -> impl Iterator<Item = &'a mut Opinion> {
    review.opinions.iter_mut().filter(|opinion| {
        opinion.verdict == ReviewVerdict::Approved && opinion.commit.as_deref() != Some(pull.head_sha.as_str())
    })
}

/// What has to be found out: of approvals that may be an owner's, and of nothing else.
fn ask(pull: &PullRequest, review: &Review, ownership: &Ownership) -> OwnersAsk {
    let mut ask = OwnersAsk { head_sha: pull.head_sha.clone(), ..OwnersAsk::default() };
    let approved =
        |opinion: &&Opinion| opinion.verdict == ReviewVerdict::Approved && may_approve(opinion, &pull.author.login);
    for opinion in review.opinions.iter().filter(approved) {
        let mut paths = Vec::new();
        for (path, rule) in &ownership.owned {
            let mut maybe = false;
            for owner in rule.owners.iter().filter(|owner| !ownership.unusable.contains(*owner)) {
                match owner.strip_prefix('@') {
                    Some(team) if team.contains('/') => {
                        maybe = true;
                        let given = |teams: &Vec<String>| teams.iter().any(|given| given.eq_ignore_ascii_case(team));
                        // Where teams may not be read the answer would be a refusal.
                        if opinion.on_behalf_of.as_ref().is_ok_and(|teams| !given(teams)) {
                            ask.members.insert((team.to_owned(), opinion.reviewer.clone()));
                        }
                    }
                    Some(login) => maybe |= login.eq_ignore_ascii_case(&opinion.reviewer),
                    None => maybe = true,
                }
            }
            if maybe {
                paths.push(path.clone());
            }
        }
        let old = opinion.commit.as_ref().filter(|commit| **commit != pull.head_sha);
        if let Some(commit) = old.filter(|_| !paths.is_empty() && opinion.changed_since.is_none()) {
            ask.commits.insert(commit.clone());
            ask.paths.extend(paths);
        }
    }
    ask
}

fn tell(review: &mut Review, told: &OwnersTold) {
    for opinion in &mut review.opinions {
        if let Some(changed) = opinion.commit.as_ref().and_then(|commit| told.changed.get(commit))
            && opinion.changed_since.is_none()
        {
            (opinion.changed_since, opinion.compared_until) = (Some(changed.clone()), told.compared_until.clone());
        }
        let of = |pair: &&(String, String)| pair.1 == opinion.reviewer;
        for pair in told.members.keys().filter(of) {
            match (&told.members[pair], &mut opinion.on_behalf_of) {
                (Ok(true), Ok(teams)) => teams.push(pair.0.clone()),
                (Err(_), _) => opinion.teams_unknown.push(pair.0.clone()),
                _ => {}
            }
        }
    }
}

/// Nothing was told: what hangs on it is unknown.
fn doubt(review: &mut Review, ask: &OwnersAsk, error: &github::Error) {
    let unknown = Unknown { source: Source::Reviews, reason: Reason::Unavailable(error.to_string()) };
    let told = OwnersTold {
        changed: ask.commits.iter().map(|commit| (commit.clone(), Err(unknown.clone()))).collect(),
        members: ask.members.iter().map(|pair| (pair.clone(), Err(unknown.clone()))).collect(),
        ..OwnersTold::default()
    };
    tell(review, &told);
}

/// What the branch asks of reviews. Nothing hangs on it that could not do without, so that a failure is no more than not
/// to know, and a score that may ask nothing more takes what was known last.
async fn rules(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    branch: &str,
    left: usize,
) -> Result<Option<Known<ReviewRules>>, Outcome> {
    let (id, route) = (number(installation.id()), Installation::branch_rules_route(repo, branch));
    let since = (app.clock.now() - RULES_LAST).timestamp_millis();
    if let Some(body) = app.store.cached_since(id, &route, since).await?
        && let Ok(rules) = Installation::read_branch_rules(&body)
    {
        return Ok(Some(Ok(rules)));
    }
    let cached = app.store.cached(id, &route).await?;
    if left == 0 {
        let known = cached.and_then(|(_, body)| Installation::read_branch_rules(&body).ok());
        return Ok(known.map(Ok));
    }
    let cached = cached.map(|(etag, body)| CachedPage { route: route.clone(), etag, body });
    match installation.branch_rules(repo, branch, cached.as_ref()).await {
        Ok((rules, page)) => {
            app.store.save_cached(id, &page.route, &page.etag, &page.body, app.clock.now_ms()).await?;
            Ok(Some(Ok(rules)))
        }
        Err(error) => {
            tracing::debug!(%error, branch, "the rules of a branch could not be read");
            let reason = match &error {
                github::Error::Forbidden { needs } => Reason::Forbidden(needs.clone()),
                other => Reason::Unavailable(other.to_string()),
            };
            Ok(Some(Err(Unknown { source: Source::Reviews, reason })))
        }
    }
}
