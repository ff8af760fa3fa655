//! What a consumer is: settings with their defaults and bounds (`ConsumerSettings`).
//! Does not know where a consumer stands.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;

use super::dispatch::Rules;
use crate::event::{Violation, Wanted, message_to_json};
use crate::limits::Limits;
use crate::num::usize_from;
use crate::proto::{ConsumerSettings, EventFilter};

const NAME_BYTES_MAX: usize = 64;
const DESCRIPTION_BYTES_MAX: usize = 1_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ACK_TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), DAY);
const RETRY_DELAY: (Duration, Duration) = (Duration::from_millis(1), DAY);
const ATTEMPTS_MAX: u32 = 1_000;
const OUTSTANDING_MAX: u32 = 10_000;
const PARKED_MAX: u32 = 100_000;

/// Settings that are valid and complete.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// As they are told, defaults filled in.
    pub(super) told: ConsumerSettings,
    pub(super) rules: Rules,
    /// Which events are wanted; `None`: all.
    pub(super) wanted: Option<Arc<Wanted>>,
}

impl Settings {
    /// Fills in what is not said, and checks the rest.
    pub(super) fn of(asked: ConsumerSettings, limits: &Limits) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        check_name(&asked.name, &mut violations);
        let length = asked.description.len();
        if length > DESCRIPTION_BYTES_MAX {
            let what = format!("{length} bytes; allowed are at most {DESCRIPTION_BYTES_MAX}");
            violations.push(Violation::new("description", what));
        }
        let wanted = Wanted::of(&asked.filters, limits.filter_values_max, false);
        let wanted = wanted.unwrap_or_else(|found| {
            violations.extend(found);
            None
        });
        let mut time = |name, asked: Option<prost_types::Duration>, default, bounds| {
            duration(asked, default, bounds).unwrap_or_else(|what| {
                violations.push(Violation::new(name, what));
                Duration::ZERO
            })
        };
        let ack_timeout =
            time("ack_timeout", asked.ack_timeout, Duration::from_secs(30), ACK_TIMEOUT);
        let retry_delay_min =
            time("retry_delay_min", asked.retry_delay_min, Duration::from_secs(1), RETRY_DELAY);
        let default = Duration::from_secs(5 * 60).max(retry_delay_min);
        let bounds = (retry_delay_min.max(RETRY_DELAY.0), DAY);
        let retry_delay_max = time("retry_delay_max", asked.retry_delay_max, default, bounds);
        let mut count = |name, asked: u32, default, most| {
            if asked > most {
                let what = format!("{asked}; allowed are 1 to {most}");
                violations.push(Violation::new(name, what));
            }
            if asked == 0 { default } else { asked }
        };
        let attempts_max = count("attempts_max", asked.attempts_max, 10, ATTEMPTS_MAX);
        let outstanding_max =
            count("outstanding_max", asked.outstanding_max, 1_000, OUTSTANDING_MAX);
        let parked_max = count("parked_max", asked.parked_max, 10_000, PARKED_MAX);
        if !violations.is_empty() {
            let within = |violation: Violation| violation.within("settings");
            return Err(violations.into_iter().map(within).collect());
        }
        let told = ConsumerSettings {
            ack_timeout: prost_types::Duration::try_from(ack_timeout).ok(),
            attempts_max,
            retry_delay_min: prost_types::Duration::try_from(retry_delay_min).ok(),
            retry_delay_max: prost_types::Duration::try_from(retry_delay_max).ok(),
            outstanding_max,
            parked_max,
            ..asked
        };
        let (outstanding_max, parked_max) = (usize_from(outstanding_max), usize_from(parked_max));
        let rules = Rules {
            ack_timeout,
            attempts_max,
            retry_delay_min,
            retry_delay_max,
            outstanding_max,
            parked_max,
        };
        Ok(Self { told, rules, wanted: wanted.map(Arc::new) })
    }
}

