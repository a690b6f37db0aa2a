//! What is said below a pull request, and by whom: comments of ours, reactions, and what a person may do.

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::installation::Installation;
use super::name::RepoName;
use super::rate::Bucket;
use super::transport::{Answer, Call};
use crate::risk::overrides::Role;

/// Longest comment that GitHub takes, in characters.
const BODY_MAX: usize = 65_536;
/// Pages of comments that are looked through at most, of 100 each: only those since the one that is answered.
const MAX_PAGES: usize = 10;

/// What a person may do in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collaborator {
    /// Id of the account that bears the name now, where the answer says.
    pub id: Option<u64>,
    /// What it may do; `None` for strangers and for names that nobody bears.
    pub role: Role,
}

/// A reaction that we give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Seen.
    Eyes,
    /// Done.
    PlusOne,
    /// Refused.
    MinusOne,
}

impl Reaction {
    fn content(self) -> &'static str {
        match self {
            Self::Eyes => "eyes",
            Self::PlusOne => "+1",
            Self::MinusOne => "-1",
        }
    }
}

/// Which comment of ours is looked for.
#[derive(Clone, Copy, Debug)]
pub struct CommentLook<'a> {
    /// Id of our App.
    pub app_id: u64,
    /// What its text begins with.
    pub marker: &'a str,
    /// It was not made before this instant.
    pub since: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Permission {
    #[serde(default)]
    permission: String,
    role_name: Option<String>,
    user: Option<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: Option<String>,
    performed_via_github_app: Option<Id>,
}

impl Installation {
    /// What the bearer of a login may do in a repository now. Never to be told by an association in a payload.
    pub async fn collaborator(&self, repo: &RepoName, login: &str) -> Result<Collaborator, Error> {
        let segments = ["repos", repo.owner(), repo.name(), "collaborators", login, "permission"];
        let answer = match self.get(self.transport().url(segments, &[])).await {
            Err(Error::NotFound) => return Ok(Collaborator { id: None, role: Role::None }),
            answer => answer?,
        };
        let Permission { permission, role_name, user } = answer.json()?;
        Ok(Collaborator { id: user.map(|user| user.id), role: role(&permission, role_name.as_deref()) })
    }

    /// Gives a comment a reaction; one that is there already stays one, so this may be repeated.
    pub async fn react(&self, repo: &RepoName, comment: u64, reaction: Reaction) -> Result<(), Error> {
        let segments = ["repos", repo.owner(), repo.name(), "issues", "comments", &comment.to_string(), "reactions"];
        let url = self.transport().url(segments, &[]);
        let answer = self.say(Method::POST, url, &json!({ "content": reaction.content() })).await?;
        // What is no reaction is no proof that there is one; giving it again does no harm.
        written(&answer).map(drop)
    }

    /// Writes a comment below a pull request and gives its id. Never repeated inside; [`Error::AnswerLost`] when it may
    /// have been written.
    pub async fn create_comment(&self, repo: &RepoName, number: u64, body: &str) -> Result<u64, Error> {
        let segments = ["repos", repo.owner(), repo.name(), "issues", &number.to_string(), "comments"];
        let url = self.transport().url(segments, &[]);
        written(&self.say(Method::POST, url, &json!({ "body": fitting(body)? })).await?)
    }

    /// Replaces the text of a comment of ours; this may be repeated.
    pub async fn update_comment(&self, repo: &RepoName, comment: u64, body: &str) -> Result<(), Error> {
        let segments = ["repos", repo.owner(), repo.name(), "issues", "comments", &comment.to_string()];
        let url = self.transport().url(segments, &[]);
        written(&self.say(Method::PATCH, url, &json!({ "body": fitting(body)? })).await?).map(drop)
    }

    /// The first comment of ours below a pull request that begins with a marker.
    pub async fn find_comment(
        &self,
        repo: &RepoName,
        number: u64,
        look: &CommentLook<'_>,
    ) -> Result<Option<u64>, Error> {
        let since = look.since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let segments = ["repos", repo.owner(), repo.name(), "issues", &number.to_string(), "comments"];
        let mut url = self.transport().url(segments, &[("since", since.as_str()), ("per_page", "100")]);
        for _ in 0..MAX_PAGES {
            let answer = self.get(url).await?;
            // Anybody can write the marker; only our App can write as our App.
            let ours = |comment: &Comment| {
                comment.performed_via_github_app.as_ref().is_some_and(|app| app.id == look.app_id)
                    && comment.body.as_deref().is_some_and(|body| body.starts_with(look.marker))
            };
            if let Some(found) = answer.json::<Vec<Comment>>()?.into_iter().find(ours) {
                return Ok(Some(found.id));
            }
            let Some(next) = answer.next_link() else { break };
            url = self.transport().on_base(next)?;
        }
        Ok(None)
    }

    async fn say(&self, method: Method, url: url::Url, body: &Value) -> Result<Answer, Error> {
        self.call(Bucket::Core, &Call::write(method, url, body.to_string().into_bytes())).await
    }
}

/// The id of what was written; an answer that names none leaves in doubt whether it was.
fn written(answer: &Answer) -> Result<u64, Error> {
    answer.json::<Id>().map(|written| written.id).map_err(|_| Error::AnswerLost { status: Some(answer.status) })
}

