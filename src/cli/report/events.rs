//! Events in the words of a report: when they occurred and were recorded, how late that was, and
//! what a correction corrects. Does not know which events are reported.

use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use crate::cli::output::{duration_text, seconds_text, time_text};
use crate::cli::timeline::as_exact_as_said;
use crate::event::{Event, event_to_json};
use crate::rpc::wire;
use crate::time::ns_from_parts;

/// The type of the events that declare another one wrong.
pub(super) const CORRECTED: &str = "event.corrected";

/// One event in short.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) offset: u64,
    pub(super) correlation_id: String,
    pub(super) event_type: String,
    pub(super) source: String,
    pub(super) event_id: String,
    pub(super) recorded_at: Option<Timestamp>,
    /// When it occurred, with the offset that its source named. Empty: not said.
    pub(super) occurred_at: String,
    /// The same, as exact as its source meant it.
    occurred: String,
    /// From when it occurred to when it was recorded, in nanoseconds; `None` where it does not say.
    pub(super) late_ns: Option<u64>,
    /// What it changed, in sentences.
    pub(super) effects: Vec<String>,
}

/// A correction of an earlier event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Corrected {
    pub(super) event: Told,
    pub(super) target_source: String,
    pub(super) target_event_id: String,
    /// In which way the target was wrong.
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) actor: String,
    pub(super) corrective_event_ids: Vec<String>,
    /// The wrong event, where it is known.
    pub(super) target: Option<Told>,
    /// It was itself declared wrong.
    pub(super) undone: bool,
    /// It had occurred by the time that is asked about, so that what is known now heeds it.
    pub(super) counts: bool,
}

/// A time of the wire in nanoseconds.
pub(super) fn ns_of(time: Option<&Timestamp>) -> Option<i64> {
    time.and_then(|time| ns_from_parts(time.seconds, time.nanos))
}

fn text_of(json: &Json, path: &str) -> String {
    json.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned()
}

impl Told {
    pub(super) fn of(recorded: &wire::RecordedEvent) -> Self {
        let event = Event::stored(recorded.event.clone());
        let json = event_to_json(&recorded.event);
        let occurred_at = text_of(&json, "/occurred_at");
        let occurred_ns = event.occurred_at_ns().filter(|_| !occurred_at.is_empty());
        let late_ns = ns_of(recorded.recorded_at.as_ref()).zip(occurred_ns);
        let late_ns = late_ns.map(|(recorded, occurred)| recorded.saturating_sub(occurred));
        Self {
            offset: recorded.offset,
            correlation_id: event.correlation_id().to_owned(),
            event_type: event.event_type().to_owned(),
            source: event.source().to_owned(),
            event_id: event.event_id().to_owned(),
            recorded_at: recorded.recorded_at,
            occurred: as_exact_as_said(&occurred_at, &json),
            occurred_at,
            late_ns: late_ns.map(|late_ns| u64::try_from(late_ns).unwrap_or(0)),
            effects: Vec::new(),
        }
    }

    /// A row of a timeline, with what the event changed.
    pub(super) fn of_row(row: &wire::TimelineRow) -> Self {
        let told = Self::of(&row.event.clone().unwrap_or_default());
        Self { effects: row.effects.clone(), ..told }
    }

    pub(super) fn occurred(&self) -> String {
        if self.occurred.is_empty() { "not said".to_owned() } else { self.occurred.clone() }
    }

    pub(super) fn recorded(&self) -> String {
        seconds_text(self.recorded_at.as_ref())
    }

    pub(super) fn late(&self) -> String {
        self.late_ns.map(duration_text).unwrap_or_default()
    }

    pub(super) fn json(&self) -> Json {
        let mut json = json!({
            "correlation_id": self.correlation_id,
            "offset": self.offset,
            "type": self.event_type,
            "source": self.source,
            "event_id": self.event_id,
            "recorded_at": time_text(self.recorded_at.as_ref()),
            "effects": self.effects,
        });
        if let Some(object) = json.as_object_mut().filter(|_| !self.occurred_at.is_empty()) {
            object.insert("occurred_at".to_owned(), Json::from(self.occurred_at.clone()));
            object.insert("late_ns".to_owned(), Json::from(self.late_ns));
        }
        json
    }
}

impl Corrected {
    pub(super) fn of(recorded: &wire::RecordedEvent) -> Self {
        let event = Told::of(recorded);
        let json = event_to_json(&recorded.event);
        let said = |path: &str| text_of(&json, path);
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        let ids = json.pointer("/correction/corrective_event_ids").and_then(Json::as_array);
        let ids = ids.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned);
        let code = or(said("/reason/code"), &said("/reason/source_code"));
        let reason = [code, said("/reason/text")].into_iter().filter(|text| !text.is_empty());
        Self {
            target_source: or(said("/correction/target_source"), &event.source),
            target_event_id: said("/correction/target_event_id"),
            kind: or(said("/correction/kind"), "incorrect_data"),
            reason: reason.collect::<Vec<_>>().join(": "),
            actor: said("/correction/actor"),
            corrective_event_ids: ids.collect(),
            event,
            ..Self::default()
        }
    }

    /// What was wrong: its type and place where it is known, else its name.
    pub(super) fn target(&self) -> String {
        let name = format!("{}/{}", self.target_source, self.target_event_id);
        match &self.target {
            Some(target) => format!("#{} {} {name}", target.offset, target.event_type),
            None => name,
        }
    }

    /// Whether the wrong event was known at a head.
    pub(super) fn is_of(&self, basis: u64) -> bool {
        self.target.as_ref().is_some_and(|target| target.offset < basis)
    }

    /// In which way it was wrong, and which events tell it rightly.
    pub(super) fn how(&self) -> String {
        let kind = self.kind.replace('_', " ");
        if self.corrective_event_ids.is_empty() {
            return kind;
        }
        format!("{kind}, told rightly by {}", self.corrective_event_ids.join(", "))
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "event": self.event.json(),
            "target_source": self.target_source,
            "target_event_id": self.target_event_id,
            "target": self.target.as_ref().map(Told::json),
            "kind": self.kind,
            "reason": self.reason,
            "actor": self.actor,
            "corrective_event_ids": self.corrective_event_ids,
        })
    }
}
