//! Consumers as people read them: one as a page, many as a table. Does not know where they come
//! from.

use std::io::{self, Write};

use crate::cli::duration::{rough_text, typed_text};
use crate::cli::grid::{Grid, column, cut};
use crate::cli::output::{bold, clean, enum_word, grouped, seconds_text};
use crate::num::u64_from;
use crate::proto::{self, ConsumerSettings, EventFilter};

/// Writes a consumer as a page: where it stands, what it is, who works for it.
pub(super) fn write(
    out: &mut impl Write,
    consumer: &proto::Consumer,
    width: Option<usize>,
) -> io::Result<()> {
    let settings = consumer.settings.clone().unwrap_or_default();
    let state = format!("  {}", state_text(consumer));
    let room = width.map(|width| width.saturating_sub(state.len()).max(8));
    writeln!(out, "{}{}", bold(&cut(&clean(&settings.name), room)), cut(&state, width))?;
    standing(consumer, &settings.description).write(out, width)?;
    writeln!(out, "\n{}", bold("settings"))?;
    settings_grid(&settings).write(out, width)?;
    if consumer.members.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", bold("members"))?;
    members(&consumer.members).write(out, width)
}

/// A row for each consumer.
pub(super) fn table(consumers: &[proto::Consumer]) -> Grid {
    let mut grid = Grid::new([
        column("CONSUMER").wrap(),
        column("STATE").wrap(),
        column("BEHIND").right(),
        column("LAG").right(),
        column("PARKED").right(),
        column("OLDEST").right().optional(),
        column("WAITING").right().spare(),
        column("IN FLIGHT").right().spare(),
        column("PER SECOND").right().spare(),
        column("MEMBERS").right().spare(),
        column("POSITION").right().spare(),
    ]);
    for consumer in consumers {
        let name = consumer.settings.as_ref().map(|settings| settings.name.clone());
        grid.row([
            name.unwrap_or_default(),
            state_text(consumer),
            grouped(consumer.lag_entries),
            lag_text(consumer),
            grouped(consumer.parked.into()),
            rough_text(consumer.oldest_parked.as_ref()),
            grouped(consumer.waiting.into()),
            grouped(consumer.in_flight.into()),
            rate_text(consumer),
            grouped(u64_from(consumer.members.len())),
            grouped(consumer.acknowledged_to),
        ]);
    }
    grid
}

/// What a consumer does, in words: `catching up`.
fn state_text(consumer: &proto::Consumer) -> String {
    enum_word("CONSUMER_STATE_", consumer.state().as_str_name()).replace('_', " ")
}

/// How old the first entry is that it is behind with; none where it is behind with nothing.
fn lag_text(consumer: &proto::Consumer) -> String {
    if consumer.lag_entries == 0 { "-".to_owned() } else { rough_text(consumer.lag.as_ref()) }
}

/// One digit after the point, as far as there are events.
fn rate_text(consumer: &proto::Consumer) -> String {
    format!("{:.1}", consumer.acknowledged_per_second)
}

fn standing(consumer: &proto::Consumer, description: &str) -> Grid {
    let mut grid = Grid::new([column(""), column("").wrap()]);
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            grid.row([name.to_owned(), value]);
        }
    };
    row("what for", description.to_owned());
    let place = format!(
        "{} of {}, looked at up to {}, stored up to {}",
        grouped(consumer.acknowledged_to),
        grouped(consumer.head),
        grouped(consumer.scanned_to),
        grouped(consumer.stored_to)
    );
    row("position", place);
    let behind = match consumer.lag_entries {
        0 => "nothing".to_owned(),
        entries => format!("{}, {}", counted(entries, "entry", "entries"), lag_text(consumer)),
    };
    row("behind", behind);
    row("in flight", counted(consumer.in_flight.into(), "delivery", "deliveries"));
    row("waiting", counted(consumer.waiting.into(), "order", "orders"));
    let parked = counted(consumer.parked.into(), "order", "orders");
    let oldest = rough_text(consumer.oldest_parked.as_ref());
    let oldest = if oldest.is_empty() { oldest } else { format!(", the oldest for {oldest}") };
    row("parked", format!("{parked}{oldest}"));
    row("rate", format!("{} events a second", rate_text(consumer)));
    row("created", seconds_text(consumer.created_at.as_ref()));
    grid
}

fn settings_grid(settings: &ConsumerSettings) -> Grid {
    let mut grid = Grid::new([column(""), column("").wrap()]);
    let mut row = |name: &str, value: String| grid.row([name.to_owned(), value]);
    match settings.filters.as_slice() {
        [] => row("events", "all".to_owned()),
        [one] => row("events", filter_text(one)),
        many => many.iter().for_each(|filter| row("events, any of", filter_text(filter))),
    }
    row("acknowledged", format!("within {}", typed_text(settings.ack_timeout.as_ref())));
    row("parked after", counted(settings.attempts_max.into(), "attempt", "attempts"));
    let pauses = [&settings.retry_delay_min, &settings.retry_delay_max];
    let [least, most] = pauses.map(|pause| typed_text(pause.as_ref()));
    row("tried again", format!("after {least}, then up to {most}"));
    let outstanding = counted(settings.outstanding_max.into(), "order", "orders");
    row("outstanding", format!("at most {outstanding}"));
    row("parked", format!("at most {}", counted(settings.parked_max.into(), "order", "orders")));
    grid
}

