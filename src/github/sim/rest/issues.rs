//! Routes of comments and reactions.

use chrono::DateTime;
use serde_json::Value;

use super::super::answer::{Answer, Outcome};
use super::super::pulls::{Comment, Reaction};
use super::super::shapes::REACTIONS;
use super::Call;

/// Longest comment body, in characters.
const BODY_MAX: usize = 65_536;

impl Call<'_> {
    /// Comments and reactions on pull requests need one of two permissions.
    fn need_either(&self, level: &str) -> Result<(), Answer> {
        if self.caller.may("issues", level) { Ok(()) } else { self.need("pull_requests", level) }
    }

    fn text(&self) -> Result<String, Answer> {
        let text = self.request.body["body"].as_str().filter(|t| !t.trim().is_empty());
        let text = text.ok_or_else(|| Answer::schema("\"body\" wasn't supplied."))?;
        if text.chars().count() > BODY_MAX {
            return Err(Answer::invalid(
                "IssueComment",
                "body",
                "custom",
                "body is too long (maximum is 65536 characters)",
            ));
        }
        Ok(text.to_owned())
    }

    /// Number of the pull request that holds a comment.
    fn holder(&self, repo: &str, id: &str) -> Result<(u64, u64), Answer> {
        let id: u64 = id.parse().map_err(|_| Answer::not_found())?;
        let pulls = self.state.known(repo).pulls.values();
        let found = pulls.filter(|p| p.comments.iter().any(|c| c.id == id)).map(|p| (p.number, id)).next();
        found.ok_or_else(Answer::not_found)
    }

    fn comment_body(&self, repo: &str, number: u64, id: u64) -> Value {
        let Some((repo, pull)) = self.state.pull(repo, number) else { return Value::Null };
        let comment = pull.comments.iter().find(|c| c.id == id);
        comment.map_or(Value::Null, |c| self.state.comment_shape(repo, number, c))
    }

    fn comment_mut(&mut self, repo: &str, number: u64, id: u64) -> Result<&mut Comment, Answer> {
        let comments = &mut self.state.pull_mut(repo, number).comments;
        comments.iter_mut().find(|c| c.id == id).ok_or_else(Answer::not_found)
    }

    fn unlocked(&self, repo: &str, number: u64) -> Result<(), Answer> {
        let locked = self.state.pull(repo, number).is_some_and(|(_, pull)| pull.locked);
        let refused = || Answer::error(403, "Unable to create comment because issue is locked.");
        if locked { Err(refused()) } else { Ok(()) }
    }

    fn our_login(&self) -> String {
        format!("{}[bot]", self.state.app.slug)
    }

    pub(super) fn comments(&self, repo: &str, number: &str) -> Outcome {
        self.need_either("read")?;
        let (repo, pull) = self.find_pull(repo, number)?;
        let since = self.request.param("since").map(DateTime::parse_from_rfc3339);
        let since = since.transpose().map_err(|_| Answer::schema("since is not a timestamp."))?;
        let listed = |c: &&Comment| since.is_none_or(|since| c.updated_at >= since);
        let comments: Vec<&Comment> = pull.comments.iter().filter(listed).collect();
        self.page(&comments, |c| self.state.comment_shape(repo, pull.number, c))
    }

    pub(super) fn create_comment(&mut self, repo: &str, number: &str) -> Outcome {
        self.need_either("write")?;
        let number = self.find_pull(repo, number)?.1.number;
        self.unlocked(repo, number)?;
        let (text, login) = (self.text()?, self.our_login());
        let id = self.state.comment(repo, number, &login, &text, true);
        let body = self.comment_body(repo, number, id);
        let location = body["url"].as_str().unwrap_or_default().to_owned();
        Ok(Answer::new(201, body).with("location", location))
    }

    pub(super) fn comment(&self, repo: &str, id: &str) -> Outcome {
        self.need_either("read")?;
        let (number, id) = self.holder(repo, id)?;
        Ok(Answer::ok(self.comment_body(repo, number, id)))
    }

    pub(super) fn update_comment(&mut self, repo: &str, id: &str) -> Outcome {
        self.need_either("write")?;
        let (number, id) = self.holder(repo, id)?;
        self.unlocked(repo, number)?;
        let (text, now, login) = (self.text()?, self.state.now(), self.our_login());
        let comment = self.comment_mut(repo, number, id)?;
        if !comment.by_app {
            return Err(Answer::error(403, "Resource not accessible by integration"));
        }
        (comment.body, comment.updated_at) = (text, now);
        self.state.send_comment("edited", repo, number, id, &login, serde_json::json!({"changes": {}}));
        Ok(Answer::ok(self.comment_body(repo, number, id)))
    }

    pub(super) fn reactions(&self, repo: &str, id: &str) -> Outcome {
        self.need_either("read")?;
        let (number, id) = self.holder(repo, id)?;
        let (_, pull) = self.state.pull(repo, number).ok_or_else(Answer::not_found)?;
        let comment = pull.comments.iter().find(|c| c.id == id).ok_or_else(Answer::not_found)?;
        self.page(&comment.reactions, |r| self.state.reaction_shape(r))
    }

    /// 201 for a new reaction, 200 for one that was there already.
    pub(super) fn react(&mut self, repo: &str, id: &str) -> Outcome {
        self.need_either("write")?;
        let (number, comment) = self.holder(repo, id)?;
        self.unlocked(repo, number)?;
        let content = self.request.body["content"].as_str().filter(|c| REACTIONS.contains(c));
        let content = content.ok_or_else(|| Answer::schema("content is not a known reaction."))?.to_owned();
        let (id, now, author) = (self.state.new_id(), self.state.now(), self.our_login());
        self.state.person(&author);
        let reactions = &mut self.comment_mut(repo, number, comment)?.reactions;
        let known = reactions.iter().find(|r| r.author == author && r.content == content).cloned();
        if let Some(known) = known {
            return Ok(Answer::ok(self.state.reaction_shape(&known)));
        }
        let reaction = Reaction { id, author, content, created_at: now };
        reactions.push(reaction.clone());
        Ok(Answer::new(201, self.state.reaction_shape(&reaction)))
    }
}