fn fitting(body: &str) -> Result<&str, Error> {
    let fits = body.chars().count() <= BODY_MAX;
    fits.then_some(body).ok_or_else(|| Error::Invalid { message: "a comment of over 65,536 characters".to_owned() })
}

/// `maintain` is told by the finer name only; a name that an organisation made up says nothing, so the coarse level
/// stands then.
fn role(permission: &str, role_name: Option<&str>) -> Role {
    match (permission, role_name) {
        ("admin", _) => Role::Admin,
        ("write", Some("maintain")) => Role::Maintain,
        ("maintain", _) => Role::Maintain,
        ("write", _) => Role::Write,
        ("read", Some("triage")) | ("triage", _) => Role::Triage,
        ("read", _) => Role::Read,
        _ => Role::None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Scripted, json, repo, start_time, with};
    use super::*;

    #[tokio::test]
    async fn a_role_is_the_finer_of_two_names_and_strangers_have_none() {
        let s = Scripted::start(|asked| {
            let login = asked.target.strip_prefix("/repos/acme/shop/collaborators/")?.strip_suffix("/permission")?;
            let (permission, role) = login.split_once('-')?;
            Some(json(200, &json!({"permission": permission, "role_name": role, "user": {"id": 7}})))
        })
        .await;
        let check = async |login: &str, id: Option<u64>, role: Role| {
            assert_eq!(s.installation().collaborator(&repo(), login).await, Ok(Collaborator { id, role }), "{login}");
        };
        check("admin-admin", Some(7), Role::Admin).await;
        check("write-maintain", Some(7), Role::Maintain).await;
        check("write-write", Some(7), Role::Write).await;
        check("write-release_managers", Some(7), Role::Write).await;
        check("read-triage", Some(7), Role::Triage).await;
        check("read-admin", Some(7), Role::Read).await;
        check("none-none", Some(7), Role::None).await;
        check("unheard-of", Some(7), Role::None).await;
        check("nobody", None, Role::None).await;
        check("../../../user?x=", None, Role::None).await;
        let asked = s.asked();
        assert!(asked.iter().all(|a| a.target.starts_with("/repos/acme/shop/collaborators/")), "{asked:#?}");
    }

    #[tokio::test]
    async fn a_comment_of_ours_is_found_on_a_later_page_and_a_forged_one_is_not() {
        let s = Scripted::start(|asked| {
            let comment =
                |id: u64, app: Value, body: &str| json!({"id": id, "body": body, "performed_via_github_app": app});
            let ours = json!({"id": 7});
            match asked.target.as_str() {
                "/repos/acme/shop/issues/3/comments?since=2027-01-15T08%3A00%3A00Z&per_page=100" => {
                    let forged = [
                        comment(1, Value::Null, "<!-- m 1 -->"),
                        comment(2, json!({"id": 8}), "<!-- m 1 -->"),
                        comment(3, ours, "x <!-- m 1 -->"),
                    ];
                    let next =
                        [("link", "<https://api.example/repos/acme/shop/issues/3/comments?page=2>; rel=\"next\"")];
                    Some(with(200, &next, &json!(forged)))
                }
                "/repos/acme/shop/issues/3/comments?page=2" => {
                    Some(json(200, &json!([comment(4, ours, "<!-- m 1 -->\ntext")])))
                }
                _ => None,
            }
        })
        .await;
        let look = CommentLook { app_id: 7, marker: "<!-- m 1 -->", since: start_time() };
        assert_eq!(s.installation().find_comment(&repo(), 3, &look).await, Ok(Some(4)));
    }

    #[tokio::test]
    async fn what_was_written_is_known_or_known_to_be_in_doubt() {
        let s = Scripted::start(|asked| match (asked.method.as_str(), asked.target.rsplit('/').next()?) {
            ("POST", "comments") if asked.target.contains("/1/") => Some(json(201, &json!({"id": 9}))),
            ("POST", "comments") => Some(json(201, &json!("garbled"))),
            ("POST", "reactions") => Some(json(200, &json!({"id": 1, "content": "eyes"}))),
            ("PATCH", "9") => Some(json(200, &json!({"id": 9}))),
            ("PATCH", "7") => Some(json(200, &json!("garbled"))),
            _ => None,
        })
        .await;
        let i = s.installation();
        assert_eq!(i.create_comment(&repo(), 1, "a").await, Ok(9));
        assert_eq!(i.create_comment(&repo(), 2, "a").await, Err(Error::AnswerLost { status: Some(201) }));
        assert_eq!(i.update_comment(&repo(), 9, "b").await, Ok(()));
        assert_eq!(i.update_comment(&repo(), 7, "b").await, Err(Error::AnswerLost { status: Some(200) }));
        assert_eq!(i.react(&repo(), 9, Reaction::Eyes).await, Ok(()));
        assert_eq!(i.update_comment(&repo(), 8, "b").await, Err(Error::NotFound));
        s.asked();
        assert!(matches!(i.create_comment(&repo(), 1, &"é".repeat(65_537)).await, Err(Error::Invalid { .. })));
        assert_eq!(s.asked().len(), 0, "what GitHub would refuse is not sent");
    }
}
