//! How long to wait, as error bodies and quotas state it: a point in time, or a delay in the text.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

/// Seconds since 1970 are below this until the year 5138; a larger number is in milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// A time in RFC 3339, or in seconds or milliseconds since 1970.
pub(crate) fn parse_time(value: &Value) -> Option<SystemTime> {
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
    let time = text.parse::<Timestamp>().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(time.as_duration().try_into().ok()?)
}

const DELAY_PREFIXES: [&str; 8] = [
    "try again after ",
    "try again in ",
    "retry after ",
    "retry in ",
    "retry_after: ",
    "please wait ",
    "reset after ",
    "resets in ",
];

/// The first time to wait in a text that is in lower case: `try again after 3 seconds`, `in 1m30.5s`, `in 200ms`.
pub(crate) fn find_retry_delay(words: &str) -> Option<Duration> {
    DELAY_PREFIXES.iter().find_map(|lead| {
        let (_, after) = words.split_once(lead)?;
        parse_duration(after)
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim_start();
    let mut seconds = 0.0_f64;
    let mut any = false;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let Ok(number) = rest.get(..digits)?.trim_end_matches('.').parse::<f64>() else { break };
        let after = rest.get(digits..)?.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = after.get(..letters)?;
        let factor = match unit {
            "ms" | "millisecond" | "milliseconds" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            // A bare number is in seconds, as in the header.
            _ if !any => {
                seconds = number;
                any = true;
                break;
            }
            _ => break,
        };
        seconds += number * factor;
        any = true;
        rest = after.get(letters..)?.trim_start();
    }
    any.then_some(seconds).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seconds(value: &Value) -> Option<f64> {
        parse_time(value).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64())
    }

    #[test]
    fn rfc_3339_times_are_parsed() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2000-02-29T12:00:00Z", 951_825_600.0),
            ("2026-12-01T00:00:00Z", 1_796_083_200.0),
            ("2026-12-01t00:00:00.125z", 1_796_083_200.125),
            ("2026-12-01 02:00:00+02:00", 1_796_083_200.0),
            ("2026-11-30T18:30:00.5-05:30", 1_796_083_200.5),
            ("2100-03-01T00:00:00Z", 4_107_542_400.0),
        ] {
            assert_eq!(seconds(&json!(text)), Some(expected), "{text}");
        }
    }

    #[test]
    fn unix_seconds_and_milliseconds_are_parsed() {
        for value in [json!(1_796_083_200), json!(1_796_083_200_000_u64), json!("1796083200")] {
            assert_eq!(seconds(&value), Some(1_796_083_200.0), "{value}");
        }
    }

    #[test]
    fn invalid_times_are_none() {
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

    #[test]
    fn delays_in_error_texts_are_parsed() {
        for (text, millis) in [
            ("please try again after 1 seconds", Some(1000)),
            ("max rpm: 20, please try again after 13 seconds", Some(13_000)),
            ("please try again in 20s.", Some(20_000)),
            ("please try again in 1m30.5s. contact us", Some(90_500)),
            ("please try again in 200ms", Some(200)),
            ("retry after 2 minutes", Some(120_000)),
            ("retry after 5", Some(5000)),
            ("please wait a moment and try again.", None),
            ("please try again later", None),
            ("please wait for your ongoing requests", None),
            ("try again in 99999999999999999999999999 days", None),
            ("", None),
        ] {
            assert_eq!(find_retry_delay(text), millis.map(Duration::from_millis), "{text}");
        }
    }
}
