//! Deployment frequency, and the band it falls into.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// From so many days with deployments in the median week on it is daily: most working days have one.
const DAILY_DAYS: f64 = 3.0;

/// How often is deployed, by the bands of Google's Four Keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// On three days or more of the median week.
    Daily,
    /// On one day or more of the median week.
    Weekly,
    /// Once or more in the median month.
    Monthly,
    /// Less often.
    Yearly,
}

/// Deployment frequency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frequency {
    /// Deployments in the window.
    pub deployments: u64,
    /// How many a day, over all days of the window, weekends included; 0 of an empty window.
    pub per_day: f64,
    /// Days (UTC) with at least one.
    pub days_with: u64,
    /// `None` where the window holds too few whole weeks (Monday to Sunday) or months to tell: a weekend tells nothing of
    /// the days on which people work.
    pub band: Option<Band>,
}

/// The frequency of deployments at these times, all of which lie in the window.
pub(super) fn frequency(at: impl Iterator<Item = DateTime<Utc>>, from: DateTime<Utc>, to: DateTime<Utc>) -> Frequency {
    let mut days: BTreeMap<NaiveDate, u64> = BTreeMap::new();
    for at in at {
        *days.entry(at.date_naive()).or_default() += 1;
    }
    let deployments = days.values().sum();
    let length = (to - from).num_seconds() as f64 / 86_400.0;
    let per_day = if length > 0.0 { deployments as f64 / length } else { 0.0 };
    let band = band(&days, from, to);
    Frequency { deployments, per_day, days_with: days.len() as u64, band }
}

fn band(days: &BTreeMap<NaiveDate, u64>, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Band> {
    let (first, end) = whole_days(from, to)?;
    let mut weeks: Vec<u64> = Vec::new();
    let to_monday = (7 - first.weekday().num_days_from_monday()) % 7;
    let mut monday = first.checked_add_days(Days::new(u64::from(to_monday)))?;
    while let Some(next) = monday.checked_add_days(Days::new(7)).filter(|next| *next <= end) {
        weeks.push(days.range(monday..next).count() as u64);
        monday = next;
    }
    let median_week = median(weeks)?;
    if median_week >= DAILY_DAYS {
        return Some(Band::Daily);
    }
    if median_week >= 1.0 {
        return Some(Band::Weekly);
    }
    let mut months: Vec<u64> = Vec::new();
    let mut month = first
        .with_day(1)
        .filter(|start| *start == first)
        .or_else(|| first.with_day(1)?.checked_add_months(Months::new(1)))?;
    while let Some(next) = month.checked_add_months(Months::new(1)).filter(|next| *next <= end) {
        months.push(days.range(month..next).map(|(_, count)| count).sum());
        month = next;
    }
    let median_month = median(months)?;
    Some(if median_month >= 1.0 { Band::Monthly } else { Band::Yearly })
}

/// The days that lie in the window from their beginning to their end: the first, and the first that does not.
fn whole_days(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<(NaiveDate, NaiveDate)> {
    let starts = from.time() == chrono::NaiveTime::MIN;
    let first = if starts { from.date_naive() } else { from.date_naive().succ_opt()? };
    Some((first, to.date_naive())).filter(|(first, end)| first < end)
}

fn median(mut counts: Vec<u64>) -> Option<f64> {
    counts.sort_unstable();
    let last = counts.len().checked_sub(1)?;
    Some((counts[last / 2] + counts[last.div_ceil(2)]) as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u64) -> DateTime<Utc> {
        // A Monday, the first of a month.
        (NaiveDate::from_ymd_opt(2026, 6, 1).unwrap() + Days::new(day)).and_hms_opt(0, 0, 0).unwrap().and_utc()
    }

    fn check(deployed: &[u64], from: u64, to: u64, per_day: f64, band: Option<Band>) {
        let noon = chrono::TimeDelta::hours(12);
        let found = frequency(deployed.iter().map(|number| day(*number) + noon), day(from), day(to));
        assert!((found.per_day - per_day).abs() < 1e-9, "{found:?}");
        assert_eq!((found.deployments, found.band), (deployed.len() as u64, band), "{found:?}");
    }

    #[test]
    fn bands_are_those_of_the_median_week_and_month() {
        check(&[0, 1, 2, 7, 8, 9], 0, 14, 6.0 / 14.0, Some(Band::Daily));
        // Many on one day make one day.
        check(&[0, 0, 0, 7, 7, 7], 0, 14, 6.0 / 14.0, Some(Band::Weekly));
        check(&[0, 1, 2, 3, 4], 0, 21, 5.0 / 21.0, None);
        check(&[3, 40, 80], 0, 92, 3.0 / 92.0, Some(Band::Monthly));
        check(&[3], 0, 92, 1.0 / 92.0, Some(Band::Yearly));
        check(&[], 0, 92, 0.0, Some(Band::Yearly));
    }

    #[test]
    fn a_window_of_a_weekend_tells_no_band() {
        check(&[], 5, 7, 0.0, None);
        check(&[5], 5, 7, 0.5, None);
        // Nor do two weekends with the days between them: not one whole week.
        check(&[7, 8, 9], 5, 13, 3.0 / 8.0, None);
        check(&[], 5, 5, 0.0, None);
    }
}
