//! Every night: whether stated rates drift; and once a month, as histories were replayed to measure it, a challenger that is
//! fitted, judged, and proposed where it is better beyond noise; or the way back is, where what was learned is no better.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};

use super::{Lesson, activate};
use crate::{
    config::Learning,
    outcome::recalibrate::{Judgement, NoChallenger, Verdict, replay::MONTH_DAYS},
    risk::Model,
    service::App,
    store::{JudgementRow, Moving},
};

/// When the night's work is due, UTC: most people sleep where most people write software.
const HOUR: u32 = 3;
/// Who puts a model in force that is configured to be.
const BY: &str = "MERGECAST_LEARNING=activate";

/// Does the work of the night, unless it was done.
pub(in crate::service) async fn round(app: &App) -> anyhow::Result<Duration> {
    let now = app.clock.now();
    let until = |due: DateTime<Utc>| (due - now).to_std().unwrap_or_default();
    if app.learning.setting == Learning::Off {
        return Ok(until(night_after(now)));
    }
    let last = app.store.judgements(1).await?.pop();
    let last = last.and_then(|last| DateTime::from_timestamp_millis(last.made_at));
    if let Some(due) = last.map(night_after).filter(|due| *due > now) {
        return Ok(until(due));
    }
    look(app, now).await?;
    Ok(until(night_after(now)))
}

/// The first beginning of a night's work after an instant.
fn night_after(at: DateTime<Utc>) -> DateTime<Utc> {
    let hour = NaiveTime::from_hms_opt(HOUR, 0, 0).unwrap_or_default();
    let tonight = at.date_naive().and_time(hour).and_utc();
    if tonight > at { tonight } else { tonight.checked_add_days(Days::new(1)).unwrap_or(DateTime::<Utc>::MAX_UTC) }
}

async fn look(app: &App, now: DateTime<Utc>) -> anyhow::Result<()> {
    let month = TimeDelta::days(i64::from(MONTH_DAYS)).num_milliseconds();
    let challenges = app.store.challenged_at().await?.is_none_or(|last| last + month <= now.timestamp_millis());
    let lesson = Lesson::read(&app.store, None, now).await?;
    let (lesson, judged) = tokio::task::spawn_blocking(move || {
        let judged = challenges.then(|| lesson.judged());
        (lesson, judged)
    })
    .await?;
    let proposed = match &judged {
        Some(Ok(judged)) => lesson.propose(&app.store, judged).await?,
        Some(Err(_)) | None => None,
    };
    let row = said(&lesson, judged.as_ref(), proposed.clone());
    app.store.save_judgement(&row).await?;
    if row.drifts == Some(true) {
        tracing::warn!(
            model = row.champion,
            level_z = row.level_z100 as f64 / 100.0,
            spread_z = row.spread_z100 as f64 / 100.0,
            "stated rates and outcomes have parted by more than chance; see `mergecast calibrate report`"
        );
    }
    let back = matches!(&judged, Some(Ok(judged)) if judged.verdict == Verdict::Back);
    let version = match proposed {
        Some(version) => {
            tracing::info!(model = version, champion = row.champion, "a model is proposed");
            version
        }
        None if back => {
            tracing::warn!(
                model = row.champion,
                prior = lesson.prior.version,
                "on what it has not seen, the model in force is no better than the one that no outcome has moved; \
                 see `mergecast calibrate`"
            );
            lesson.prior.version
        }
        None => return Ok(()),
    };
    if app.learning.setting == Learning::Activate && still_wanted(app, &row.champion).await? {
        activate(&app.store, &app.clock, &version, BY).await?;
        tracing::info!(model = version, before = row.champion, "the proposed model is in force, as is configured");
    }
    Ok(())
}

/// Whether nobody decided otherwise: while the challenger was fitted, or by taking the last model back.
async fn still_wanted(app: &App, champion: &str) -> anyhow::Result<bool> {
    let in_force = app.store.model_in_force().await?;
    let moved = in_force.as_ref().unwrap_or(&Model::baseline().version) != champion;
    let newest = app.store.model_moves().await?.pop();
    let taken_back = newest.is_some_and(|newest| newest.what == Moving::RolledBack);
    if moved || taken_back {
        tracing::info!(champion, "a person moved the model in force, so that it is proposed and not put in force");
    }
    Ok(!moved && !taken_back)
}

/// What a look came to, as it is kept.
fn said(lesson: &Lesson, judged: Option<&Result<Judgement, NoChallenger>>, proposed: Option<String>) -> JudgementRow {
    let now = lesson.now.timestamp();
    let known: Vec<f64> = lesson.teaching.iter().filter_map(|row| row.outcome(now)).collect();
    let latest = lesson.drift.windows.last();
    let hundredths = |z: f64| (z * 100.0).round() as i64;
    JudgementRow {
        made_at: lesson.now.timestamp_millis(),
        champion: lesson.champion.version.clone(),
        changes: known.len() as i64,
        failed: known.iter().sum::<f64>().round() as i64,
        verdict: match judged {
            None => "",
            Some(Err(_)) => "too_few",
            Some(Ok(judged)) => judged.verdict.word(),
        }
        .to_owned(),
        proposed: proposed.unwrap_or_default(),
        drifts: lesson.drift.alarm(),
        level_z100: latest.map_or(0, |window| hundredths(window.level_z)),
        spread_z100: latest.map_or(0, |window| hundredths(window.spread_z)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_begins_at_three() {
        let check = |at: &str, expected: &str| {
            let at: DateTime<Utc> = at.parse().unwrap();
            assert_eq!(night_after(at), expected.parse::<DateTime<Utc>>().unwrap(), "{at}");
        };
        check("2026-03-03T02:59:59Z", "2026-03-03T03:00:00Z");
        check("2026-03-03T03:00:00Z", "2026-03-04T03:00:00Z");
        check("2026-12-31T23:00:00Z", "2027-01-01T03:00:00Z");
    }
}
