//! Simulated time in nanoseconds of the Unix epoch, and the clocks on the walls of the sites.
//! Does not know the time of day outside the simulation.

use crate::time::{NANOS_PER_SECOND, rfc3339, timestamp};

pub(super) const SECOND: i64 = NANOS_PER_SECOND;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// 2026-01-05T06:00:00Z, a Monday: the first orders of the demo are entered from here on.
pub(super) const START: i64 = 1_767_592_800 * SECOND;

/// 1970-01-01 was a Thursday; this many days later came a Sunday.
const FIRST_SUNDAY: i64 = 3;

/// The next time after `now` at which the local clock shows one of `times` (minutes of the day) on
/// a day that is not a Sunday. The clocks of this world do not change in summer.
pub(super) fn next_at(now: i64, utc_offset_minutes: i32, times: &[i64]) -> i64 {
    let offset = i64::from(utc_offset_minutes) * MINUTE;
    let local = now + offset;
    let today = local.div_euclid(DAY);
    (today..today + 3)
        .filter(|day| (day - FIRST_SUNDAY).rem_euclid(7) != 0)
        .flat_map(|day| times.iter().map(move |minutes| day * DAY + minutes * MINUTE))
        .find(|at| *at > local)
        .unwrap_or(local + DAY)
        - offset
}

/// The beginning of the interval of `width` that contains `at`, by the local clock.
pub(super) fn floor_local(at: i64, width: i64, utc_offset_minutes: i32) -> i64 {
    let offset = i64::from(utc_offset_minutes) * MINUTE;
    (at + offset).div_euclid(width) * width - offset
}

/// A date that somebody plans with: on the hour.
pub(super) fn planned(at: i64) -> prost_types::Timestamp {
    timestamp(floor_local(at, HOUR, 0))
}

/// The local date, as `20260105`.
pub(super) fn local_date(at: i64, utc_offset_minutes: i32) -> String {
    let text = rfc3339(&timestamp(at), Some(utc_offset_minutes));
    text.chars().take_while(|symbol| *symbol != 'T').filter(char::is_ascii_digit).collect()
}

/// The local hour of the day, 0 to 23.
pub(super) fn local_hour(at: i64, utc_offset_minutes: i32) -> i64 {
    (at + i64::from(utc_offset_minutes) * MINUTE).rem_euclid(DAY) / HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_starts_on_a_monday_morning() {
        assert_eq!(rfc3339(&timestamp(START), None), "2026-01-05T06:00:00Z");
        assert_eq!(local_date(START, 0), "20260105");
        assert_eq!(local_date(START, -7 * 60), "20260104");
        assert_eq!(local_hour(START, -7 * 60), 23);
    }

    #[test]
    fn the_next_departure_is_later_the_same_day_or_after_sunday() {
        let departures = [11 * 60, 18 * 60];
        let next = |now| rfc3339(&timestamp(next_at(now, 60, &departures)), Some(60));
        assert_eq!(next(START), "2026-01-05T11:00:00+01:00");
        assert_eq!(next(START + 5 * HOUR), "2026-01-05T18:00:00+01:00");
        assert_eq!(next(START + 5 * DAY + 12 * HOUR), "2026-01-12T11:00:00+01:00");
    }

    #[test]
    fn a_day_begins_at_local_midnight() {
        let begin = floor_local(START, DAY, -8 * 60);
        assert_eq!(rfc3339(&timestamp(begin), Some(-8 * 60)), "2026-01-04T00:00:00-08:00");
    }
}
