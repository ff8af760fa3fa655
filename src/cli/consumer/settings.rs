//! Flags that say what a consumer is. Does not know what it becomes of it.

use clap::Args;
use prost_types::Duration;

use crate::cli::duration::parse_duration;
use crate::cli::event_filter::EventFilterArguments;
use crate::proto::ConsumerSettings;

/// What a consumer is; what is not said stays as it is, and is the default at first.
#[derive(Debug, Args)]
pub(super) struct SettingsArguments {
    /// What it is for, in a sentence
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    filter: EventFilterArguments,
    /// How long a delivery may be unanswered before it comes again, such as `30s`: 100ms to 1d
    /// [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    ack_timeout: Option<Duration>,
    /// How often an event is delivered before its order is parked: 1 to 1,000 [default: 10]
    #[arg(long, value_name = "TIMES")]
    attempts: Option<u32>,
    /// The pause before the second delivery; it doubles each time [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retry_min: Option<Duration>,
    /// The longest pause between two deliveries [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retry_max: Option<Duration>,
    /// Orders that are worked on or wait for another try at once; with 1, all events come in the
    /// order of the log: 1 to 10,000 [default: 1000]
    #[arg(long, value_name = "ORDERS")]
    outstanding: Option<u32>,
    /// Orders that may be parked; beyond, those that fail are tried again: 1 to 100,000
    /// [default: 10000]
    #[arg(long, value_name = "ORDERS")]
    parked: Option<u32>,
}

impl SettingsArguments {
    /// The settings of a new consumer.
    pub(super) fn of_new(&self, name: &str) -> ConsumerSettings {
        self.over(ConsumerSettings { name: name.to_owned(), ..Default::default() })
    }

    /// These settings, with what was said in place of what they say.
    pub(super) fn over(&self, present: ConsumerSettings) -> ConsumerSettings {
        let filters = self.filter.filters();
        ConsumerSettings {
            description: self.description.clone().unwrap_or(present.description),
            filters: if filters.is_empty() { present.filters } else { filters },
            ack_timeout: self.ack_timeout.or(present.ack_timeout),
            attempts_max: self.attempts.unwrap_or(present.attempts_max),
            retry_delay_min: self.retry_min.or(present.retry_delay_min),
            retry_delay_max: self.retry_max.or(present.retry_delay_max),
            outstanding_max: self.outstanding.unwrap_or(present.outstanding_max),
            parked_max: self.parked.unwrap_or(present.parked_max),
            name: present.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::proto::EventFilter;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        settings: SettingsArguments,
    }

    fn typed(flags: &str) -> SettingsArguments {
        Typed::try_parse_from(format!("x {flags}").split_whitespace()).unwrap().settings
    }

    #[test]
    fn what_is_not_said_is_left_to_the_default() {
        let name = "erp-updater";
        let bare = ConsumerSettings { name: name.into(), ..Default::default() };
        assert_eq!(typed("").of_new(name), bare);
        let all = typed(
            "--description ERP --type pick.*,hold.placed --warehouse DC1 --ack-timeout 500ms \
             --attempts 3 --retry-min 1s --retry-max 2m --outstanding 7 --parked 9",
        );
        let length = |seconds, nanos| Some(Duration { seconds, nanos });
        let expected = ConsumerSettings {
            name: name.into(),
            description: "ERP".into(),
            filters: vec![EventFilter {
                types: vec!["pick.*".into(), "hold.placed".into()],
                warehouses: vec!["DC1".into()],
                ..Default::default()
            }],
            ack_timeout: length(0, 500_000_000),
            attempts_max: 3,
            retry_delay_min: length(1, 0),
            retry_delay_max: length(120, 0),
            outstanding_max: 7,
            parked_max: 9,
        };
        assert_eq!(all.of_new(name), expected);
        assert_eq!(typed("").over(expected.clone()), expected);
    }

    #[test]
    fn an_update_changes_only_what_is_said() {
        let present = typed("--type hold.* --attempts 3 --description old").of_new("a");
        let changed = typed("--attempts 5 --retry-max 1h").over(present.clone());
        let expected = ConsumerSettings {
            attempts_max: 5,
            retry_delay_max: Some(Duration { seconds: 3_600, nanos: 0 }),
            ..present.clone()
        };
        assert_eq!(changed, expected);
        let other = typed("--source wms").over(present.clone());
        assert_eq!((other.filters[0].types.len(), other.filters[0].sources.len()), (0, 1));
        let text = "--description=";
        assert_eq!(typed(text).over(present).description, "");
    }
}
