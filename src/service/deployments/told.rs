//! A deployment as a pipeline tells it, read within bounds and put into the ledger's words.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest, Sha256};

use crate::deployment::{
    build::Build,
    sighting::{Rollout, Sighting, Source},
};

/// Longest name, in characters.
const NAME_MAX: usize = 200;
/// Longest address, in characters.
const ADDRESS_MAX: usize = 500;

/// What a pipeline says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    service: String,
    #[serde(deserialize_with = "instant")]
    started_at: DateTime<Utc>,
    #[serde(default, deserialize_with = "maybe_instant")]
    finished_at: Option<DateTime<Utc>>,
    #[serde(default)]
    status: Option<Rollout>,
    env: Option<String>,
    team: Option<String>,
    version: Option<String>,
    cluster: Option<String>,
    git: Option<Git>,
    id: Option<String>,
    automated: Option<bool>,
    #[serde(default, deserialize_with = "maybe_instant")]
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Git {
    repository_url: String,
    commit_sha: String,
}

/// Why it is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Wrong {
    /// It is no JSON of that shape.
    #[error("the deployment cannot be read: {0}")]
    Json(serde_json::Error),
    /// A field holds what it cannot.
    #[error("{0} {1}")]
    Field(&'static str, &'static str),
}

impl Told {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        let told: Self = serde_json::from_slice(bytes).map_err(Wrong::Json)?;
        let git = told.git.as_ref();
        let names = [
            ("service", Some(&told.service)),
            ("env", told.env.as_ref()),
            ("team", told.team.as_ref()),
            ("version", told.version.as_ref()),
            ("cluster", told.cluster.as_ref()),
        ];
        for (name, text) in names {
            is_text(name, text, NAME_MAX)?;
        }
        is_text("git.repository_url", git.map(|git| &git.repository_url), ADDRESS_MAX)?;
        if git.is_some_and(|git| Build::of(Some(&git.commit_sha), None).commit_sha.is_none()) {
            return Err(Wrong::Field("git.commit_sha", "is no object id of 7 to 64 hexadecimal digits"));
        }
        let plain = |id: &str| {
            (1..=128).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c))
        };
        if !told.id.as_deref().is_none_or(plain) {
            return Err(Wrong::Field("id", "has up to 128 letters, digits, dots, dashes, colons and underscores"));
        }
        let times =
            [("started_at", Some(told.started_at)), ("finished_at", told.finished_at), ("updated_at", told.updated_at)];
        if let Some((name, _)) = times.iter().find(|(_, at)| at.is_some_and(|at| !(1970..=2200).contains(&at.year()))) {
            return Err(Wrong::Field(name, "is no time that can be meant"));
        }
        if told.finished_at.is_none() && told.status.is_some_and(|status| status != Rollout::InProgress) {
            return Err(Wrong::Field("finished_at", "is missing for a deployment that is over"));
        }
        Ok(told)
    }

    /// Address of the repository, where it is told.
    pub(super) fn repository_url(&self) -> Option<&str> {
        self.git.as_ref().map(|git| git.repository_url.as_str())
    }

    /// What it tells the ledger. Said again without an id it is the same record only if all of it is the same; under an id the
    /// word stands that was said last: when it says that it was updated, else by the times that it tells. `scope` is whose ids
    /// they are.
    pub(super) fn sighting(&self, scope: &str, received_at: DateTime<Utc>) -> Sighting {
        let over = if self.finished_at.is_some() { Rollout::Succeeded } else { Rollout::InProgress };
        let git = self.git.as_ref();
        let mut sighting = Sighting {
            received_at: None,
            service: Some(self.service.clone()),
            env: self.env.clone(),
            team: self.team.clone(),
            version: self.version.clone(),
            commit_sha: git.map(|git| git.commit_sha.clone()),
            repository: git.map(|git| git.repository_url.clone()),
            cluster: self.cluster.clone(),
            started_at: Some(self.started_at),
            finished_at: self.finished_at,
            rollout: self.status.unwrap_or(over),
            automated: self.automated,
            // Not by this clock: told again later it is the same.
            ..Sighting::new(Source::Api, scope, self.updated_at.or(self.finished_at).unwrap_or(self.started_at))
        };
        let id = self.id.clone().unwrap_or_else(|| {
            let words = serde_json::to_vec(&sighting).unwrap_or_default();
            hex::encode(&Sha256::digest(words)[..16])
        });
        sighting.witness.id = format!("{scope}/{id}");
        Sighting { received_at: Some(received_at), ..sighting }
    }
}

fn is_text(name: &'static str, text: Option<&String>, most: usize) -> Result<(), Wrong> {
    let Some(text) = text else { return Ok(()) };
    if text.trim().is_empty() {
        return Err(Wrong::Field(name, "is empty"));
    }
    if text.chars().count() > most {
        return Err(Wrong::Field(name, "is too long"));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::Field(name, "holds control characters"));
    }
    Ok(())
}

