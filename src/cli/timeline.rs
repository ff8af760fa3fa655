//! `timeline`: the events of one order. Does not know how they are found.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value as Json, json};

use super::as_of::{AsOfArguments, parse_time};
use super::failure::{Exit, Failure};
use super::grid::{Grid, column, cut};
use super::output::{
    Output, bold, clean, duration_text, recorded_json, seconds_text, shows_unicode, width,
};
use super::target::Target;
use crate::event::{Event, event_to_json};
use crate::rpc::wire;

/// Events further apart than this have a line between them.
const DAY_SECONDS: u64 = 86_400;

#[derive(Debug, Args)]
pub(super) struct Timeline {
    #[command(flatten)]
    target: Target,
    /// The order, by its correlation id
    order: String,
    #[command(flatten)]
    as_of: AsOfArguments,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Timeline {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let mut request = wire::GetTimelineRequest {
            correlation_id: self.order.clone(),
            basis: Some(self.as_of.basis()),
            as_of_occurred: self.as_of.occurred(),
            include_hashes: self.output != Output::Table,
            omit_effects: false,
            page_size: 0,
            page_token: String::new(),
        };
        let mut rows = Vec::new();
        let last = loop {
            let page = client.get_timeline(request.clone()).await?.into_inner();
            rows.extend(page.rows.iter().cloned());
            if page.next_page_token.is_empty() {
                break page;
            }
            request.page_token = page.next_page_token;
        };
        print(&self.order, &rows, (last.revision, last.basis), self.output)?;
        if last.revision == 0 {
            let message = format!("no order {} at basis {}", self.order, last.basis);
            return Err(Failure::new(Exit::NotFound, message));
        }
        Ok(())
    }
}

fn print(
    order: &str,
    rows: &[wire::TimelineRow],
    (revision, basis): (u64, u64),
    output: Output,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match output {
        Output::Table if rows.is_empty() => Ok(()),
        Output::Table => {
            let counts = format!("  {revision} events, basis {basis}");
            let room = width().map(|width| width.saturating_sub(counts.len()).max(8));
            writeln!(out, "{}{counts}", bold(&cut(&clean(order), room)))?;
            grid_of(rows).write(&mut out, width())
        }
        Output::Json => {
            let rows: Vec<Json> = rows.iter().map(row_json).collect();
            let document = json!({
                "correlation_id": order, "revision": revision, "basis": basis, "rows": rows
            });
            writeln!(out, "{document}")
        }
        Output::Ndjson => rows.iter().map(row_json).try_for_each(|row| writeln!(out, "{row}")),
    }
}

fn row_json(row: &wire::TimelineRow) -> Json {
    let mut json = recorded_json(&row.event.clone().unwrap_or_default());
    if let Some(object) = json.as_object_mut() {
        if let late_ns @ 1.. = late_ns(row) {
            object.insert("late_ns".to_owned(), Json::from(late_ns));
        }
        if !row.effects.is_empty() {
            object.insert("effects".to_owned(), Json::from(row.effects.clone()));
        }
        if !row.linked_from.is_empty() {
            object.insert("linked_from".to_owned(), Json::from(row.linked_from.clone()));
        }
    }
    json
}

fn late_ns(row: &wire::TimelineRow) -> u64 {
    row.late_by.as_ref().map_or(0, |late| {
        let nanos = u64::try_from(late.nanos).unwrap_or(0);
        u64::try_from(late.seconds).unwrap_or(0).saturating_mul(1_000_000_000) + nanos
    })
}

