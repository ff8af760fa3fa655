//! What is refused and kept: over `Append`, `AppendStream` and the delivery service.

use order_ledger::proto::append_stream_response::Result as Answer;
use order_ledger::proto::{
    AppendOutcome, AppendRequest, AppendResponse, AppendStreamRequest, DeadLetterFormat,
    DeadLetterState, DiscardDeadLetterRequest, EventFilter, EventOutcome, Expectation,
    KeepDeadLetterRequest, KeptDeadLetter, ListDeadLettersRequest, OnRefusal, OrderEvent,
    RecordedEvent, RedriveDeadLetterRequest, RefusalReason, ReplayRequest, expectation::Expected,
    replay_response,
};
use order_ledger::{DeliveryServiceClient, Limits, Options, ServeOptions};
use prost::Message as _;
use tonic::Code;
use tonic::codegen::tokio_stream;
use tonic::transport::Channel;

use crate::raw;
use crate::support::{
    Client, Explained, Server, append, batch, event, explained, head, options, refusal, run,
};

type Delivery = DeliveryServiceClient<Channel>;

async fn delivery(server: &Server) -> Delivery {
    DeliveryServiceClient::new(server.channel().await)
}

fn keeping(events: impl IntoIterator<Item = OrderEvent>) -> AppendRequest {
    AppendRequest { on_refusal: OnRefusal::DeadLetter.into(), ..batch(events) }
}

/// Without a type, so it is refused.
fn bad(id: &str) -> OrderEvent {
    OrderEvent { r#type: String::new(), ..event("a", id) }
}

async fn keep(client: &mut Client, events: Vec<OrderEvent>) -> AppendResponse {
    client.append(keeping(events)).await.unwrap().into_inner()
}

/// The offset of an event that must have become a dead letter.
async fn kept(client: &mut Client, event: OrderEvent) -> u64 {
    let outcome = keep(client, vec![event]).await.outcomes[0].clone();
    assert_eq!((outcome.outcome(), outcome.receipt), (AppendOutcome::DeadLettered, None));
    outcome.dead_letter_offset.unwrap()
}

async fn list(delivery: &mut Delivery, request: ListDeadLettersRequest) -> Vec<KeptDeadLetter> {
    delivery.list_dead_letters(request).await.unwrap().into_inner().letters
}

fn all() -> ListDeadLettersRequest {
    ListDeadLettersRequest { include_closed: true, ..Default::default() }
}

async fn redrive_error(delivery: &mut Delivery, request: RedriveDeadLetterRequest) -> Explained {
    explained(&delivery.redrive_dead_letter(request).await.unwrap_err())
}

fn redrive(offset: u64, corrected: Option<OrderEvent>) -> RedriveDeadLetterRequest {
    RedriveDeadLetterRequest { offset, corrected, actor: "anna".into() }
}

fn discard(offset: u64) -> DiscardDeadLetterRequest {
    DiscardDeadLetterRequest { offset, actor: "berta".into(), reason: "a test".into() }
}

/// Seen red with outcomes of letters that have the receipt, too.
#[test]
fn a_batch_says_which_of_its_events_were_kept_as_dead_letters_and_says_so_again() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let events = || vec![event("a", 1), bad("2"), event("$mine", 3), event("a", 4)];
        let first = keep(&mut client, events()).await;
        let became: Vec<_> = first.outcomes.iter().map(EventOutcome::outcome).collect();
        let letter = AppendOutcome::DeadLettered;
        assert_eq!(became, [AppendOutcome::Appended, letter, letter, AppendOutcome::Appended]);
        let offsets: Vec<_> = first.outcomes.iter().map(|one| one.dead_letter_offset).collect();
        assert_eq!(offsets, [None, Some(1), Some(2), None]);
        assert!(first.outcomes[1].receipt.is_none() && first.outcomes[0].receipt.is_some());
        server.stop().await;
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let again = keep(&mut client, events()).await;
        assert_eq!(again.outcomes[1..3], first.outcomes[1..3]);
        assert_eq!(again.outcomes[0].outcome(), AppendOutcome::Duplicate);
        assert_eq!((first.head, again.head), (4, 4));
        let listed = list(&mut delivery(&server).await, all()).await;
        assert_eq!(listed.iter().map(|one| one.offset).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(listed[1].letter.clone().unwrap().raw, bad("2").encode_to_vec());
    });
}

