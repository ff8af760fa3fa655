//! Points in time: nanoseconds of the Unix epoch in memory and on disk, RFC 3339 for people.
//! Does not know why a time matters.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use ::time::format_description::well_known::Rfc3339;
use ::time::{OffsetDateTime, UtcOffset};
use prost_types::Timestamp;

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
pub(crate) fn timestamp(ns: i64) -> Timestamp {
    Timestamp {
        seconds: ns.div_euclid(NANOS_PER_SECOND),
        nanos: i32::try_from(ns.rem_euclid(NANOS_PER_SECOND)).unwrap_or_default(),
    }
}

/// A recorded time as the signed nanoseconds of a protobuf timestamp.
pub(crate) fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

/// A duration in its two largest units.
pub(crate) fn duration_text(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match seconds {
        0 => format!("{} ms", ns / 1_000_000),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// The first second of the year 1 and the last of the year 9999: what RFC 3339 can say.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Whether a protobuf timestamp is one: years 1 to 9999, nanoseconds in 0..1e9.
pub(crate) fn is_timestamp(seconds: i64, nanos: i32) -> bool {
    SECONDS.contains(&seconds) && (0..1_000_000_000).contains(&nanos)
}

/// A time in RFC 3339, with as many digits as are needed: at an offset, or in UTC with `Z`.
/// Empty for what is no time.
pub(crate) fn rfc3339(time: &Timestamp, utc_offset_minutes: Option<i32>) -> String {
    let ns = i128::from(time.seconds) * i128::from(NANOS_PER_SECOND) + i128::from(time.nanos);
    let utc = OffsetDateTime::from_unix_timestamp_nanos(ns).ok();
    let offset = UtcOffset::from_whole_seconds(utc_offset_minutes.unwrap_or(0).saturating_mul(60));
    let local = utc.and_then(|utc| utc.checked_to_offset(offset.unwrap_or(UtcOffset::UTC))).or(utc);
    let text = local.and_then(|local| local.format(&Rfc3339).ok()).unwrap_or_default();
    match (text.strip_suffix('Z'), utc_offset_minutes) {
        // RFC 3339 tells a place whose offset is zero from a time that is in UTC anyway.
        (Some(date), Some(0)) => format!("{date}+00:00"),
        _ => text,
    }
}

/// What RFC 3339 text says: a time, and the offset from UTC in minutes; none after `Z`.
pub(crate) fn parse_rfc3339(text: &str) -> Result<(Timestamp, Option<i32>), String> {
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|error| format!("{text:?} is not an RFC 3339 time with offset ({error})"))?;
    let nanos = i32::try_from(time.nanosecond()).unwrap_or_default();
    let timestamp = Timestamp { seconds: time.unix_timestamp(), nanos };
    if !is_timestamp(timestamp.seconds, timestamp.nanos) {
        return Err(format!("{text:?} is outside of the years 1 to 9999"));
    }
    let offset = (!text.ends_with(['Z', 'z'])).then(|| i32::from(time.offset().whole_minutes()));
    Ok((timestamp, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_keeps_instant_and_offset() {
        for text in [
            "2017-07-09T21:57:05-03:00",
            "2023-04-03T12:08:18Z",
            "1969-12-31T23:59:59.5Z",
            "9999-12-31T23:59:59.999999999Z",
            "0001-01-01T00:00:00Z",
        ] {
            let (time, offset) = parse_rfc3339(text).unwrap();
            assert_eq!(rfc3339(&time, offset), text);
        }
        assert!(parse_rfc3339("2017-07-09T21:57:05").is_err(), "no offset, no instant");
        assert!(parse_rfc3339("0000-12-31T23:59:59Z").is_err());
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