/// RFC 3339, or a number since 1970: seconds, milliseconds or nanoseconds, told apart by their size.
#[derive(Deserialize)]
#[serde(untagged)]
enum Instant {
    Number(i64),
    Text(String),
}

impl Instant {
    fn read(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Text(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
            // A hundred thousand million seconds are in the year 5138; as many milliseconds in 1973.
            Self::Number(number @ ..100_000_000_000) => DateTime::from_timestamp(*number, 0),
            Self::Number(number @ ..100_000_000_000_000) => DateTime::from_timestamp_millis(*number),
            Self::Number(number) => Some(DateTime::from_timestamp_nanos(*number)),
        }
    }
}

const INSTANT: &str = "a time is RFC 3339, or a number of seconds, milliseconds or nanoseconds since 1970";

/// A time in one of the spellings that pipelines write.
pub(in crate::service) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let told = Instant::deserialize(deserializer).map_err(|_| de::Error::custom(INSTANT))?;
    told.read().ok_or_else(|| de::Error::custom(INSTANT))
}

/// The same, where there may be none.
pub(in crate::service) fn maybe_instant<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let told = Option::<Instant>::deserialize(deserializer).map_err(|_| de::Error::custom(INSTANT))?;
    told.map(|told| told.read().ok_or_else(|| de::Error::custom(INSTANT))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"service": "pay", "env": "prod", "version": "1.2", "team": "money", "cluster": "eu-1",
        "started_at": 1780272000, "finished_at": "2026-06-01T00:04:00Z", "id": "run-7",
        "git": {"repository_url": "https://github.com/acme/pay.git", "commit_sha": "1A2B3C4D"}, "automated": true}"#;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_272_000 + second, 0).unwrap()
    }

    #[test]
    fn a_deployment_is_told_in_the_ledgers_words() {
        let told = Told::read(WHOLE.as_bytes()).unwrap();
        let sighting = told.sighting("repository-7", at(300));
        assert_eq!(sighting.witness.to_string(), "api:repository-7/run-7");
        assert_eq!(
            (sighting.said_at, sighting.started_at, sighting.received_at),
            (at(240), Some(at(0)), Some(at(300)))
        );
        assert_eq!((sighting.rollout, sighting.automated), (Rollout::Succeeded, Some(true)));
        assert_eq!(told.repository_url(), Some("https://github.com/acme/pay.git"));
    }

    #[test]
    fn times_are_told_apart_by_their_size() {
        for (time, expected) in
            [("1780272000", 0), ("1780272000000", 0), ("1780272000000000000", 0), ("\"2026-06-01T02:00:09+02:00\"", 9)]
        {
            let told = Told::read(format!(r#"{{"service": "pay", "started_at": {time}}}"#).as_bytes()).unwrap();
            assert_eq!(told.started_at, at(expected), "{time}");
            // It has begun, and is not over.
            assert_eq!(told.sighting("s", at(0)).rollout, Rollout::InProgress);
        }
    }

    #[test]
    fn without_an_id_the_words_are_the_record() {
        let told = |service: &str, finished: i64| {
            let text = format!(r#"{{"service": "{service}", "started_at": 1780272000, "finished_at": {finished}}}"#);
            Told::read(text.as_bytes()).unwrap()
        };
        let id = |told: Told, received| told.sighting("s", at(received)).witness.id;
        assert_eq!(id(told("pay", 1_780_272_060), 0), id(told("pay", 1_780_272_060), 99));
        assert_ne!(id(told("pay", 1_780_272_060), 0), id(told("pay", 1_780_272_061), 0));
        assert_ne!(id(told("pay", 1_780_272_060), 0), id(told("cart", 1_780_272_060), 0));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let check = |field: &str, value: serde_json::Value, says: &str| {
            let mut told: serde_json::Value = serde_json::from_str(WHOLE).unwrap();
            told[field] = value;
            let wrong = Told::read(told.to_string().as_bytes()).unwrap_err().to_string();
            assert!(wrong.contains(says), "{field}: {wrong}");
        };
        check("service", " ".into(), "service is empty");
        check("service", "a\u{7}".into(), "service holds control characters");
        check("version", "v".repeat(201).into(), "version is too long");
        check("id", "a b".into(), "id has up to");
        check("started_at", "yesterday".into(), "RFC 3339");
        check("started_at", "9999-01-01T00:00:00Z".into(), "started_at is no time");
        check("status", "done".into(), "unknown variant");
        check("person", "ada".into(), "unknown field");
        check(
            "git",
            serde_json::json!({"repository_url": "https://github.com/a/b", "commit_sha": "main"}),
            "git.commit_sha",
        );
        let over = br#"{"service": "pay", "started_at": 1780272000, "status": "failed"}"#;
        assert!(Told::read(over).unwrap_err().to_string().contains("finished_at is missing"));
    }
}
