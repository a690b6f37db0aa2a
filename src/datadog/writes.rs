//! What is written at Datadog, only where the settings ask for it: links on incidents, and deployments and failures for DORA
//! Metrics. Nothing that is there is taken away.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    client::{Call, Datadog},
    endpoint::Endpoint,
    error::Error,
    wire,
};

/// A link on an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentLink {
    /// Datadog's id.
    pub id: String,
    /// What it is called. Untrusted.
    pub title: String,
    /// Where it leads. Untrusted.
    pub url: String,
}

/// A deployment, as DORA Metrics is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldDeployment {
    /// What makes it one: 16 to 128 letters, digits, `-`, `_`, `.` and `:`.
    pub id: String,
    /// Service.
    pub service: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was over.
    pub finished_at: DateTime<Utc>,
    /// Environment.
    pub env: Option<String>,
    /// Team.
    pub team: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Address of the repository, and commit.
    pub git: Option<(String, String)>,
}

/// A failure, as DORA Metrics is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldFailure {
    /// What makes it one, as of a deployment.
    pub id: String,
    /// Services; of several of them at least one is needed, or a team.
    pub services: Vec<String>,
    /// Team.
    pub team: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it is called.
    pub name: Option<String>,
    /// How bad it is, in a word.
    pub severity: Option<String>,
    /// Environment.
    pub env: Option<String>,
}

impl Datadog {
    /// The links on an incident.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn incident_links(&self, incident: &str) -> Result<Vec<IncidentLink>, Error> {
        let call = Call::new(Endpoint::IncidentLinks).name(incident).query("filter[attachment_type]", "link");
        let answer: Attachments = self.ask(&call).await?;
        Ok(answer.data.into_iter().flatten().filter_map(Attachment::link).collect())
    }

    /// Adds a link to an incident; gives its id. To look whether it is there already is the caller's part.
    ///
    /// # Errors
    /// Why it was not added, as far as is known: where nothing came back it may have been.
    pub async fn add_incident_link(&self, incident: &str, title: &str, url: &str) -> Result<String, Error> {
        let attributes = json!({"attachment_type": "link", "attachment": {"title": title, "documentUrl": url}});
        let body = json!({"data": {"type": "incident_attachments", "attributes": attributes}});
        let answer: Created = self.ask(&Call::new(Endpoint::AddIncidentLink).name(incident).body(body)).await?;
        Ok(answer.data.id)
    }

    /// Changes what a link on an incident is called and where it leads.
    ///
    /// # Errors
    /// Why it was not changed.
    pub async fn change_incident_link(&self, incident: &str, link: &IncidentLink) -> Result<(), Error> {
        let attributes = json!({"attachment": {"title": link.title, "documentUrl": link.url}});
        let data = json!({"type": "incident_attachments", "id": link.id, "attributes": attributes});
        let call = Call::new(Endpoint::ChangeIncidentLink).name(incident).name(&link.id).body(json!({"data": data}));
        self.ask::<Created>(&call).await.map(drop)
    }

    /// Writes a text into a field of an incident, which the organisation has made as a text box.
    ///
    /// # Errors
    /// Why it was not written: where there is no such field among them.
    pub async fn set_incident_field(&self, incident: &str, field: &str, text: &str) -> Result<(), Error> {
        let fields = json!({ field: {"type": "textbox", "value": text} });
        let data = json!({"id": incident, "type": "incidents", "attributes": {"fields": fields}});
        let call = Call::new(Endpoint::SetIncidentField).name(incident).body(json!({"data": data}));
        self.ask::<Created>(&call).await.map(drop)
    }

    /// Tells DORA Metrics of a deployment; gives what it is called there.
    ///
    /// # Errors
    /// Why that was not done, as far as is known: where nothing came back it may have been.
    pub async fn tell_deployment(&self, told: &ToldDeployment) -> Result<String, Error> {
        let mut attributes = json!({
            "id": told.id, "service": told.service, "started_at": nanoseconds(told.started_at),
            "finished_at": nanoseconds(told.finished_at),
        });
        set(&mut attributes, [("env", &told.env), ("team", &told.team), ("version", &told.version)]);
        if let Some((repository_url, commit_sha)) = &told.git {
            attributes["git"] = json!({"repository_url": repository_url, "commit_sha": commit_sha});
        }
        let body = json!({"data": {"attributes": attributes}});
        let answer: Created = self.ask(&Call::new(Endpoint::TellDeployment).body(body)).await?;
        Ok(answer.data.id)
    }

    /// Tells DORA Metrics of a failure; gives what it is called there.
    ///
    /// # Errors
    /// Why that was not done, as far as is known: where nothing came back it may have been.
    pub async fn tell_failure(&self, told: &ToldFailure) -> Result<String, Error> {
        let mut attributes = json!({"id": told.id, "started_at": nanoseconds(told.started_at)});
        if let Some(finished_at) = told.finished_at {
            attributes["finished_at"] = json!(nanoseconds(finished_at));
        }
        if !told.services.is_empty() {
            attributes["services"] = json!(told.services);
        }
        let texts = [("env", &told.env), ("team", &told.team), ("name", &told.name), ("severity", &told.severity)];
        set(&mut attributes, texts);
        let body = json!({"data": {"attributes": attributes}});
        let answer: Created = self.ask(&Call::new(Endpoint::TellFailure).body(body)).await?;
        Ok(answer.data.id)
    }
}

fn set<const N: usize>(attributes: &mut Value, texts: [(&str, &Option<String>); N]) {
    for (name, text) in texts {
        if let Some(text) = text {
            attributes[name] = json!(text);
        }
    }
}

/// Times as these calls take them; what lies beyond the year 2262 fits none.
fn nanoseconds(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or(i64::MAX)
}

#[derive(Deserialize)]
struct Attachments {
    #[serde(default, deserialize_with = "wire::rows")]
    data: Vec<Option<Attachment>>,
}

#[derive(Deserialize)]
struct Attachment {
    id: String,
    #[serde(default, deserialize_with = "wire::lenient")]
    attributes: Option<Map<String, Value>>,
}

impl Attachment {
    /// `None` for another kind of attachment.
    fn link(self) -> Option<IncidentLink> {
        let attributes = self.attributes?;
        let attachment = attributes
            .get("attachment")
            .filter(|_| attributes.get("attachment_type").and_then(Value::as_str) == Some("link"))?;
        let text = |name: &str| attachment.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(IncidentLink { id: self.id, title: text("title"), url: text("documentUrl") })
    }
}

#[derive(Deserialize)]
struct Created {
    data: Named,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}
