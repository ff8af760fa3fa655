//! The timeline of an order: its order, what came late, and its pages.

use order_ledger::proto::{
    Basis, GetTimelineRequest, GetTimelineResponse, Line, OrderEvent, RecordedEvent,
};
use order_ledger::{Limits, Options, ServeOptions};
use prost_types::Timestamp;
use tonic::Code;

use crate::support::{
    Client, Server, append, event, explained, large_event, options, receipts, run,
};

/// An event of order `a` that occurred at a second.
fn at(seconds: i64, id: impl ToString) -> OrderEvent {
    OrderEvent { occurred_at: Some(Timestamp { seconds, nanos: 0 }), ..event("a", id) }
}

fn ask(page_size: u32, page_token: &str) -> GetTimelineRequest {
    GetTimelineRequest {
        correlation_id: "a".into(),
        page_size,
        page_token: page_token.into(),
        ..GetTimelineRequest::default()
    }
}

async fn timeline(client: &mut Client, request: GetTimelineRequest) -> GetTimelineResponse {
    client.get_timeline(request).await.unwrap().into_inner()
}

fn offsets(timeline: &GetTimelineResponse) -> Vec<u64> {
    let events = timeline.rows.iter().map(|row| row.event.as_ref().unwrap());
    events.map(|event| event.offset).collect()
}

#[test]
fn events_stand_by_the_time_they_occurred_ties_by_offset_and_late_ones_are_marked() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let events = [at(100, 0), at(300, 1), at(200, 2), at(300, 3), at(100, 4), at(400, 5)];
        let appended = append(&mut client, events.clone()).await;
        let timeline = timeline(&mut client, ask(0, "")).await;
        assert_eq!(offsets(&timeline), [0, 4, 2, 1, 3, 5]);
        let late: Vec<_> = timeline
            .rows
            .iter()
            .map(|row| row.late_by.map(|late| (late.seconds, late.nanos)))
            .collect();
        assert_eq!(late, [None, Some((200, 0)), Some((100, 0)), None, None, None]);
        assert_eq!((timeline.revision, timeline.basis), (6, 6));
        assert_eq!(timeline.next_page_token, "");
        let receipts = receipts(&appended);
        for row in &timeline.rows {
            let recorded = row.event.clone().unwrap();
            let place = usize::try_from(recorded.offset).unwrap();
            assert_eq!(recorded.event.as_ref(), Some(&events[place]));
            assert_eq!(recorded.revision, receipts[place].revision);
            assert_eq!(recorded.recorded_at, receipts[place].recorded_at);
        }
    });
}

#[test]
fn an_event_without_a_time_stands_where_it_was_recorded() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let (long_ago, far_off) = (at(100, 0), at(9_000_000_000, 1));
        append(&mut client, [far_off, event("a", 2), long_ago]).await;
        let timeline = timeline(&mut client, ask(0, "")).await;
        assert_eq!(offsets(&timeline), [2, 1, 0]);
    });
}

/// All pages; while they are read, events arrive that belong between the first ones.
async fn pages(client: &mut Client, first: GetTimelineRequest) -> Vec<RecordedEvent> {
    let mut request = first;
    let mut read = Vec::new();
    for page in 0.. {
        let answer = timeline(client, request.clone()).await;
        assert_eq!((answer.revision, answer.basis), (20, 20), "the first page's");
        read.extend(answer.rows.into_iter().map(|row| row.event.unwrap()));
        if answer.next_page_token.is_empty() {
            break;
        }
        append(client, [at(1, format!("page {page} of {}", request.page_size))]).await;
        request.page_token = answer.next_page_token;
    }
    read
}

/// Seen red with pages that are answered at the head instead of the basis of the first.
#[test]
fn pages_fit_together_while_the_ledger_grows() {
    run(async {
        for page_size in [1, 7, 19, 20, 21] {
            let folder = tempfile::tempdir().unwrap();
            let server = Server::start(folder.path()).await;
            let mut client = server.client().await;
            append(&mut client, (0..20).map(|n| at(100 + n * 7 % 20, n))).await;
            let whole = timeline(&mut client, ask(0, "")).await.rows;
            let whole: Vec<_> = whole.into_iter().map(|row| row.event.unwrap()).collect();
            assert_eq!(whole.len(), 20);
            let read = pages(&mut client, ask(page_size, "")).await;
            assert_eq!(read, whole, "pages of {page_size}");
        }
    });
}