/// Seen red with every other value taken for that of rejecting.
#[test]
fn a_batch_is_rejected_where_nothing_else_is_said_or_something_unknown() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        for on_refusal in [OnRefusal::Unspecified, OnRefusal::Reject] {
            let on_refusal = on_refusal.into();
            let request = AppendRequest { on_refusal, ..batch([event("a", 1), bad("2")]) };
            let refused = refusal(&mut client, request).await;
            assert_eq!(refused.kind(), (Code::InvalidArgument, "INVALID_BATCH", "refused"));
        }
        let request = AppendRequest { on_refusal: 3, ..batch([event("a", 1)]) };
        let refused = refusal(&mut client, request).await;
        assert_eq!(refused.kind(), (Code::InvalidArgument, "INVALID_REQUEST", "refused"));
        assert_eq!(refused.fields(), ["on_refusal"]);
        assert_eq!(head(&mut client).await, 0);
    });
}

/// Seen red with a writer that refuses what it could keep.
#[test]
fn a_stream_of_appends_keeps_what_is_refused_and_decides_in_its_order() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("used", 1)]).await;
        let reused = OrderEvent { trace_id: vec![7], ..event("used", 1) };
        let expecting = |revision| {
            let expected = Some(Expected::Revision(revision));
            vec![Expectation { correlation_id: "b".into(), expected }]
        };
        let requests: Vec<_> = (0..300)
            .map(|n: u64| match n % 3 {
                0 => keeping([reused.clone(), event("b", n), bad(&n.to_string())]),
                1 => AppendRequest { expectations: expecting(n / 3 + 1), ..batch([event("c", n)]) },
                _ => AppendRequest { expectations: expecting(7_777), ..keeping([bad("never")]) },
            })
            .map(|append| AppendStreamRequest { request_id: 1, append: Some(append) })
            .collect();
        let answers = client.append_stream(tokio_stream::iter(requests)).await;
        let mut answers = answers.unwrap().into_inner();
        for n in 0..300 {
            let answer = answers.message().await.unwrap().unwrap().result.unwrap();
            match (n % 3, answer) {
                (0, Answer::Appended(appended)) => {
                    let letters: Vec<_> =
                        appended.outcomes.iter().map(|one| one.dead_letter_offset).collect();
                    assert_eq!((letters[0], letters[1]), (Some(1), None));
                    assert!(letters[2].is_some());
                }
                (1, Answer::Appended(_)) => {}
                (2, Answer::Error(error)) => assert_eq!(error.code, 9, "{}", error.message),
                (_, other) => panic!("{n}: {other:?}"),
            }
        }
        assert_eq!(
            head(&mut client).await,
            2 + 100 + 100 + 100,
            "events, and a letter of each third"
        );
    });
}

