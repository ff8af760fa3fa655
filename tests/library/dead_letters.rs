//! Dead letters: what is refused is kept with the rest of its batch, once, and closed once.

use std::sync::Arc;

use order_ledger::proto::{
    DeadLetterState, KeptDeadLetter, Line, ListDeadLettersRequest, OrderEvent,
};
use order_ledger::{
    AppendError, DeadLetterError, DeadLetters, Event, Ledger, Limits, Options, Outcome, RawBatch,
    RecordedEvent,
};
use prost::Message as _;

use crate::found::check_chains;
use crate::medium::{NewNames, Sectors, Strategy};
use crate::simulated_disk::{SimulatedDisk, Track};
use crate::workload::open_on;

fn told(order: &str, id: &str) -> OrderEvent {
    OrderEvent {
        correlation_id: order.into(),
        source: "wms:dc1".into(),
        event_id: id.into(),
        r#type: "pick.confirmed".into(),
        ..OrderEvent::default()
    }
}

fn good(order: &str, id: &str) -> Vec<u8> {
    told(order, id).encode_to_vec()
}

/// Without an order, so it is refused.
fn bad(id: &str) -> Vec<u8> {
    good("", id)
}

/// The same id with other content.
fn other(order: &str, id: &str) -> Vec<u8> {
    OrderEvent { r#type: "pick.shorted".into(), ..told(order, id) }.encode_to_vec()
}

fn open(folder: &std::path::Path, limits: Limits) -> DeadLetters {
    let options = Options { limits, segment_bytes: 8 * 1024 * 1024, ..Options::default() };
    DeadLetters::of(Arc::new(Ledger::open(folder, options).unwrap()))
}

fn append(letters: &DeadLetters, events: impl IntoIterator<Item = Vec<u8>>) -> Vec<Outcome> {
    letters.append(RawBatch::of(events)).unwrap().outcomes
}

/// The offset of what must have become a dead letter.
fn kept(outcome: &Outcome) -> u64 {
    let Outcome::DeadLettered(receipt) = outcome else { panic!("{outcome:?}") };
    receipt.offset
}

fn list(letters: &DeadLetters) -> Vec<KeptDeadLetter> {
    let all = ListDeadLettersRequest { include_closed: true, ..Default::default() };
    letters.list(&all).unwrap().letters
}

fn open_count(letters: &DeadLetters) -> u64 {
    letters.list(&ListDeadLettersRequest::default()).unwrap().open_count
}

/// Every entry, those of the ledger's own included.
fn entries(ledger: &Ledger) -> Vec<RecordedEvent> {
    let mut replay = ledger.replay(0).unwrap().with_ledger_entries();
    let mut found = Vec::new();
    loop {
        let chunk = replay.next_chunk().unwrap();
        if chunk.is_empty() {
            return found;
        }
        found.extend(chunk.events().unwrap());
    }
}

/// Seen red with letters of one batch that are not compared with each other, and with letters that
/// are appended as a batch of their own.
#[test]
fn all_that_is_refused_is_kept_with_its_batch_and_a_retry_finds_it_also_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let long_source = OrderEvent { source: "s".repeat(500), ..told("a", "9") };
    let mut unknown = bad("8");
    unknown.extend([0xfa, 0x7f, 1, 7]);
    let large = OrderEvent {
        attributes: [("filler".to_owned(), "x".repeat(100_000))].into(),
        ..told("a", "7")
    };
    let events = || {
        vec![
            good("a", "2"),
            bad("3"),
            b"\xff\xff not protobuf".to_vec(),
            good("$consumers/a", "4"),
            other("a", "1"),
            other("a", "2"),
            other("a", "2"),
            large.encode_to_vec(),
            unknown.clone(),
            long_source.encode_to_vec(),
            bad("3"),
        ]
    };
    let first = {
        let letters = open(folder.path(), Limits::default());
        append(&letters, [good("a", "1")]);
        let outcomes = append(&letters, events());
        assert!(matches!(outcomes[0], Outcome::Appended(receipt) if receipt.offset == 1));
        let offsets: Vec<u64> = outcomes[1..].iter().map(kept).collect();
        assert_eq!(offsets, [2, 3, 4, 5, 6, 6, 7, 8, 9, 2], "equal bytes are one letter");
        assert_eq!(letters.ledger().head(), 10);
        offsets
    };
    for _ in 0..2 {
        let letters = open(folder.path(), Limits::default());
        let retried = append(&letters, events());
        assert!(matches!(retried[0], Outcome::Duplicate(receipt) if receipt.offset == 1));
        assert_eq!(retried[1..].iter().map(kept).collect::<Vec<_>>(), first);
        assert_eq!(letters.ledger().head(), 10);
        let mut listed = list(&letters);
        listed.reverse();
        let raw = listed.iter().map(|kept| kept.letter.clone().unwrap().raw);
        let sent = [1, 2, 3, 4, 5, 7, 8, 9].map(|index: usize| events()[index].clone());
        assert_eq!(raw.collect::<Vec<_>>(), sent, "as it came");
        let letter = |index: usize| listed[index].letter.clone().unwrap();
        assert_eq!(letter(1).source, "", "what is no protobuf names nothing");
        assert_eq!(letter(2).correlation_id, "$consumers/a");
        assert_eq!(letter(3).reasons[0].field, "event_id");
        assert!(letter(3).reasons[0].description.contains("offset 0"));
        assert!(letter(4).reasons[0].description.contains("events[0]"));
        assert_eq!(letter(7).source.len(), 128);
        assert!(letter(7).reasons.iter().any(|one| one.description.contains("500 bytes; cut")));
        check_chains(&entries(letters.ledger()));
        assert_eq!(crate::found::replay(letters.ledger(), 0).unwrap().len(), 2, "no letter");
    }
    let report = order_ledger::verify(folder.path(), |_| {}).unwrap();
    assert_eq!((report.defects, report.entry_count), (Vec::new(), 10));
}