fn check_name(name: &str, violations: &mut Vec<Violation>) {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    };
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        let what = format!(
            "{name:?}; allowed are 1 to {NAME_BYTES_MAX} of a to z, 0 to 9, '.', '_' and '-'"
        );
        violations.push(Violation::new("name", what));
    }
}

/// A time that was asked for, within bounds, or the default.
fn duration(
    asked: Option<prost_types::Duration>,
    default: Duration,
    (least, most): (Duration, Duration),
) -> Result<Duration, String> {
    let Some(asked) = asked else {
        return Ok(default);
    };
    let given = Duration::try_from(asked).ok().filter(|given| (least..=most).contains(given));
    given.ok_or_else(|| format!("{asked}; allowed are {least:?} to {most:?}"))
}

/// How settings differ, each with both values; empty where they do not.
pub(super) fn differences(is: &ConsumerSettings, asked: &ConsumerSettings) -> String {
    let texts = |settings: &ConsumerSettings| {
        let time = |time: Option<prost_types::Duration>| {
            time.map_or_else(String::new, |time| time.to_string())
        };
        [
            ("description", format!("{:?}", settings.description)),
            ("filters", filters_text(&settings.filters)),
            ("ack_timeout", time(settings.ack_timeout)),
            ("attempts_max", settings.attempts_max.to_string()),
            ("retry_delay_min", time(settings.retry_delay_min)),
            ("retry_delay_max", time(settings.retry_delay_max)),
            ("outstanding_max", settings.outstanding_max.to_string()),
            ("parked_max", settings.parked_max.to_string()),
        ]
    };
    let both = texts(is).into_iter().zip(texts(asked));
    let differing = both.filter(|((_, is), (_, asked))| is != asked);
    let differing =
        differing.map(|((name, is), (_, asked))| format!("{name} is {is}, not {asked}"));
    differing.collect::<Vec<_>>().join("; ")
}

/// Filters as their JSON says them.
fn filters_text(filters: &[EventFilter]) -> String {
    let texts = filters
        .iter()
        .map(|filter| message_to_json("EventFilter", &filter.encode_to_vec()).to_string());
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(" or ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> ConsumerSettings {
        ConsumerSettings { name: name.to_owned(), ..ConsumerSettings::default() }
    }

    #[test]
    fn what_is_not_said_gets_its_default_and_what_is_complete_stays() {
        let settings = Settings::of(named("erp-updater"), &Limits::default()).unwrap();
        assert_eq!(settings.rules.attempts_max, 10);
        assert_eq!(settings.rules.retry_delay_max, Duration::from_secs(300));
        let again = Settings::of(settings.told.clone(), &Limits::default()).unwrap();
        assert_eq!(again.told, settings.told);
        assert_eq!(differences(&again.told, &settings.told), "");
        let other = ConsumerSettings { attempts_max: 3, ..named("erp-updater") };
        let other = Settings::of(other, &Limits::default()).unwrap();
        assert_eq!(differences(&settings.told, &other.told), "attempts_max is 10, not 3");
        let filters = vec![EventFilter { types: vec!["pick.*".into()], ..Default::default() }];
        let other = ConsumerSettings { filters, ..settings.told.clone() };
        let said = r#"filters is none, not {"types":["pick.*"]}"#;
        assert_eq!(differences(&settings.told, &other), said);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = ConsumerSettings {
            name: "ERP updater".into(),
            filters: vec![EventFilter { types: vec!["*".into()], ..EventFilter::default() }],
            ack_timeout: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
            retry_delay_min: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
            retry_delay_max: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
            attempts_max: 1_001,
            ..ConsumerSettings::default()
        };
        let violations = Settings::of(wrong, &Limits::default()).unwrap_err();
        let fields: Vec<&str> = violations.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "settings.name",
                "settings.filters[0].types[0]",
                "settings.ack_timeout",
                "settings.retry_delay_max",
                "settings.attempts_max",
            ]
        );
    }
}
