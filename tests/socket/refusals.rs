//! What an append is refused for, by the path of the field; nothing is written then.

use order_ledger::proto::{
    AppendRequest, Expectation, GetAppendOutcomeRequest, Line, OrderEvent, WaveDetails,
};
use order_ledger::{Limits, Options, ServeOptions};
use prost::Message as _;
use prost_types::Timestamp;
use tonic::Code;

use crate::raw;
use crate::support::{
    Client, Explained, Server, append, batch, event, explained, head, large_event, options,
    refusal, run,
};

const INVALID: (Code, &str, &str) = (Code::InvalidArgument, "INVALID_BATCH", "refused");

async fn start_limited(folder: &std::path::Path, limits: Limits) -> Server {
    let options = Options { limits, ..options() };
    Server::start_with(folder, options, ServeOptions::default()).await
}

/// Refuses each event, and answers what was said of the last.
async fn each_is_refused(client: &mut Client, field: &str, events: Vec<OrderEvent>) {
    for event in events {
        let path = match field {
            "" => "events[0]".to_owned(),
            field => format!("events[0].{field}"),
        };
        let refused = refusal(client, batch([event.clone()])).await;
        assert_eq!(refused.kind(), INVALID, "{event:?}");
        assert_eq!(refused.fields(), [path], "{refused:?}");
        assert!(!refused.violations[0].1.is_empty(), "{refused:?}");
    }
    assert_eq!(head(client).await, 0);
}

#[test]
fn an_event_without_order_source_id_or_type_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let without = |clear: fn(&mut OrderEvent)| {
            let mut event = event("a", 1);
            clear(&mut event);
            vec![event]
        };
        let client = &mut client;
        each_is_refused(client, "correlation_id", without(|e| e.correlation_id.clear())).await;
        each_is_refused(client, "source", without(|e| e.source.clear())).await;
        each_is_refused(client, "event_id", without(|e| e.event_id.clear())).await;
        each_is_refused(client, "type", without(|e| e.r#type.clear())).await;
        let refused = refusal(client, batch([OrderEvent::default()])).await;
        let mut fields = refused.fields();
        fields.sort_unstable();
        let all = ["correlation_id", "event_id", "source", "type"];
        assert_eq!(fields, all.map(|field| format!("events[0].{field}")));
    });
}

#[test]
fn an_id_of_129_bytes_or_with_control_characters_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let too_long = "x".repeat(129);
        let too_long_in_few_letters = "ü".repeat(64) + "x";
        let ids = [&too_long, &too_long_in_few_letters, "a\nb", "\0", "a\u{7f}", "\u{85}"];
        let with = |set: fn(&mut OrderEvent, String)| {
            let each = |id: &&str| {
                let mut event = event("a", 1);
                set(&mut event, (*id).to_owned());
                event
            };
            ids.iter().map(each).collect::<Vec<_>>()
        };
        let client = &mut client;
        each_is_refused(client, "correlation_id", with(|e, id| e.correlation_id = id)).await;
        each_is_refused(client, "source", with(|e, id| e.source = id)).await;
        each_is_refused(client, "event_id", with(|e, id| e.event_id = id)).await;
        each_is_refused(client, "type", with(|e, id| e.r#type = id)).await;
        each_is_refused(client, "fact_id", with(|e, id| e.fact_id = id)).await;
        each_is_refused(client, "causation_id", with(|e, id| e.causation_id = id)).await;
        let line_id = with(|e, id| e.lines[0].line_id = id);
        each_is_refused(client, "lines[0].line_id", line_id).await;
        let wave_id = with(|e, wave_id| {
            let kind = String::new();
            e.wave = Some(WaveDetails { wave_id, kind });
        });
        each_is_refused(client, "wave.wave_id", wave_id).await;
        let longest = event(&"a".repeat(128), "ü".repeat(64));
        append(client, [longest]).await;
    });
}

#[test]
fn an_order_in_the_ledgers_own_name_space_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let reserved = ["$", "$seal", "$consumers/x"].map(|order| event(order, 1));
        each_is_refused(&mut client, "correlation_id", reserved.into()).await;
        append(&mut client, [event("a$", 1)]).await;
    });
}

#[test]
fn a_time_out_of_range_is_refused_wherever_it_stands() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let times = [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)];
        let times = times.map(|(seconds, nanos)| Some(Timestamp { seconds, nanos }));
        let occurred_at = times.map(|occurred_at| OrderEvent { occurred_at, ..event("a", 1) });
        each_is_refused(&mut client, "occurred_at", occurred_at.into()).await;
        let ship_by = times.map(|ship_by| OrderEvent {
            promised: Some(order_ledger::proto::Promise { ship_by, ..Default::default() }),
            ..event("a", 1)
        });
        each_is_refused(&mut client, "promised.ship_by", ship_by.into()).await;
    });
}

#[test]
fn a_quantity_that_is_no_exact_decimal_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let of = |quantity: &str| OrderEvent {
            lines: vec![Line::default(), Line { quantity: quantity.into(), ..Line::default() }],
            ..event("a", quantity.len())
        };
        let bad = [
            "+1",
            "1e3",
            ".5",
            "1.",
            "1,5",
            " 1",
            "-",
            "NaN",
            "ten",
            "0x1",
            "1.0000001",
            "1000000000000",
            "١",
        ];
        let bad = bad.map(of).into();
        each_is_refused(&mut client, "lines[1].quantity", bad).await;
        let good = ["0", "-1", "12.5", "-0.000001", "999999999999.999999"];
        append(&mut client, good.map(of)).await;
    });
}