/// Seen red with letters that are appended as a batch of their own.
#[test]
fn a_power_cut_leaves_all_of_a_batch_with_dead_letters_or_nothing() {
    let events = || RawBatch::of([good("a", "2"), bad("3"), other("a", "1"), good("b", "1")]);
    let play = |cut: u64| {
        let disk = SimulatedDisk::default();
        let ledger = open_on(&disk).unwrap();
        let letters = DeadLetters::of(Arc::new(ledger));
        append(&letters, [good("a", "1")]);
        disk.cut_power_after(Track::Main, cut);
        let before = disk.operations(Track::Main);
        let answer = letters.append(events());
        (disk.operations(Track::Main) - before, answer.is_ok(), disk)
    };
    let (operations, ..) = play(u64::MAX);
    let kinds = [
        (Sectors::None, NewNames::Lost),
        (Sectors::All, NewNames::Kept),
        (Sectors::OnlyFirst, NewNames::Kept),
        (Sectors::OnlyLast, NewNames::Kept),
        (Sectors::Random, NewNames::Random),
    ];
    let mut seen = Vec::new();
    for cut in 0..=operations {
        let (_, acknowledged, disk) = play(cut);
        for (sectors, names) in kinds {
            let after = disk.after_power_cut(Strategy { sectors, names, seed: cut });
            let letters = DeadLetters::of(Arc::new(open_on(&after.disk).unwrap()));
            let found = entries(letters.ledger()).len();
            assert!(found == 5 || found == 1 && !acknowledged, "cut {cut}: {found}");
            assert_eq!(open_count(&letters), if found == 5 { 2 } else { 0 });
            let again = letters.append(events()).unwrap();
            assert_eq!([kept(&again.outcomes[1]), kept(&again.outcomes[2])], [2, 3]);
            assert_eq!(again.head, 5);
            seen.push(found);
        }
    }
    assert!(seen.contains(&1) && seen.contains(&5), "{seen:?}");
}

