//! Points in time: nanoseconds of the Unix epoch in memory and on disk, RFC 3339 for people.
//! Does not know why a time matters.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds in a second.
pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The clock that `recorded_at` is read from, in nanoseconds of the Unix epoch. 0 before 1970.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Seconds and nanoseconds of a protobuf timestamp as nanoseconds; `None` where the nanoseconds are
/// not in 0..1e9 or the time is outside 1677-09-21 .. 2262-04-11.
pub(crate) fn ns_from_parts(seconds: i64, nanos: i32) -> Option<i64> {
    if !(0..1_000_000_000).contains(&nanos) {
        return None;
    }
    let total = i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(nanos);
    i64::try_from(total).ok()
}

/// A protobuf timestamp of `ns` nanoseconds.
pub(crate) fn timestamp(ns: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: ns.div_euclid(NANOS_PER_SECOND),
        nanos: i32::try_from(ns.rem_euclid(NANOS_PER_SECOND)).unwrap_or_default(),
    }
}

/// A recorded time as the signed nanoseconds of a protobuf timestamp.
pub(crate) fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

/// `ns` in RFC 3339, with as many digits as are needed: at an offset from UTC, or in UTC with `Z`.
pub(crate) fn rfc3339(ns: i64, utc_offset_minutes: Option<i32>) -> String {
    let timestamp = jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap_or_default();
    let offset = utc_offset_minutes
        .and_then(|minutes| jiff::tz::Offset::from_seconds(minutes.saturating_mul(60)).ok());
    match offset {
        Some(offset) => timestamp.display_with_offset(offset).to_string(),
        None => timestamp.to_string(),
    }
}

/// What RFC 3339 text says: nanoseconds, and the offset from UTC in minutes; none after `Z`.
pub(crate) fn parse_rfc3339(text: &str) -> Result<(i64, Option<i32>), String> {
    let timestamp: jiff::Timestamp = text
        .parse()
        .map_err(|error| format!("{text:?} is not an RFC 3339 time with offset ({error})"))?;
    let ns = i64::try_from(timestamp.as_nanosecond())
        .map_err(|_| format!("{text:?} is outside 1677-09-21 .. 2262-04-11"))?;
    let offset = jiff::fmt::temporal::Pieces::parse(text)
        .ok()
        .and_then(|pieces| pieces.to_numeric_offset())
        .map(|offset| offset.seconds() / 60)
        .filter(|_| !text.ends_with(['Z', 'z']));
    Ok((ns, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_keeps_instant_and_offset() {
        for text in ["2017-07-09T21:57:05-03:00", "2023-04-03T12:08:18Z", "1969-12-31T23:59:59.5Z"]
        {
            let (ns, offset) = parse_rfc3339(text).unwrap();
            assert_eq!(rfc3339(ns, offset), text);
        }
        assert!(parse_rfc3339("2017-07-09T21:57:05").is_err(), "no offset, no instant");
        assert!(parse_rfc3339("2500-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn a_timestamp_outside_the_range_is_refused() {
        assert_eq!(ns_from_parts(1, 5), Some(1_000_000_005));
        assert_eq!(ns_from_parts(-1, 999_999_999), Some(-1));
        assert_eq!(ns_from_parts(0, -1), None);
        assert_eq!(ns_from_parts(0, 1_000_000_000), None);
        assert_eq!(ns_from_parts(i64::MAX, 0), None);
    }
}