/// Seen red with `event_bytes_max` for letters, too.
#[test]
fn bytes_are_kept_as_they_came_and_redriven_as_they_were_corrected() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut unknown = bad("1").encode_to_vec();
        raw::put_number(&mut unknown, 2_047, 7);
        let large = [&b"\xff"[..], &vec![7; 200_000]].concat();
        let mut request = raw::RawAppendRequest { events: vec![unknown.clone(), large.clone()] };
        let mut encoded = request.encode_to_vec();
        raw::put_number(&mut encoded, 3, 2);
        let channel = server.channel().await;
        let kept: AppendResponse = raw::unary(channel, "Append", encoded).await.unwrap();
        let offsets: Vec<_> = kept.outcomes.iter().map(|one| one.dead_letter_offset).collect();
        assert_eq!(offsets, [Some(0), Some(1)]);
        let mut delivery = delivery(&server).await;
        let listed = list(&mut delivery, all()).await;
        let raws: Vec<_> = listed.iter().map(|one| one.letter.clone().unwrap().raw).collect();
        request.events.reverse();
        assert_eq!(raws, request.events);
        assert_eq!(listed[0].letter.clone().unwrap().source, "");

        let mut corrected = event("a", 1).encode_to_vec();
        raw::put_number(&mut corrected, 2_047, 8);
        let mut encoded = Vec::new();
        raw::put_bytes(&mut encoded, 2, &corrected);
        let path = "/orderledger.v1.DeliveryService/RedriveDeadLetter";
        let channel = server.channel().await;
        raw::unary_at::<()>(channel, path, encoded).await.unwrap();
        let replayed: raw::RawReplay = {
            let stream = raw::streaming(
                server.channel().await,
                "Replay",
                tokio_stream::once(ReplayRequest::default().encode_to_vec().into()),
            );
            let mut stream = stream.await.unwrap();
            loop {
                let message: raw::RawReplay = stream.message().await.unwrap().unwrap();
                if message.events.is_some() {
                    break message;
                }
            }
        };
        assert_eq!(replayed.events.unwrap().events[0].event, corrected);
        assert_eq!(head(&mut client).await, 4);
    });
}

/// Seen red with `corrected` read as plain bytes: an empty event was an absent one.
#[test]
fn what_is_redriven_must_be_valid_and_a_letter_is_closed_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut delivery = delivery(&server).await;
        let letter = kept(&mut client, bad("1")).await;
        let refused = redrive_error(&mut delivery, redrive(letter, None)).await;
        assert_eq!(refused.kind(), (Code::InvalidArgument, "STILL_INVALID", "refused"));
        assert_eq!(refused.fields(), ["type"]);
        assert!(refused.message.contains("give a corrected event"), "{refused:?}");
        let empty = Some(OrderEvent::default());
        let refused = redrive_error(&mut delivery, redrive(letter, empty)).await;
        assert_eq!(refused.kind(), (Code::InvalidArgument, "INVALID_REQUEST", "refused"));
        assert_eq!(refused.fields().len(), 4, "{refused:?}");
        assert!(refused.fields().contains(&"corrected.source"));
        assert_eq!(list(&mut delivery, all()).await[0].state(), DeadLetterState::Open);

        let corrected = Some(event("a", 1));
        let redriven = delivery.redrive_dead_letter(redrive(letter, corrected.clone())).await;
        let redriven = redriven.unwrap().into_inner();
        let outcome = redriven.outcome.unwrap();
        assert_eq!(outcome.outcome(), AppendOutcome::Appended);
        assert_eq!((outcome.receipt.unwrap().offset, redriven.head), (1, 3));
        let refused = redrive_error(&mut delivery, redrive(letter, corrected)).await;
        let closed = (Code::FailedPrecondition, "DEAD_LETTER_CLOSED", "refused");
        assert_eq!(refused.kind(), closed);
        assert!(refused.message.contains("was redriven by anna at 20"), "{refused:?}");
        let refused = delivery.discard_dead_letter(discard(letter)).await.unwrap_err();
        assert_eq!(explained(&refused).kind(), closed);
        let listed = list(&mut delivery, all()).await;
        assert_eq!(
            (listed[0].state(), listed[0].event_offset),
            (DeadLetterState::Redriven, Some(1))
        );
        assert_eq!(list(&mut delivery, ListDeadLettersRequest::default()).await, []);
    });
}