/// Seen red with the content of letters compared.
#[test]
fn a_retry_finds_its_letter_whatever_the_reasons_are_now_and_also_when_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let raw = OrderEvent { lines: vec![Line::default(); 3], ..told("a", "1") };
    let raw = raw.encode_to_vec();
    for event_lines_max in [2, 1] {
        let limits = Limits { event_lines_max, ..Limits::default() };
        let letters = open(folder.path(), limits);
        assert_eq!(kept(&append(&letters, [raw.clone()])[0]), 0);
    }
    let limits = Limits { event_bytes_max: 5, ..Limits::default() };
    let letters = open(folder.path(), limits.clone());
    letters.discard(0, "anna", "a test").unwrap();
    assert_eq!(kept(&append(&letters, [raw.clone()])[0]), 0);
    drop(letters);
    let letters = open(folder.path(), limits);
    assert_eq!(kept(&append(&letters, [raw.clone()])[0]), 0);
    assert_eq!(open_count(&letters), 0);
    assert_eq!(letters.ledger().head(), 2);
    // Valid at last, it is an event like any other.
    drop(letters);
    let letters = open(folder.path(), Limits::default());
    assert!(matches!(append(&letters, [raw])[0], Outcome::Appended(_)));
}

/// Seen red with `reserve` that looks at no limit, and with a history that is not read before.
#[test]
fn a_source_has_a_bound_and_who_meets_it_is_told_of_refusal_and_limit() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { dead_letters_max: 2, dead_letter_bytes_max: 100, ..Limits::default() };
    append(&open(folder.path(), limits.clone()), [good("a", "1"), bad("1"), bad("2")]);
    let letters = open(folder.path(), limits);
    let error = letters.append(RawBatch::of([good("a", "2"), bad("3")])).unwrap_err();
    let DeadLetterError::NotKept { refusal, full } = &error else { panic!("{error:?}") };
    let AppendError::Invalid(violations) = refusal else { panic!("{error:?}") };
    assert_eq!(violations[0].field, "events[1].correlation_id");
    assert_eq!((full.open_count, &*full.limit), (2, "dead_letters_max = 2"));
    assert!(error.to_string().contains("redrive or discard"), "{error}");
    // Those that are there already take no room.
    append(&letters, [bad("1"), bad("2"), bad("1")]);
    let error = letters.append(RawBatch::of([other("a", "1")])).unwrap_err();
    let DeadLetterError::NotKept { refusal, .. } = error else { panic!("{error:?}") };
    assert!(matches!(refusal, AppendError::EventIdReused(_)), "{refusal:?}");
    let error = letters.append(RawBatch::of([good("a", "5"), other("a", "5")])).unwrap_err();
    assert!(matches!(error, DeadLetterError::NotKept { .. }), "{error:?}");
    assert_eq!(letters.ledger().head(), 3, "nothing of it was appended");
    let of_another = OrderEvent { source: "erp".into(), ..told("", "1") };
    assert_eq!(kept(&append(&letters, [of_another.encode_to_vec()])[0]), 3);

    letters.discard(1, "anna", "a test").unwrap();
    assert_eq!(kept(&append(&letters, [bad("3")])[0]), 5);
    letters.discard(5, "anna", "a test").unwrap();
    let large =
        OrderEvent { attributes: [("a".repeat(60), String::new())].into(), ..told("", "4") };
    let error = letters.append(RawBatch::of([large.encode_to_vec()])).unwrap_err();
    assert!(error.to_string().contains("dead_letter_bytes_max = 100"), "{error}");
}

/// Seen red without what `Drop` of the reservations notes, and without that of `refresh`.
#[test]
fn a_caller_that_goes_away_takes_no_room_but_that_of_its_letter() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { dead_letters_max: 1, ..Limits::default() };
    let letters = open(folder.path(), limits);
    let nothing_left = |letters: &DeadLetters| {
        letters.ledger().get_append_outcome("a", "wms:dc1", "none").unwrap();
    };
    drop(letters.submit(RawBatch::of([bad("1")]).expect_revision("a", 7)).unwrap());
    nothing_left(&letters);
    drop(letters.submit(RawBatch::of([bad("2")])).unwrap());
    nothing_left(&letters);
    let error = letters.append(RawBatch::of([bad("3")])).unwrap_err();
    assert!(matches!(error, DeadLetterError::NotKept { .. }), "{error:?}");
    assert_eq!((open_count(&letters), letters.ledger().head()), (1, 1));
    assert_eq!(kept(&append(&letters, [bad("2")])[0]), 0);
}

