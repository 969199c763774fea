//! The reset time of a budget in the body: OpenRouter's `metadata.resets_at`, or a quota's reset.

use std::time::{Duration, SystemTime};

use serde_json::Value;

/// Seconds since 1970 are below this until the year 5138; a larger number is in milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// A moment as RFC 3339 writes it, or as seconds or milliseconds since 1970; `None` for what is neither.
pub(in crate::provider) fn parse_time(value: &Value) -> Option<SystemTime> {
    match value {
        Value::Number(number) => from_unix_time(number.as_f64()?),
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => from_unix_time(number),
            Err(_) => parse_rfc3339(text.trim()),
        },
        _ => None,
    }
}

fn from_unix_time(number: f64) -> Option<SystemTime> {
    let seconds = if number >= MILLISECONDS_FROM { number / 1000.0 } else { number };
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// `2026-12-01T00:00:00Z`, with a fraction, with an offset; after 1970.
fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = parse_parts(date, '-')?;
    let [hour, minute, second] = parse_parts(time, ':')?;
    // A leap second is written as 60.
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !fits {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            Some(zone).filter(|zone| zone.len() < fraction.len())?
        }
        None => rest,
    };
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        - parse_offset(zone)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Three numbers of digits only, as wide as they are written.
fn parse_parts(text: &str, mark: char) -> Option<[i64; 3]> {
    let mut numbers = text.split(mark).map(|part| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|_| is_number)
    });
    let found = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(found)
}

/// Seconds east of UTC.
fn parse_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, place) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(place), _) => (1, place),
        (None, Some(place)) => (-1, place),
        (None, None) => return None,
    };
    let [hours, minutes, _] = parse_parts(&format!("{place}:0"), ':')?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar: years begin in March here, so that the leap day is the last one.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_from_march = (month + 9) % 12;
    let day_of_year = (153 * months_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 1970-01-01 is day 719,468 from 0000-03-01.
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seconds(value: &Value) -> Option<f64> {
        parse_time(value).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64())
    }

    #[test]
    fn reads_rfc_3339() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2000-02-29T12:00:00Z", 951_825_600.0),
            ("2026-12-01T00:00:00Z", 1_796_083_200.0),
            ("2026-12-01t00:00:00.123456z", 1_796_083_200.0),
            ("2026-12-01 02:00:00+02:00", 1_796_083_200.0),
            ("2026-11-30T18:30:00.5-05:30", 1_796_083_200.0),
            ("2100-03-01T00:00:00Z", 4_107_542_400.0),
        ] {
            assert_eq!(seconds(&json!(text)), Some(expected), "{text}");
        }
    }

    #[test]
    fn reads_seconds_and_milliseconds() {
        for value in [json!(1_796_083_200), json!(1_796_083_200_000_u64), json!("1796083200")] {
            assert_eq!(seconds(&value), Some(1_796_083_200.0), "{value}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for value in [
            json!(null),
            json!(-5),
            json!(1e300),
            json!("soon"),
            json!(""),
            json!("2026-12-01"),
            json!("2026-12-01T00:00:00"),
            json!("2026-13-01T00:00:00Z"),
            json!("2026-12-01T24:00:00Z"),
            json!("2026-12-01T00:00:00.Z"),
            json!("2026-12-01T00:00:00+2"),
            json!("2026-12-01T00:00:00Zx"),
            json!("+026-12-01T00:00:00Z"),
            json!("1969-12-31T23:59:59Z"),
            json!("2026-12-0éT00:00:00Z"),
        ] {
            assert_eq!(seconds(&value), None, "{value}");
        }
    }
}