/// Seen red with a reason that may be missing, and with every entry of the ledger's own taken for a
/// letter.
#[test]
fn nothing_is_discarded_without_a_name_and_a_reason_or_where_no_letter_is() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut delivery = delivery(&server).await;
        append(&mut client, [event("a", 1)]).await;
        let letter = kept(&mut client, bad("1")).await;
        let unnamed = DiscardDeadLetterRequest { offset: letter, ..Default::default() };
        let refused = delivery.discard_dead_letter(unnamed).await.unwrap_err();
        assert_eq!(explained(&refused).fields(), ["actor", "reason"]);
        delivery.discard_dead_letter(discard(letter)).await.unwrap();
        for offset in [0, 2, 3, u64::MAX] {
            let unknown = (Code::NotFound, "UNKNOWN_DEAD_LETTER", "refused");
            let refused = delivery.discard_dead_letter(discard(offset)).await.unwrap_err();
            assert_eq!(explained(&refused).kind(), unknown);
            let refused = redrive_error(&mut delivery, redrive(offset, None)).await;
            assert_eq!(refused.kind(), unknown);
        }
        let listed = list(&mut delivery, all()).await;
        assert_eq!(listed[0].state(), DeadLetterState::Discarded);
        assert_eq!((&*listed[0].actor, &*listed[0].reason), ("berta", "a test"));
        assert!(listed[0].closed_at.is_some() && listed[0].event_offset.is_none());
        assert_eq!(head(&mut client).await, 3);
    });
}

/// Seen red with a refusal that does not say the limit.
#[test]
fn a_bound_that_is_met_leaves_the_refusal_as_it_is_and_is_said_beside_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { dead_letters_max: 1, ..Limits::default() };
        let options = Options { limits, ..options() };
        let server = Server::start_with(folder.path(), options, ServeOptions::default()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        kept(&mut client, bad("1")).await;
        let refused = refusal(&mut client, keeping([event("a", 2), bad("2")])).await;
        assert_eq!(refused.kind(), (Code::InvalidArgument, "INVALID_BATCH", "refused"));
        assert_eq!(refused.fields(), ["events[1].type"]);
        for said in ["dead_letters_max = 1", "wms:dc1", "redrive or discard"] {
            assert!(refused.message.contains(said), "{refused:?}");
        }
        let other_content = OrderEvent { trace_id: vec![7], ..event("a", 1) };
        let refused = refusal(&mut client, keeping([other_content])).await;
        assert_eq!(refused.kind(), (Code::AlreadyExists, "EVENT_ID_REUSED", "refused"));
        assert!(refused.message.contains("dead_letters_max = 1"), "{refused:?}");
        let line = KeepDeadLetterRequest {
            raw: b"{\"source\":\"wms:dc1\"}".to_vec(),
            format: DeadLetterFormat::Ndjson.into(),
            ..Default::default()
        };
        let refused = delivery(&server).await.keep_dead_letter(line).await.unwrap_err();
        let full = (Code::FailedPrecondition, "DEAD_LETTERS_FULL", "refused");
        assert_eq!(explained(&refused).kind(), full);
        assert_eq!(head(&mut client).await, 2);
    });
}

/// Seen red with requests that are kept without a look at them.
#[test]
fn what_is_no_event_yet_is_kept_where_something_is_wrong_with_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut delivery = delivery(&server).await;
        let line = KeepDeadLetterRequest {
            raw: b"{\"source\":\"erp\",\"event_id\":\"7\"".to_vec(),
            format: DeadLetterFormat::Ndjson.into(),
            origin: "night.ndjson:7".into(),
            reasons: Vec::new(),
        };
        for _ in 0..2 {
            let kept = delivery.keep_dead_letter(line.clone()).await.unwrap();
            assert_eq!(kept.into_inner().offset, 0);
        }
        let letter = list(&mut delivery, all()).await[0].letter.clone().unwrap();
        assert_eq!((&letter.raw, &letter.origin), (&line.raw, &line.origin));
        assert!(letter.reasons[0].description.starts_with("not JSON"), "{letter:?}");
        let valid = KeepDeadLetterRequest {
            raw: event("a", 1).encode_to_vec(),
            format: DeadLetterFormat::Protobuf.into(),
            ..Default::default()
        };
        let refused = delivery.keep_dead_letter(valid.clone()).await.unwrap_err();
        assert_eq!(explained(&refused).fields(), ["reasons"]);
        let description = "the warehouse says that it never sent it".to_owned();
        let reasons = vec![RefusalReason { field: String::new(), description }];
        let given = KeepDeadLetterRequest { reasons, ..valid };
        delivery.keep_dead_letter(given).await.unwrap();
        let letter = list(&mut delivery, all()).await[0].letter.clone().unwrap();
        assert_eq!(&*letter.source, "wms:dc1");
        assert!(letter.reasons[0].description.contains("never sent"));
        for (wrong, field) in [
            (KeepDeadLetterRequest { raw: Vec::new(), ..line.clone() }, "raw"),
            (KeepDeadLetterRequest { format: 0, ..line.clone() }, "format"),
            (KeepDeadLetterRequest { format: 9, ..line.clone() }, "format"),
            (KeepDeadLetterRequest { origin: "x".repeat(1_001), ..line.clone() }, "origin"),
        ] {
            let refused = delivery.keep_dead_letter(wrong).await.unwrap_err();
            let refused = explained(&refused);
            assert_eq!(refused.kind(), (Code::InvalidArgument, "INVALID_REQUEST", "refused"));
            assert_eq!(refused.fields(), [field]);
        }
        assert_eq!(head(&mut client).await, 2);
    });
}