/// Seen red with refused batches that keep what they reserved.
#[test]
fn what_is_not_about_an_event_refuses_the_batch_and_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        dead_letters_max: 1,
        batch_events_max: 3,
        batch_bytes_max: 1_000,
        ..Limits::default()
    };
    let letters = open(folder.path(), limits);
    append(&letters, [good("a", "1")]);
    for _ in 0..3 {
        let wrong = RawBatch::of([bad("1")]).expect_revision("a", 7);
        let error = letters.append(wrong).unwrap_err();
        let DeadLetterError::Append(AppendError::WrongRevision(wrong)) = error else { panic!() };
        assert_eq!((wrong[0].expected, wrong[0].actual), (7, 1));
    }
    let wrong = RawBatch::of([other("a", "1"), good("a", "2")]).expect_revision("a", 7);
    assert!(letters.append(wrong).is_err());
    let no_order = RawBatch::of([bad("1")]).expect_revision("", 7);
    assert!(letters.append(no_order).unwrap_err().to_string().contains("expectations[0]"));
    let invalid = |events: Vec<Vec<u8>>| {
        let error = letters.append(RawBatch::of(events)).unwrap_err();
        let DeadLetterError::Append(AppendError::Invalid(violations)) = error else { panic!() };
        violations[0].description.clone()
    };
    assert!(invalid(vec![bad("1"); 4]).contains("batch_events_max"));
    assert!(invalid(vec![vec![0xff; 600]; 2]).contains("batch_bytes_max"));
    assert!(invalid(Vec::new()).contains("empty"));
    assert_eq!((letters.ledger().head(), open_count(&letters)), (1, 0));
    // As large as a batch may be, and larger with what is said about it.
    assert_eq!(kept(&append(&letters, [vec![0xff; 1_000]])[0]), 1);
    letters.ledger().close();
    let error = letters.append(RawBatch::of([bad("9")])).unwrap_err();
    assert!(matches!(error, DeadLetterError::Append(AppendError::Closed)), "{error:?}");
}

/// Seen red with a writer that refuses what it could keep.
#[test]
fn batches_are_decided_in_their_order_also_where_the_writer_finds_what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let letters = open(folder.path(), Limits::default());
    append(&letters, [good("a", "1")]);
    let first = letters.submit(RawBatch::of([other("a", "1"), good("b", "1")])).unwrap();
    let second = RawBatch::of([good("b", "2")]).expect_revision("b", 1);
    let second = letters.submit(second).unwrap();
    let third = letters.submit(RawBatch::of([other("a", "1"), good("b", "2")])).unwrap();
    let offsets = |appended: order_ledger::Appended| {
        appended.outcomes.iter().map(|outcome| outcome.receipt().offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(first.wait().unwrap()), [1, 2]);
    assert_eq!(offsets(second.wait().unwrap()), [3]);
    assert_eq!(offsets(third.wait().unwrap()), [1, 3]);
}