/// A filter as its flags say it: `type pick.*, warehouse DC1 or DC2`.
fn filter_text(filter: &EventFilter) -> String {
    let said = [
        ("type", &filter.types),
        ("group", &filter.groups),
        ("source", &filter.sources),
        ("order", &filter.correlation_ids),
        ("order prefix", &filter.correlation_id_prefixes),
        ("warehouse", &filter.warehouses),
    ];
    let said = said.iter().filter(|(_, values)| !values.is_empty());
    said.map(|(name, values)| format!("{name} {}", values.join(" or ")))
        .collect::<Vec<_>>()
        .join(", ")
}

fn members(members: &[proto::ConsumerMember]) -> Grid {
    let mut grid = Grid::new([
        column("MEMBER").wrap(),
        column("IN FLIGHT").right(),
        column("ACKNOWLEDGED").right(),
        column("CREDIT").right().spare(),
        column("JOINED").spare(),
    ]);
    for member in members {
        let name = if member.name.is_empty() { "-" } else { &member.name };
        grid.row([
            name.to_owned(),
            grouped(member.in_flight.into()),
            grouped(member.acknowledged),
            grouped(member.credit.into()),
            seconds_text(member.joined_at.as_ref()),
        ]);
    }
    grid
}

/// A number with what it counts.
pub(in crate::cli) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use prost_types::{Duration, Timestamp};

    use super::*;
    use crate::cli::grid::columns_of;

    fn seconds(seconds: i64) -> Option<Duration> {
        (seconds >= 0).then_some(Duration { seconds, nanos: 0 })
    }

    fn consumer() -> proto::Consumer {
        proto::Consumer {
            settings: Some(ConsumerSettings {
                name: "erp-updater".into(),
                description: "Tells the ERP what the warehouses did".into(),
                filters: vec![EventFilter {
                    types: vec!["pick.*".into(), "hold.*".into()],
                    warehouses: vec!["DC1".into()],
                    ..Default::default()
                }],
                ack_timeout: seconds(30),
                attempts_max: 10,
                retry_delay_min: seconds(1),
                retry_delay_max: seconds(300),
                outstanding_max: 1_000,
                parked_max: 1,
            }),
            created_at: Some(Timestamp { seconds: 1_774_000_000, nanos: 5 }),
            state: proto::ConsumerState::CatchingUp.into(),
            scanned_to: 1_300,
            acknowledged_to: 1_234,
            head: 5_678,
            lag_entries: 4_444,
            lag: seconds(182),
            in_flight: 12,
            waiting: 3,
            parked: 2,
            oldest_parked: seconds(3_780),
            acknowledged_per_second: 120.46,
            members: vec![proto::ConsumerMember {
                name: "erp-1\u{1b}".into(),
                in_flight: 12,
                acknowledged: 99,
                ..Default::default()
            }],
            stored_to: 1_200,
        }
    }

    fn page(consumer: &proto::Consumer, width: Option<usize>) -> String {
        let mut out = Vec::new();
        write(&mut out, consumer, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_says_where_a_consumer_stands_what_it_is_and_who_works_for_it() {
        let text = page(&consumer(), None);
        for said in [
            "erp-updater  catching up\n",
            "what for   Tells the ERP what the warehouses did\n",
            "position   1,234 of 5,678, looked at up to 1,300, stored up to 1,200\n",
            "behind     4,444 entries, 3 min 2 s\n",
            "in flight  12 deliveries\n",
            "waiting    3 orders\n",
            "parked     2 orders, the oldest for 1 h 3 min\n",
            "rate       120.5 events a second\n",
            "created    2026-03-20T09:46:40Z\n",
            "events        type pick.* or hold.*, warehouse DC1\n",
            "acknowledged  within 30s\n",
            "tried again   after 1s, then up to 5m\n",
            "parked        at most 1 order\n",
            "erp-1\u{fffd}",
        ] {
            assert!(text.contains(said), "{said} in\n{text}");
        }
        let quiet = proto::Consumer::default();
        let text = page(&quiet, None);
        assert!(text.contains("behind     nothing\n") && !text.contains("members"), "{text}");
        assert!(text.contains("parked     0 orders\n") && text.contains("events        all"));
    }

    #[test]
    fn pages_and_tables_keep_their_width() {
        for width in [30, 60, 80, 100] {
            let mut out = page(&consumer(), Some(width)).into_bytes();
            table(&[consumer()]).write(&mut out, Some(width)).unwrap();
            for line in String::from_utf8(out).unwrap().lines() {
                assert!(columns_of(line) <= width, "{width}: {line}");
            }
        }
    }
}
