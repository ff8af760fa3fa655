//! Append: receipts, retries, expectations.

use order_ledger::proto::expectation::Expected;
use order_ledger::proto::{
    AppendOutcome, AppendRequest, AppendResponse, Basis, EventOutcome, Expectation,
    GetOrderRequest, Line, NoEvents, OrderEvent,
};
use tonic::Code;

use crate::support::{Server, append, batch, event, head, receipts, refusal, run};

const APPENDED: AppendOutcome = AppendOutcome::Appended;
const DUPLICATE: AppendOutcome = AppendOutcome::Duplicate;

fn outcomes(appended: &AppendResponse) -> Vec<AppendOutcome> {
    let outcomes = appended.outcomes.iter();
    outcomes.map(EventOutcome::outcome).collect()
}

/// The same event with other content.
fn other_content(event: OrderEvent) -> OrderEvent {
    let lines = vec![Line { quantity: "7".into(), ..Line::default() }];
    OrderEvent { lines, ..event }
}

fn expecting(events: Vec<OrderEvent>, expected: Vec<(&str, Option<Expected>)>) -> AppendRequest {
    AppendRequest {
        expectations: expected
            .into_iter()
            .map(|(order, expected)| Expectation { correlation_id: order.into(), expected })
            .collect(),
        ..batch(events)
    }
}

#[test]
fn every_event_of_a_batch_gets_its_receipt_in_the_order_of_the_request() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let first = append(&mut client, [event("a", 1)]).await;
        let second = append(&mut client, [event("b", 1), event("a", 2), event("b", 2)]).await;
        let places: Vec<_> =
            receipts(&second).iter().map(|receipt| (receipt.offset, receipt.revision)).collect();
        assert_eq!(places, [(1, 0), (2, 1), (3, 1)]);
        assert_eq!((first.head, second.head), (1, 4));
        assert_eq!(outcomes(&second), [APPENDED; 3]);
        for receipt in receipts(&second) {
            assert_eq!(receipt.leaf_hash.len(), 32);
            let since_epoch = receipt.recorded_at.unwrap().seconds;
            assert!(since_epoch > 1_700_000_000, "{since_epoch}");
        }
    });
}

#[test]
fn a_retry_receives_its_first_receipts_also_from_a_restarted_server() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let events = || [event("a", 1), event("b", 1), event("a", 2)];
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let first = append(&mut client, events()).await;
        let again = append(&mut client, events()).await;
        server.stop().await;
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let after_restart = append(&mut client, events()).await;
        for retried in [again, after_restart] {
            assert_eq!(outcomes(&retried), [DUPLICATE; 3]);
            assert_eq!(receipts(&retried), receipts(&first));
            assert_eq!(retried.head, 3);
        }
        assert_eq!(head(&mut client).await, 3);
    });
}

#[test]
fn a_batch_part_new_and_part_known_appends_the_new_part_and_says_which_is_which() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let first = append(&mut client, [event("a", 1), event("a", 2)]).await;
        let mixed = [event("a", 3), event("a", 2), event("b", 1), event("b", 1)];
        let mixed = append(&mut client, mixed).await;
        assert_eq!(outcomes(&mixed), [APPENDED, DUPLICATE, APPENDED, DUPLICATE]);
        let receipts = receipts(&mixed);
        assert_eq!(receipts[1], first.outcomes[1].receipt.clone().unwrap());
        assert_eq!((receipts[0].offset, receipts[0].revision), (2, 2));
        assert_eq!((receipts[2].offset, receipts[2].revision), (3, 0));
        assert_eq!(receipts[3], receipts[2], "the same event twice in a batch");
        assert_eq!(head(&mut client).await, 4);
    });
}