/// Seen red with an id for each closing: both of two win.
#[test]
fn of_those_who_close_a_letter_at_once_one_wins_whatever_they_know() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::clone(open(folder.path(), Limits::default()).ledger());
    for round in 0..30 {
        let stores = [0, 1].map(|_| DeadLetters::of(Arc::clone(&ledger)));
        let letter = kept(&append(&stores[0], [bad(&round.to_string())])[0]);
        let order = |who: usize| format!("o{round}/{}", who % 2 * (round % 2));
        let close = |who: usize| match (round % 3, who) {
            (0, 0) => stores[0].discard(letter, "same", "words").is_ok(),
            (0, _) => stores[who % 2].discard(letter, "same", "words").is_ok(),
            (1, 0) => stores[0].discard(letter, "anna", "no").is_ok(),
            _ => {
                let event = good(&order(who), &round.to_string());
                match stores[who % 2].redrive(letter, Some(event.into()), "berta") {
                    Ok(_) => true,
                    Err(DeadLetterError::Closed(closed)) => {
                        assert!(["anna", "berta"].contains(&&*closed.actor), "{closed:?}");
                        false
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        let won = std::thread::scope(|scope| {
            let close = &close;
            let threads: Vec<_> = (0..4).map(|who| scope.spawn(move || close(who))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1, "round {round}");
        let events = crate::found::replay(&ledger, letter).unwrap().len();
        assert!(events <= 1, "round {round}: {events} events");
        for store in &stores {
            assert_eq!(open_count(store), 0, "each store finds what the other one wrote");
        }
    }
}

/// Seen red with a letter that is closed before its event is looked at.
#[test]
fn a_letter_is_redriven_as_it_is_when_it_has_become_valid_and_stays_open_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let small = Limits { event_bytes_max: 40, ..Limits::default() };
    let raw = OrderEvent { trace_id: vec![7; 50], ..told("a", "1") }.encode_to_vec();
    let letters = open(folder.path(), small);
    let offset = kept(&append(&letters, [raw.clone()])[0]);
    let error = letters.redrive(offset, None, "").unwrap_err();
    let DeadLetterError::StillInvalid { violations, .. } = error else { panic!("{error:?}") };
    assert!(violations[0].description.contains("event_bytes_max"), "{violations:?}");
    let error = letters.redrive(offset, Some(bad("1").into()), "").unwrap_err();
    let DeadLetterError::Invalid(violations) = error else { panic!("{error:?}") };
    assert_eq!(violations[0].field, "corrected.correlation_id");
    assert_eq!((open_count(&letters), letters.ledger().head()), (1, 1));
    drop(letters);

    let letters = open(folder.path(), Limits::default());
    append(&letters, [good("a", "0")]);
    let redriven = letters.redrive(offset, None, "anna").unwrap();
    assert!(matches!(redriven.outcome, Outcome::Appended(receipt) if receipt.offset == 2));
    assert_eq!(redriven.head, 4);
    let listed = &list(&letters)[0];
    assert_eq!(listed.state(), DeadLetterState::Redriven);
    assert_eq!((listed.event_offset, &*listed.actor), (Some(2), "anna"));
    assert!(listed.closed_at.is_some());
    let found = entries(letters.ledger());
    assert_eq!(found[2].event.body(), &raw, "as it came");
    assert_eq!(found[3].event.event_type(), "dead_letter.redriven");

    // Of an event that is in the ledger already, the letter is closed all the same.
    let offset = kept(&append(&letters, [bad("3")])[0]);
    let redriven = letters.redrive(offset, Some(good("a", "0").into()), "").unwrap();
    assert!(matches!(redriven.outcome, Outcome::Duplicate(receipt) if receipt.offset == 1));
    assert_eq!(list(&letters)[0].event_offset, Some(1));
    // What has the id of another event is refused, and its letter stays open.
    let offset = kept(&append(&letters, [other("a", "1")])[0]);
    let error = letters.redrive(offset, None, "").unwrap_err();
    let reused = matches!(error, DeadLetterError::Append(AppendError::EventIdReused(_)));
    assert!(reused && open_count(&letters) == 1, "{error:?}");
}

/// Seen red with every entry of the ledger's own taken for a letter.
#[test]
fn what_is_no_dead_letter_cannot_be_closed() {
    let folder = tempfile::tempdir().unwrap();
    let letters = open(folder.path(), Limits::default());
    append(&letters, [good("a", "1"), bad("2")]);
    letters.discard(1, "anna", "a test").unwrap();
    for offset in [0, 2, 3, u64::MAX] {
        for error in [
            letters.redrive(offset, None, "").unwrap_err(),
            letters.discard(offset, "anna", "why").unwrap_err(),
        ] {
            let unknown = matches!(error, DeadLetterError::Unknown(at) if at == offset);
            assert!(unknown, "{offset}: {error:?}");
        }
    }
    let error = letters.discard(1, "berta", "again").unwrap_err();
    assert!(error.to_string().contains("was discarded by anna at 20"), "{error}");
    let error = letters.discard(1, "", &"x".repeat(1_001)).unwrap_err();
    let DeadLetterError::Invalid(violations) = error else { panic!("{error:?}") };
    let fields: Vec<&str> = violations.iter().map(|one| &*one.field).collect();
    assert_eq!(fields, ["actor", "reason"]);
    assert_eq!(letters.ledger().head(), 3);
}

/// Seen red with `Event::parse` for lines, too.
#[test]
fn a_line_is_kept_whole_and_redriven_as_import_reads_it() {
    use order_ledger::proto::DeadLetterFormat::Ndjson;
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { id_bytes_max: 20, ..Limits::default() };
    let line = r#"{"correlation_id":"a-name-of-more-than-20-bytes","source":"erp","event_id":"1","type":"order.created"}"#;
    let refused = |raw: &str| order_ledger::Refused {
        raw: raw.to_owned().into(),
        format: Ndjson,
        origin: "night.ndjson:7".into(),
        reasons: Vec::new(),
    };
    let letters = open(folder.path(), limits);
    let receipt = letters.keep(refused(line)).unwrap();
    assert_eq!(letters.keep(refused(line)).unwrap(), receipt);
    assert!(letters.redrive(receipt.offset, None, "").is_err());
    let not_json = letters.keep(refused("{\"source\": \"erp\"")).unwrap();
    let listed = list(&letters);
    let first = listed[1].letter.clone().unwrap();
    assert_eq!((first.raw, &*first.source, &*first.event_id), (line.into(), "erp", "1"));
    assert_eq!((first.format, &*first.origin), (Ndjson.into(), "night.ndjson:7"));
    assert_eq!(first.reasons[0].field, "correlation_id");
    assert_eq!(listed[0].letter.clone().unwrap().source, "", "what is no JSON names nothing");
    assert_ne!(not_json.offset, receipt.offset);
    drop(letters);

    let letters = open(folder.path(), Limits::default());
    let error = letters.keep(refused(&line.replace("more", "even more"))).unwrap_err();
    assert!(error.to_string().contains("nothing is wrong"), "{error}");
    letters.redrive(receipt.offset, None, "").unwrap();
    let event = &crate::found::replay(letters.ledger(), 0).unwrap()[0].event;
    assert_eq!(event, &Event::from_json(line, &Limits::default()).unwrap());
}

/// Seen red with `<=` for the offset of a token, and with tokens of any ledger.
#[test]
fn pages_give_every_letter_once_and_are_bounded_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let letters = open(folder.path(), Limits::default());
    for round in 0..5_u8 {
        for source in ["a", "b", ""] {
            let raw = OrderEvent { source: source.into(), ..told("", &round.to_string()) };
            let filler = vec![vec![0xff, round]; usize::from(source == "a")];
            append(&letters, [raw.encode_to_vec()].into_iter().chain(filler));
        }
    }
    append(&letters, (0..4).map(|n| vec![0xff - n; 1_000_000]));
    let pages = |request: ListDeadLettersRequest| {
        let (mut pages, mut request) = (Vec::new(), request);
        loop {
            let page = letters.list(&request).unwrap();
            pages.push(page.letters.iter().map(|kept| kept.offset).collect::<Vec<_>>());
            if page.next_page_token.is_empty() {
                return (pages, page.open_count);
            }
            request.page_token = page.next_page_token;
        }
    };
    let all = ListDeadLettersRequest::default();
    let (found, open_letters) = pages(ListDeadLettersRequest { page_size: 7, ..all.clone() });
    assert_eq!(open_letters, 24);
    assert_eq!(found[0].len(), 3, "3 MiB of them");
    assert_eq!(found.concat(), (0..24).rev().collect::<Vec<_>>());
    let brief = ListDeadLettersRequest { page_size: 7, omit_raw: true, ..all.clone() };
    assert_eq!(pages(brief.clone()).0[0].len(), 7);
    assert_eq!(letters.list(&brief).unwrap().letters[0].raw_bytes, 1_000_000);
    let of = |source: &str| ListDeadLettersRequest { source: Some(source.into()), ..all.clone() };
    assert_eq!((pages(of("a")).0.concat().len(), pages(of("a")).1), (5, 5));
    assert_eq!(pages(of("")).1, 14);
    assert_eq!(pages(of("nobody")), (vec![Vec::new()], 0));

    let small = ListDeadLettersRequest { page_size: 2, ..all.clone() };
    let page_token = letters.list(&small).unwrap().next_page_token;
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path(), Limits::default());
    let with_token = |request| ListDeadLettersRequest { page_token: page_token.clone(), ..request };
    assert!(letters.list(&with_token(small.clone())).is_ok());
    assert!(other.list(&with_token(small.clone())).is_err());
    assert!(letters.list(&with_token(of("a"))).is_err(), "another question");
    let too_many = ListDeadLettersRequest { page_size: 1_001, ..small };
    assert!(letters.list(&too_many).unwrap_err().to_string().contains("page_size"));
}