#[test]
fn a_limit_that_is_met_is_named_with_its_value() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits {
            batch_events_max: 3,
            batch_bytes_max: 2_500,
            event_bytes_max: 1_000,
            event_lines_max: 4,
            id_bytes_max: 16,
            ..Limits::default()
        };
        let server = start_limited(folder.path(), limits).await;
        let mut client = server.client().await;
        let lines = OrderEvent { lines: vec![Line::default(); 5], ..event("a", 1) };
        let many = (0..4).map(|n| event("a", n));
        let bytes = (0..3).map(|n| large_event("a", n, 900));
        let cases = [
            (batch([event("a", "12345678901234567")]), "events[0].event_id", "id_bytes_max", "16"),
            (batch([lines]), "events[0].lines[4]", "event_lines_max", "4"),
            (batch([large_event("a", 1, 1_000)]), "events[0]", "event_bytes_max", "1000"),
            (batch(many), "events", "batch_events_max", "3"),
            (batch(bytes), "events", "batch_bytes_max", "2500"),
        ];
        for (request, field, limit, value) in cases {
            let refused = refusal(&mut client, request).await;
            assert_eq!(refused.kind(), INVALID);
            assert_eq!(refused.fields(), [field]);
            let what = &refused.violations[0].1;
            assert!(what.contains(limit) && what.contains(value), "{what}");
        }
        assert_eq!(head(&mut client).await, 0);
        append(&mut client, (0..3).map(|n| event("a", n))).await;
    });
}

#[test]
fn an_empty_batch_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let refused = refusal(&mut client, AppendRequest::default()).await;
        assert_eq!(refused.kind(), INVALID);
        assert_eq!(refused.fields(), ["events"]);
    });
}

/// A batch with violations in three events, one of them in a line.
fn with_several_violations() -> AppendRequest {
    let mut events: Vec<_> = (0..5).map(|n| event("a", n)).collect();
    events[1].source = "x".repeat(129);
    events[3].event_id.clear();
    events[3].lines[0].quantity = "many".into();
    events[3].lines.push(Line { line_id: "\t".into(), ..Line::default() });
    events[4].occurred_at = Some(Timestamp { seconds: 0, nanos: -1 });
    batch(events)
}

#[test]
fn every_violation_of_a_request_is_listed_and_none_of_its_events_is_written() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let refused = refusal(&mut client, with_several_violations()).await;
        let mut fields = refused.fields();
        fields.sort_unstable();
        let all = [
            "events[1].source",
            "events[3].event_id",
            "events[3].lines[0].quantity",
            "events[3].lines[1].line_id",
            "events[4].occurred_at",
        ];
        assert_eq!(fields, all);
        assert!(refused.message.contains("correct the request"), "what to do");
        assert_eq!(head(&mut client).await, 0);
        let request = GetAppendOutcomeRequest {
            correlation_id: "a".into(),
            source: "wms:dc1".into(),
            event_id: "0".into(),
        };
        let outcome = client.get_append_outcome(request).await.unwrap();
        assert_eq!(outcome.into_inner().receipt, None);
    });
}

/// Seen red with expectations that are looked at only when all events are valid.
#[test]
fn violations_of_events_and_of_expectations_are_listed_together() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let too_long = Expectation { correlation_id: "x".repeat(129), ..Expectation::default() };
        let request = AppendRequest {
            expectations: vec![Expectation::default(), too_long],
            ..with_several_violations()
        };
        let refused = refusal(&mut client, request).await;
        let fields = refused.fields();
        assert_eq!(fields.len(), 7, "{fields:?}");
        for index in 0..2 {
            let field = format!("expectations[{index}].correlation_id");
            assert!(fields.contains(&field.as_str()), "{fields:?}");
        }
    });
}

#[test]
fn more_violations_than_an_error_can_carry_are_counted() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let events = (0..1_000).map(|n| OrderEvent { source: String::new(), ..event("a", n) });
        let Explained { violations, .. } = refusal(&mut client, batch(events)).await;
        let (last, listed) = violations.split_last().unwrap();
        assert!(listed.len() >= 20, "{}", listed.len());
        let left = 1_000 - listed.len();
        assert!(last.1.contains(&left.to_string()), "{last:?}");
    });
}

#[test]
fn an_id_that_is_not_utf_8_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut encoded = OrderEvent { source: String::new(), ..event("a", 1) }.encode_to_vec();
        raw::put_bytes(&mut encoded, 2, &[b'w', 0xff]);
        let error = raw::append(server.channel().await, vec![encoded]).await;
        let refused = explained(&error.unwrap_err());
        assert_eq!(refused.kind(), INVALID);
        assert_eq!(refused.fields(), ["events[0].source"]);
    });
}

#[test]
fn what_the_contract_does_not_name_is_not_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let odd = OrderEvent {
            r#type: "nobody.knows_this".into(),
            schema_version: u32::MAX,
            utc_offset_minutes: Some(i32::MIN),
            trace_id: vec![1; 3],
            raw_digest: vec![],
            occurred_at_precision: 99,
            attributes: [(String::new(), "\0\n".into())].into(),
            lines: vec![Line::default()],
            ..event(" a/ü ", 1)
        };
        append(&mut client, [odd]).await;
    });
}