async fn replayed(client: &mut Client, request: ReplayRequest) -> Vec<RecordedEvent> {
    let mut stream = client.replay(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        if let Some(replay_response::Message::Events(chunk)) = message.message {
            found.extend(chunk.events);
        }
    }
    found
}

/// Seen red with letters that replays do not pass over.
#[test]
fn a_replay_passes_over_dead_letters_and_shows_them_on_request() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut delivery = delivery(&server).await;
        keep(&mut client, vec![event("a", 1), bad("2"), event("a", 3)]).await;
        let corrected = Some(event("a", 2));
        delivery.redrive_dead_letter(redrive(1, corrected)).await.unwrap();
        let offsets =
            |found: &[RecordedEvent]| found.iter().map(|one| one.offset).collect::<Vec<_>>();
        let found = replayed(&mut client, ReplayRequest::default()).await;
        assert_eq!(offsets(&found), [0, 2, 3]);
        let with_own = ReplayRequest { include_ledger_entries: true, ..Default::default() };
        let found = replayed(&mut client, with_own.clone()).await;
        assert_eq!(offsets(&found), [0, 1, 2, 3, 4]);
        let own = |at: usize| found[at].event.clone().unwrap().ledger_entry.unwrap();
        assert_eq!(own(1).dead_letter.unwrap().raw, bad("2").encode_to_vec());
        assert_eq!((own(4).dead_letter_offset, &*own(4).actor), (Some(1), "anna"));
        assert_eq!(own(4).event.unwrap().event_id, "2");
        let history = vec!["$dead-letters/wms:dc1".to_owned()];
        let filters = vec![EventFilter { correlation_ids: history, ..Default::default() }];
        let found = replayed(&mut client, ReplayRequest { filters, ..with_own }).await;
        assert_eq!(offsets(&found), [1, 4]);
    });
}

/// Seen red with tokens that are bound to nothing.
#[test]
fn pages_of_dead_letters_are_bound_to_their_request() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut delivery = delivery(&server).await;
        for n in 0..5 {
            kept(&mut client, bad(&n.to_string())).await;
        }
        let mut request = ListDeadLettersRequest { page_size: 2, ..Default::default() };
        let mut found = Vec::new();
        loop {
            let page = delivery.list_dead_letters(request.clone()).await.unwrap().into_inner();
            assert_eq!(page.open_count, 5);
            found.extend(page.letters.iter().map(|one| one.offset));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(found, [4, 3, 2, 1, 0]);
        for wrong in [
            ListDeadLettersRequest { include_closed: true, ..request.clone() },
            ListDeadLettersRequest { source: Some(String::new()), ..request.clone() },
            ListDeadLettersRequest { page_token: "nonsense".into(), ..request.clone() },
        ] {
            let refused = delivery.list_dead_letters(wrong).await.unwrap_err();
            let refused = explained(&refused);
            assert_eq!(refused.kind(), (Code::InvalidArgument, "PAGE_TOKEN", "refused"));
        }
        let wrong = ListDeadLettersRequest { page_size: 1_001, ..Default::default() };
        let refused = explained(&delivery.list_dead_letters(wrong).await.unwrap_err());
        assert_eq!(refused.fields(), ["page_size"]);
    });
}