#[test]
fn the_head_of_an_answer_as_at_least_reads_ones_own_write_anywhere() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut writer = server.client().await;
        let mut reader = server.client().await;
        for n in 1..=50 {
            let appended = append(&mut writer, [event("a", n)]).await;
            let basis = Basis { at_least: appended.head, ..Basis::default() };
            let request = GetOrderRequest {
                correlation_id: "a".into(),
                basis: Some(basis),
                ..GetOrderRequest::default()
            };
            let answer = reader.get_order(request).await.unwrap().into_inner();
            assert_eq!((answer.order.unwrap().revision, answer.basis), (n, n));
        }
    });
}

#[test]
fn expectations_that_hold_let_a_batch_through_and_an_unset_one_checks_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1), event("a", 2), event("c", 1)]).await;
        let held = vec![
            ("a", Some(Expected::Revision(2))),
            ("b", Some(Expected::None(NoEvents {}))),
            ("new", Some(Expected::Revision(0))),
            ("c", None),
        ];
        let request = expecting(vec![event("a", 3)], held);
        let appended = client.append(request).await.unwrap().into_inner();
        assert_eq!(receipts(&appended)[0].revision, 2);
    });
}

/// Seen red with `actual < expected` in place of `!=` where expectations are checked.
#[test]
fn all_violated_expectations_come_at_once_and_nothing_is_written() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1), event("b", 1)]).await;
        let expected = vec![
            ("a", Some(Expected::None(NoEvents {}))),
            ("b", Some(Expected::Revision(1))),
            ("c", Some(Expected::Revision(5))),
        ];
        let request = expecting(vec![event("a", 2), event("x", 1)], expected);
        let refused = refusal(&mut client, request).await;
        let kind = (Code::FailedPrecondition, "WRONG_REVISION", "refused");
        assert_eq!(refused.kind(), kind);
        let of = |order: &str, what: &str| (order.to_owned(), what.to_owned());
        assert_eq!(
            refused.preconditions,
            [
                of("a", "expected revision 0, actual revision 1"),
                of("c", "expected revision 5, actual revision 0"),
            ]
        );
        assert!(refused.message.contains("read the orders"), "what to do");
        assert_eq!(head(&mut client).await, 2);
    });
}

#[test]
fn a_retry_is_a_retry_although_its_expectation_no_longer_holds() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let request = || {
            let none = Some(Expected::None(NoEvents {}));
            expecting(vec![event("a", 1)], vec![("a", none)])
        };
        let first = client.append(request()).await.unwrap().into_inner();
        let again = client.append(request()).await.unwrap().into_inner();
        assert_eq!(outcomes(&again), [DUPLICATE]);
        assert_eq!(receipts(&again), receipts(&first));
    });
}

#[test]
fn an_id_with_other_content_is_refused_whole_with_both_fingerprints() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1), event("a", 2)]).await;
        let events = [
            event("a", 3),
            other_content(event("a", 2)),
            event("b", 1),
            other_content(event("a", 1)),
        ];
        let refused = refusal(&mut client, batch(events)).await;
        let kind = (Code::AlreadyExists, "EVENT_ID_REUSED", "refused");
        assert_eq!(refused.kind(), kind);
        let subjects: Vec<_> = refused.preconditions.iter().map(|one| &*one.0).collect();
        assert_eq!(subjects, ["events[1]", "events[3]"]);
        for (_, description) in &refused.preconditions {
            let mut fingerprints = description
                .split(|letter: char| !letter.is_ascii_hexdigit())
                .filter(|word| word.len() == 64);
            let (recorded, given) = (fingerprints.next(), fingerprints.next());
            assert!(recorded.is_some() && given.is_some(), "{description}");
            assert_ne!(recorded, given, "{description}");
        }
        assert_eq!(head(&mut client).await, 2);
    });
}

#[test]
fn an_id_twice_in_a_batch_with_other_content_is_refused_and_its_place_named() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let events = [event("a", 1), other_content(event("a", 1))];
        let refused = refusal(&mut client, batch(events)).await;
        assert_eq!(refused.kind().0, Code::InvalidArgument);
        assert_eq!(refused.fields(), ["events[1].event_id"]);
        assert_eq!(head(&mut client).await, 0);
    });
}
