//! The state of the log that a question is answered at: both clocks, against a naive computation.

use std::time::Duration;

use order_ledger::proto::{
    Basis, GetOrderRequest, GetTimelineRequest, GetTimelineResponse, OrderBasis, OrderEvent,
};
use prost_types::Timestamp;
use tonic::Code;

use crate::support::{Client, Server, append, event, explained, receipts, run};

/// What a test knows of an event that it appended.
#[derive(Clone, Debug)]
struct Known {
    order: String,
    offset: u64,
    recorded_ns: i128,
    occurred_ns: Option<i128>,
}

impl Known {
    fn timeline_ns(&self) -> i128 {
        self.occurred_ns.unwrap_or(self.recorded_ns)
    }
}

fn ns(time: &Timestamp) -> i128 {
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

fn time(ns: i128) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(ns.div_euclid(1_000_000_000)).unwrap(),
        nanos: i32::try_from(ns.rem_euclid(1_000_000_000)).unwrap(),
    }
}

/// Events of two orders in several batches: out of order, with ties, and some without a time.
async fn fill(client: &mut Client) -> Vec<Known> {
    let mut known = Vec::new();
    for round in 0..8_i128 {
        let events: Vec<_> = (0..5_i128)
            .map(|n| {
                let at = 1_700_000_000_000_000_000 + (round * 7 + n * 11) % 13 * 1_000_000_007;
                OrderEvent {
                    occurred_at: ((round + n) % 4 != 0).then(|| time(at)),
                    ..event(if n == 3 { "b" } else { "a" }, format!("{round}.{n}"))
                }
            })
            .collect();
        let appended = append(client, events.clone()).await;
        for (event, receipt) in events.iter().zip(receipts(&appended)) {
            known.push(Known {
                order: event.correlation_id.clone(),
                offset: receipt.offset,
                recorded_ns: ns(&receipt.recorded_at.unwrap()),
                occurred_ns: event.occurred_at.as_ref().map(ns),
            });
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    known
}

/// One question: `as_of_offset`, `as_of_recorded` and `as_of_occurred`.
#[derive(Clone, Copy, Debug)]
struct Cut {
    offset: Option<u64>,
    recorded: Option<i128>,
    occurred: Option<i128>,
}

impl Cut {
    fn basis(self) -> Basis {
        Basis { at_least: 0, as_of_offset: self.offset, as_of_recorded: self.recorded.map(time) }
    }
}

/// Offsets in the order of the timeline with lateness, the revision, and the basis.
type Answer = (Vec<(u64, i128)>, u64, u64);

fn naive(known: &[Known], order: &str, cut: Cut) -> Answer {
    let below = |one: &&Known| {
        cut.offset.is_none_or(|offset| one.offset < offset)
            && cut.recorded.is_none_or(|latest| one.recorded_ns <= latest)
    };
    let below: Vec<_> = known.iter().filter(below).collect();
    let of_order: Vec<_> = below.iter().filter(|one| one.order == order).collect();
    let lateness = |at: usize| {
        let before = of_order[..at].iter().filter_map(|one| one.occurred_ns).max();
        match (before, of_order[at].occurred_ns) {
            (Some(before), Some(own)) => (before - own).max(0),
            _ => 0,
        }
    };
    let mut rows: Vec<_> = (0..of_order.len())
        .map(|at| (of_order[at].timeline_ns(), of_order[at].offset, lateness(at)))
        .filter(|(at, ..)| cut.occurred.is_none_or(|latest| *at <= latest))
        .collect();
    rows.sort_unstable();
    let rows = rows.into_iter().map(|(_, offset, late)| (offset, late));
    let counts = [of_order.len(), below.len()].map(|count| u64::try_from(count).unwrap());
    (rows.collect(), counts[0], counts[1])
}

fn answer(timeline: GetTimelineResponse) -> Answer {
    let rows = timeline.rows.into_iter().map(|row| {
        let late = row.late_by.unwrap_or_default();
        let late = i128::from(late.seconds) * 1_000_000_000 + i128::from(late.nanos);
        (row.event.unwrap().offset, late)
    });
    (rows.collect(), timeline.revision, timeline.basis)
}

async fn check(client: &mut Client, known: &[Known], order: &str, cut: Cut) {
    let expected = naive(known, order, cut);
    let request = GetTimelineRequest {
        correlation_id: order.into(),
        basis: Some(cut.basis()),
        as_of_occurred: cut.occurred.map(time),
        ..GetTimelineRequest::default()
    };
    let timeline = client.get_timeline(request).await.unwrap().into_inner();
    assert_eq!(answer(timeline), expected, "{order} {cut:?}");

    let request = GetOrderRequest {
        correlation_id: order.into(),
        basis: Some(cut.basis()),
        as_of_occurred: cut.occurred.map(time),
        compare_with: None,
    };
    let found = client.get_order(request).await.unwrap().into_inner();
    let (order, basis) = (found.order.unwrap(), found.basis);
    let (rows, revision, naive_basis) = expected;
    let count = u64::try_from(rows.len()).unwrap();
    assert_eq!((order.revision, order.event_count), (revision, count), "{cut:?}");
    assert_eq!(basis, naive_basis, "{cut:?}");
    let ends = [order.first_event, order.last_event].map(|end| end.map(|end| end.offset));
    let offsets = || rows.iter().map(|(offset, _)| *offset);
    assert_eq!(ends, [offsets().min(), offsets().max()], "{cut:?}");
}

/// Seen red with `<` in place of `<=` in `AsOf::includes`.
#[test]
fn all_combinations_of_both_clocks_and_an_offset_answer_as_a_naive_computation_does() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let known = fill(&mut client).await;
        let some = |values: Vec<i128>| {
            let values = values.into_iter().map(Some);
            std::iter::once(None).chain(values).collect::<Vec<_>>()
        };
        let recorded = |at: usize| known[at].recorded_ns;
        let recorded = some(vec![
            -1,
            recorded(0) - 1,
            recorded(0),
            recorded(17),
            recorded(20) - 1,
            recorded(39) + 1_000_000,
        ]);
        let occurred = |at: usize| known[at].timeline_ns();
        let occurred = some(vec![
            0,
            occurred(1) - 1,
            occurred(1),
            occurred(13),
            occurred(0),
            occurred(39) + 1,
        ]);
        for offset in [None, Some(0), Some(1), Some(18), Some(40)] {
            for &recorded in &recorded {
                for &occurred in &occurred {
                    let cut = Cut { offset, recorded, occurred };
                    for order in ["a", "b"] {
                        check(&mut client, &known, order, cut).await;
                    }
                }
            }
        }
    });
}