fn grid_of(rows: &[wire::TimelineRow]) -> Grid {
    let mut grid = Grid::new([
        column("OCCURRED AT"),
        column("RECORDED AT").spare(),
        column("OFFSET").right().spare(),
        column("TYPE").wrap(),
        column("SOURCE").spare(),
        column("FROM ORDER").optional().wrap(),
        column("WHAT").wrap(),
    ]);
    let mut before = None;
    for row in rows {
        let recorded = row.event.clone().unwrap_or_default();
        let event = Event::stored(recorded.event.clone());
        let json = event_to_json(&recorded.event);
        let occurred = json.get("occurred_at").and_then(Json::as_str);
        let at = occurred
            .and_then(|text| parse_time(text).ok())
            .or(recorded.recorded_at)
            .map(|time| time.seconds);
        if let Some(gap) = before.zip(at).and_then(|(before, at)| gap_text(at - before)) {
            grid.note(&format!("   {} {gap} later", if shows_unicode() { '\u{b7}' } else { '.' }));
        }
        before = at.or(before);
        let late = match late_ns(row) {
            0 => String::new(),
            ns => format!("late by {}", duration_text(ns)),
        };
        let effects = row.effects.join("; ");
        let what = if effects.is_empty() { what(&json) } else { effects };
        let what = [what, late].into_iter().filter(|text| !text.is_empty());
        grid.row([
            occurred.map_or_else(|| "-".to_owned(), |text| as_exact_as_said(text, &json)),
            seconds_text(recorded.recorded_at.as_ref()),
            recorded.offset.to_string(),
            event.event_type().to_owned(),
            event.source().to_owned(),
            row.linked_from.clone(),
            what.collect::<Vec<_>>().join("; "),
        ]);
    }
    grid
}

/// A time without the digits that its source did not mean: a date is a date.
pub(super) fn as_exact_as_said(time: &str, event: &Json) -> String {
    let zone = time.get(19..).unwrap_or_default();
    let zone = zone.trim_start_matches(|letter: char| letter == '.' || letter.is_ascii_digit());
    let with_zone = |end| format!("{}{zone}", time.get(..end).unwrap_or(time));
    match event.get("occurred_at_precision").and_then(Json::as_str) {
        Some("day") => time.get(..10).unwrap_or(time).to_owned(),
        Some("hour") => with_zone(13),
        Some("minute") => with_zone(16),
        Some("second") => with_zone(19),
        Some("unknown") => format!("{time} ?"),
        _ => time.to_owned(),
    }
}

/// A time of more than a day in which nothing happened, in words.
fn gap_text(seconds: i64) -> Option<String> {
    let seconds = u64::try_from(seconds).ok().filter(|&seconds| seconds > DAY_SECONDS)?;
    Some(duration_text(seconds.saturating_mul(1_000_000_000)))
}

/// What an event says about lines and reasons, in a few words.
fn what(event: &Json) -> String {
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let lines = event.get("lines").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut words: Vec<String> = lines
        .iter()
        .take(3)
        .map(|line| {
            let parts = ["quantity", "unit", "sku"].iter().filter_map(|name| text(line, name));
            let parts: Vec<String> = parts.collect();
            let line_id = text(line, "line_id").unwrap_or_default();
            format!("line {line_id}: {}", parts.join(" ")).trim_end_matches([':', ' ']).to_owned()
        })
        .collect();
    if lines.len() > 3 {
        words.push(format!("and {} more lines", lines.len() - 3));
    }
    let reason = event.get("reason").and_then(|reason| text(reason, "code"));
    let asserted = event.get("asserted").and_then(|asserted| text(asserted, "value"));
    words.extend(reason);
    words.extend(asserted.map(|value| format!("claims {value}")));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_digits_that_its_source_meant() {
        for (time, precision, text) in [
            ("2026-03-28T14:05:06.5+01:00", "day", "2026-03-28"),
            ("2026-03-28T14:05:06.5+01:00", "hour", "2026-03-28T14+01:00"),
            ("2026-03-28T14:05:06.5+01:00", "minute", "2026-03-28T14:05+01:00"),
            ("2026-03-28T14:05:06.5Z", "second", "2026-03-28T14:05:06Z"),
            ("2026-03-28T14:05:06.5Z", "microsecond", "2026-03-28T14:05:06.5Z"),
            ("1948-01-01T00:00:00Z", "unknown", "1948-01-01T00:00:00Z ?"),
        ] {
            let event = json!({ "occurred_at_precision": precision });
            assert_eq!(as_exact_as_said(time, &event), text);
        }
        assert_eq!(
            as_exact_as_said("2026-03-28T14:05:06.5Z", &json!({})),
            "2026-03-28T14:05:06.5Z"
        );
    }

    #[test]
    fn a_gap_is_told_where_it_is_long() {
        assert_eq!(gap_text(86_400), None);
        assert_eq!(gap_text(-90_000), None);
        assert_eq!(gap_text(3 * 86_400 + 4 * 3_600).unwrap(), "3 d 4 h");
    }
}
