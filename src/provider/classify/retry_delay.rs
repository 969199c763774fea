//! Retry delays that a provider states only in the error text.

use std::time::Duration;

/// The text before the time.
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
pub(super) fn find_retry_delay(words: &str) -> Option<Duration> {
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
    use super::*;

    #[test]
    fn reads_what_providers_write() {
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