#[test]
fn a_time_of_a_question_that_is_out_of_range_is_refused_by_its_path() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let bad = Timestamp { seconds: 0, nanos: -1 };
        let basis = Basis { as_of_recorded: Some(bad), ..Basis::default() };
        let request = GetOrderRequest {
            correlation_id: "a".into(),
            basis: Some(basis),
            as_of_occurred: Some(bad),
            compare_with: None,
        };
        let refused = explained(&client.get_order(request).await.unwrap_err());
        assert_eq!((refused.code, &*refused.class), (Code::InvalidArgument, "refused"));
        assert_eq!(refused.fields(), ["basis.as_of_recorded", "as_of_occurred"]);
        assert!(!refused.message.contains("batch"), "{}", refused.message);
    });
}

#[test]
fn an_offset_beyond_the_head_is_out_of_range_for_every_question() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        let basis = Basis { as_of_offset: Some(2), ..Basis::default() };
        let order = GetOrderRequest {
            correlation_id: "a".into(),
            basis: Some(basis),
            ..GetOrderRequest::default()
        };
        let timeline = GetTimelineRequest {
            correlation_id: "a".into(),
            basis: Some(basis),
            ..GetTimelineRequest::default()
        };
        let errors = [
            client.get_order(order).await.unwrap_err(),
            client.get_timeline(timeline).await.unwrap_err(),
        ];
        for error in errors {
            let refused = explained(&error);
            assert_eq!(refused.kind(), (Code::OutOfRange, "BEYOND_HEAD", "refused"));
            assert!(refused.message.contains("backup"), "{}", refused.message);
        }
    });
}

fn at_least(head: u64) -> GetOrderRequest {
    GetOrderRequest {
        correlation_id: "a".into(),
        basis: Some(Basis { at_least: head, ..Basis::default() }),
        ..GetOrderRequest::default()
    }
}

#[test]
fn a_question_waits_for_the_head_that_it_asks_for() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut waiting = server.client().await;
        let waiting = tokio::spawn(async move { waiting.get_order(at_least(2)).await });
        append(&mut client, [event("a", 1)]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished(), "the head is 1");
        append(&mut client, [event("a", 2)]).await;
        let answer = waiting.await.unwrap().unwrap().into_inner();
        assert_eq!((answer.order.unwrap().revision, answer.basis), (2, 2));
    });
}

#[test]
fn a_head_that_does_not_come_is_said_to_be_unavailable() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        let error = client.get_order(at_least(9)).await.unwrap_err();
        let failed = explained(&error);
        let kind = (Code::Unavailable, "BASIS_NOT_REACHED", "not_written");
        assert_eq!(failed.kind(), kind);
        assert!(failed.message.contains('9'), "{}", failed.message);
    });
}

#[test]
fn a_time_that_has_not_come_is_refused_for_every_question() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        let far = Some(Timestamp { seconds: 4_102_444_800, nanos: 0 });
        let basis = Basis { as_of_recorded: far, ..Basis::default() };
        let order = GetOrderRequest { correlation_id: "a".into(), ..GetOrderRequest::default() };
        let timeline =
            GetTimelineRequest { correlation_id: "a".into(), ..GetTimelineRequest::default() };
        let compared = |other| GetOrderRequest { compare_with: Some(other), ..order.clone() };
        let orders = [
            ("basis.as_of_recorded", GetOrderRequest { basis: Some(basis), ..order.clone() }),
            ("as_of_occurred", GetOrderRequest { as_of_occurred: far, ..order.clone() }),
            (
                "compare_with.basis.as_of_recorded",
                compared(OrderBasis { basis: Some(basis), as_of_occurred: None }),
            ),
            (
                "compare_with.as_of_occurred",
                compared(OrderBasis { basis: None, as_of_occurred: far }),
            ),
        ];
        let timelines = [
            ("basis.as_of_recorded", GetTimelineRequest { basis: Some(basis), ..timeline.clone() }),
            ("as_of_occurred", GetTimelineRequest { as_of_occurred: far, ..timeline }),
        ];
        let mut errors = Vec::new();
        for (field, request) in orders {
            errors.push((field, client.get_order(request).await.unwrap_err()));
        }
        for (field, request) in timelines {
            errors.push((field, client.get_timeline(request).await.unwrap_err()));
        }
        for (field, error) in errors {
            let refused = explained(&error);
            assert_eq!(refused.kind(), (Code::InvalidArgument, "IN_FUTURE", "refused"));
            assert_eq!(refused.fields(), [field]);
            assert!(refused.message.contains("2100-01-01T00:00:00Z"), "{}", refused.message);
            assert!(refused.message.contains("allowed is at most 2"), "{}", refused.message);
        }
    });
}
