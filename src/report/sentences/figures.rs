//! Numbers, dates and ours-only text in the form that people read.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{risk::signal::Unit, slo::Target};

/// Text of ours that is made from numbers or from a closed alphabet, never from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figure(pub(super) String);

impl std::fmt::Display for Figure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// `1,240`.
pub(crate) fn count(number: impl TryInto<u64>) -> Figure {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    Figure(grouped)
}

/// `1 file`, `3 files`.
pub(crate) fn counted(number: u64, one: &'static str, many: &'static str) -> Figure {
    Figure(format!("{} {}", count(number).0, if number == 1 { one } else { many }))
}

/// `#12`, which GitHub turns into a link.
pub(crate) fn pull_request(number: u64) -> Figure {
    Figure(format!("#{number}"))
}

/// `+12`, `−3`, `0`.
pub(crate) fn signed(points: i32) -> Figure {
    Figure(match points {
        1.. => format!("+{points}"),
        0 => "0".to_owned(),
        _ => format!("−{}", points.unsigned_abs()),
    })
}

/// `30`, `−2`.
pub(crate) fn plain_number(number: i32) -> Figure {
    if number < 0 { signed(number) } else { Figure(number.to_string()) }
}

/// `≥ 70`.
pub(crate) fn at_least(score: u8) -> Figure {
    Figure(format!("≥ {score}"))
}

/// A place without a number.
pub(crate) fn none() -> Figure {
    Figure("–".to_owned())
}

/// `4 %`, `0.4 %`.
pub(crate) fn percent(share: f64) -> Figure {
    let percent = share * 100.0;
    let rounded = percent.round();
    Figure(if percent > 0.0 && rounded < 1.0 { format!("{percent:.1} %") } else { format!("{rounded} %") })
}

/// One decimal, without it where it is zero: `1,234.5`.
pub(crate) fn decimal(number: f64) -> Figure {
    let shown = format!("{number:.1}");
    let (whole, tenth) = shown.split_once('.').unwrap_or((&shown, "0"));
    let whole = whole.parse::<u64>().map_or_else(|_| whole.to_owned(), |whole| count(whole).0);
    Figure(if tenth == "0" { whole } else { format!("{whole}.{tenth}") })
}

/// `4.2x`.
pub(crate) fn times(rate: f64) -> Figure {
    Figure(format!("{}x", decimal(rate).0))
}

/// `99.95 %`.
pub(crate) fn of_target(target: Target) -> Figure {
    let shown = format!("{:.4}", target.percent());
    Figure(format!("{} %", shown.trim_end_matches('0').trim_end_matches('.')))
}

/// `7.1 days`, `14.3 h`.
pub(crate) fn lasting(hours: f64) -> Figure {
    if hours >= 48.0 { age_in_days(hours / 24.0) } else { Figure(format!("{} h", decimal(hours).0)) }
}

/// `2026-11-20 16:40 UTC`.
pub(crate) fn instant(at: DateTime<Utc>) -> Figure {
    Figure(at.format("%Y-%m-%d %H:%M UTC").to_string())
}

/// `2026-03-06`.
pub(crate) fn date(at: DateTime<Utc>) -> Figure {
    Figure(at.format("%Y-%m-%d").to_string())
}

/// `12 s`, `4 min`, `3 h`, `12 days`; nothing below a second.
pub(crate) fn age(age: TimeDelta) -> Option<Figure> {
    let seconds = age.num_seconds();
    let days = age.num_days();
    Some(Figure(match seconds {
        ..=0 => return None,
        1..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", age.num_minutes()),
        5_400..172_800 => format!("{} h", age.num_hours()),
        _ => format!("{days} days"),
    }))
}

/// `3.2 days`, `1 day`.
pub(crate) fn age_in_days(days: f64) -> Figure {
    let shown = decimal(days).0;
    let unit = if shown == "1" { "day" } else { "days" };
    Figure(format!("{shown} {unit}"))
}

/// How many times the odds of a typical change `points` above it are: fifteen points double the odds.
pub(crate) fn odds(points: i32) -> Figure {
    let times = 2_f64.powf(f64::from(points) / 15.0);
    Figure(if times < 9.95 { decimal(times).0 } else { format!("{times:.0}") })
}

/// A weekday and an hour in words, such as `Friday 16:40 UTC`.
pub(crate) fn weekday(at: &str) -> Figure {
    let plain = |character: &char| character.is_ascii_alphanumeric() || " :".contains(*character);
    Figure(at.chars().filter(plain).take(40).collect())
}

/// A measured value with its unit.
pub(crate) fn value(value: f64, unit: Unit) -> Figure {
    if value == 0.0 && matches!(unit, Unit::Lines | Unit::Count | Unit::Flag) {
        return Figure("none found".to_owned());
    }
    let whole = count(value.max(0.0).round() as u64).0;
    Figure(match unit {
        Unit::Lines => format!("{whole} lines"),
        Unit::Count => whole,
        Unit::Ratio => percent(value).0,
        Unit::Days => format!("{} days", decimal(value).0),
        Unit::Hours => format!("{} h", decimal(value).0),
        Unit::Times => format!("{}x", decimal(value).0),
        Unit::Flag => "yes".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let check = |figure: Figure, expected: &str| assert_eq!(figure.0, expected);
        check(count(0_u64), "0");
        check(count(999_u64), "999");
        check(count(1_234_567_u64), "1,234,567");
        check(counted(1, "file", "files"), "1 file");
        check(signed(-3), "−3");
        check(signed(12), "+12");
        check(percent(0.004), "0.4 %");
        check(percent(0.995), "100 %");
        check(decimal(4.0), "4");
        check(odds(15), "2");
        check(odds(42), "7");
        check(odds(-15), "0.5");
        check(odds(60), "16");
        check(weekday("Friday 16:40 UTC<b>\n"), "Friday 16:40 UTCb");
        assert_eq!(age(TimeDelta::seconds(0)), None);
        check(age(TimeDelta::seconds(600)).expect("ten minutes are an age"), "10 min");
    }
}