#[test]
fn pages_of_a_question_about_the_past_keep_to_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, (0..20).map(|n| at(100 + n * 7 % 20, n))).await;
        append(&mut client, (20..30).map(|n| at(n, n))).await;
        let basis = Basis { as_of_offset: Some(20), ..Basis::default() };
        let request = GetTimelineRequest {
            basis: Some(basis),
            as_of_occurred: Some(Timestamp { seconds: 110, nanos: 0 }),
            ..ask(3, "")
        };
        let read = pages(&mut client, request).await;
        let times = read.iter().map(|one| {
            let event = one.event.as_ref().unwrap();
            event.occurred_at.unwrap().seconds
        });
        assert_eq!(times.collect::<Vec<_>>(), (100..=110).collect::<Vec<_>>());
        assert!(read.iter().all(|one| one.offset < 20));
    });
}

#[test]
fn a_token_of_another_request_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, (0..5).map(|n| at(n, n))).await;
        append(&mut client, [event("b", 1), event("b", 2)]).await;
        let token = timeline(&mut client, ask(2, "")).await.next_page_token;
        assert!(!token.is_empty());
        let at_basis = |basis| GetTimelineRequest { basis: Some(basis), ..ask(2, &token) };
        let others = [
            GetTimelineRequest { correlation_id: "b".into(), ..ask(2, &token) },
            GetTimelineRequest { as_of_occurred: Some(Timestamp::default()), ..ask(2, &token) },
            at_basis(Basis { as_of_offset: Some(3), ..Basis::default() }),
            at_basis(Basis { as_of_recorded: Some(Timestamp::default()), ..Basis::default() }),
            ask(2, "nonsense"),
            ask(2, "0.0.0"),
            ask(2, &token[8..]),
            ask(2, &format!("{token}.1")),
        ];
        for request in others {
            let refused = client.get_timeline(request.clone()).await.unwrap_err();
            let refused = explained(&refused);
            let kind = (Code::InvalidArgument, "PAGE_TOKEN", "refused");
            assert_eq!(refused.kind(), kind, "{request:?}");
        }
        let next = timeline(&mut client, ask(1, &token)).await;
        assert_eq!(offsets(&next), [2], "another page size is the same question");
    });
}

#[test]
fn a_token_of_another_ledger_is_refused() {
    run(async {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut tokens = Vec::new();
        for folder in &folders {
            let server = Server::start(folder.path()).await;
            let mut client = server.client().await;
            append(&mut client, (0..5).map(|n| at(n, n))).await;
            tokens.push(timeline(&mut client, ask(2, "")).await.next_page_token);
            let refused = client.get_timeline(ask(2, &tokens[0])).await;
            assert_eq!(refused.is_ok(), tokens.len() == 1, "{refused:?}");
            if let Err(refused) = refused {
                let refused = explained(&refused);
                assert_eq!(refused.kind(), (Code::InvalidArgument, "PAGE_TOKEN", "refused"));
                assert!(refused.message.contains("this ledger"), "{}", refused.message);
            }
        }
    });
}

#[test]
fn a_page_of_events_with_many_effects_fits_into_a_message_too() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let line =
            |n| Line { line_id: format!("{n:0>120}"), quantity: "1".into(), ..Line::default() };
        let wide = |id: i32| OrderEvent { lines: (0..400).map(line).collect(), ..event("a", id) };
        for n in 0..4 {
            append(&mut client, (0..13).map(|m| wide(n * 13 + m))).await;
        }
        // This client takes messages of 4 MiB at most.
        let (mut count, mut token) = (0, String::new());
        while count < 52 {
            let page = timeline(&mut client, ask(0, &token)).await;
            assert!(page.rows.iter().all(|row| row.effects.len() >= 400), "all lines change");
            count += page.rows.len();
            token = page.next_page_token;
        }
        assert_eq!((count, &*token), (52, ""));
    });
}

#[test]
fn a_page_ends_early_so_that_it_fits_into_a_message_of_4_mib() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        for n in 0..10 {
            let events = (0..10).map(|m| large_event("a", n * 10 + m, 60_000));
            append(&mut client, events).await;
        }
        // This client takes messages of 4 MiB at most.
        let first = timeline(&mut client, ask(0, "")).await;
        assert!((40..60).contains(&first.rows.len()), "{}", first.rows.len());
        let second = timeline(&mut client, ask(0, &first.next_page_token)).await;
        assert_eq!(first.rows.len() + second.rows.len(), 100);
        assert_eq!(second.next_page_token, "");
    });
}

#[test]
fn a_page_has_at_most_the_rows_that_the_limits_allow() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { page_rows_max: 3, ..Limits::default() };
        let options = Options { limits, ..options() };
        let serving = ServeOptions::default();
        let server = Server::start_with(folder.path(), options, serving).await;
        let mut client = server.client().await;
        append(&mut client, (0..5).map(|n| at(n, n))).await;
        for page_size in [0, 4, u32::MAX] {
            let page = timeline(&mut client, ask(page_size, "")).await;
            assert_eq!(page.rows.len(), 3, "asked for {page_size}");
        }
    });
}
