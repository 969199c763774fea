//! A request's id.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// The part below the microsecond: the number of requests that can arrive in one.
const COUNT_BITS: u32 = 11;

/// 52 bits of microseconds last until 2112 and leave the sign bit of SQLite's integers unused.
const MAX_MICROS: u64 = (1 << 52) - 1;

/// The microsecond of arrival and a counter, so that ids are unique within a process and sort by time. The
/// counter starts at a random value: ids that two processes create in the same microsecond collide once in
/// 2,048 times. Its text form, as in `x-moonrelay-request-id`, is sixteen hexadecimal digits. The default does
/// not identify any request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// A new id for a request that arrives now.
    #[must_use]
    pub fn now() -> Self {
        static COUNT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(fastrand::u64(..)));
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self::from_time(SystemTime::now()).with_count(count)
    }

    /// The smallest id of requests that arrived at this time or later.
    #[must_use]
    pub fn from_time(moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        Self(micros.min(MAX_MICROS) << COUNT_BITS)
    }

    /// One of its microsecond's others.
    #[must_use]
    pub const fn with_count(self, count: u64) -> Self {
        Self(self.0 | (count & ((1 << COUNT_BITS) - 1)))
    }

    /// The time of arrival, in microseconds.
    #[must_use]
    pub fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.0 >> COUNT_BITS)
    }

    /// As an integer for SQLite.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The id for a number. A negative one gives the default id.
    #[must_use]
    pub fn from_i64(number: i64) -> Self {
        Self(u64::try_from(number).unwrap_or_default())
    }

    /// The text form.
    #[must_use]
    pub fn to_hex(self) -> [u8; 16] {
        std::array::from_fn(|place| b"0123456789abcdef"[(self.0 >> (60 - 4 * place) & 0xf) as usize])
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// The text is not a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request's id has sixteen hexadecimal digits")]
pub struct InvalidRequestId;

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidRequestId);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| InvalidRequestId)?;
        if number >> 63 == 0 { Ok(Self(number)) } else { Err(InvalidRequestId) }
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{InvalidRequestId, MAX_MICROS, RequestId};

    #[test]
    fn ids_differ_and_sort_by_time() {
        let before = SystemTime::now() - Duration::from_micros(1);
        let ids: Vec<RequestId> = (0..2_000).map(|_| RequestId::now()).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), ids.len());
        assert!(ids.first() < ids.last());
        for id in ids {
            assert!(before < id.time() && id.time() <= SystemTime::now());
        }
    }

    #[test]
    fn id_round_trips_through_text_and_number() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_348_800_000_007);
        let id = RequestId::from_time(moment).with_count(2_047);
        assert_eq!(id.to_string(), "3306e1bbc6803fff");
        assert_eq!(
            (id.time(), id.to_string().parse(), RequestId::from_i64(id.as_i64())),
            (moment, Ok(id), id)
        );
        assert!(id < RequestId::from_time(moment + Duration::from_micros(1)));
        let last =
            RequestId::from_time(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)).with_count(u64::MAX);
        let end = SystemTime::UNIX_EPOCH + Duration::from_micros(MAX_MICROS);
        assert_eq!((last.as_i64(), last.time()), (i64::MAX, end));
        for words in ["", "1", "+306e1bbc6803fff", "f306e1bbc6803fff", "3306e1bbc6803fff0", "é306e1bbc6803ff"]
        {
            assert_eq!(words.parse::<RequestId>(), Err(InvalidRequestId), "{words}");
        }
    }
}
