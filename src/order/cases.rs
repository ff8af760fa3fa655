//! Tests of single situations, told in a few words each. Does not know the golden set.

use super::{History, Policy, fold};
use crate::event::{Event, RecordedEvent};
use crate::limits::Limits;
use crate::proto::{Agreement, LineQuantity, Order};

/// A source, a type, a time of one day (`d`: the date alone, `?`: of unknown precision) and the
/// rest of the JSON.
type Told<'t> = (&'t str, &'t str, &'t str, &'t str);

/// The order of these events; their ids are `e-9`, `e-10` and so on.
fn order(events: &[Told<'_>]) -> Order {
    let events: Vec<RecordedEvent> = (0..)
        .zip(events)
        .map(|(offset, (source, name, at, rest))| {
            let (time, precision) = match *at {
                "d" => ("2026-01-02T00:00:00Z".to_owned(), "day"),
                "?" => ("2026-01-02T00:00:00Z".to_owned(), "unknown"),
                year if year.len() == 4 => (format!("{year}-01-02T00:00:00Z"), "second"),
                at => (format!("2026-01-02T{at}:00Z"), "minute"),
            };
            let text = format!(
                r#"{{"correlation_id":"o","source":"{source}","event_id":"e-{}","type":"{name}",
                    "occurred_at":"{time}","occurred_at_precision":"{precision}"{rest}}}"#,
                offset + 9
            );
            let event = Event::from_json(&text, &Limits::default()).unwrap();
            let recorded_at_ns = (1_800_000_000 + offset * 60) * 1_000_000_000;
            RecordedEvent { offset, revision: offset, recorded_at_ns, event, previous: [0; 32] }
        })
        .collect();
    let history = |events| History { correlation_id: "o", events, incoming: &[] };
    let order = fold(&history(&events), &Policy::default());
    let reversed: Vec<RecordedEvent> = events.iter().rev().cloned().collect();
    assert_eq!(fold(&history(&reversed), &Policy::default()), order, "in another order in memory");
    order
}

fn rules(order: &Order) -> Vec<&str> {
    order.anomalies.iter().map(|one| &*one.rule).filter(|rule| *rule != "R17").collect()
}

fn exception_word(order: &Order) -> &str {
    &order.exception.as_ref().unwrap().word
}

fn quantity(found: Option<&LineQuantity>) -> &str {
    found.map_or("-", |found| &found.quantity)
}

const FIVE: &str = r#","lines":[{"line_id":"10","quantity":"5"}]"#;
const WMS: &str = "wms:a";
const ERP: &str = "erp:a";

fn ordered() -> Told<'static> {
    (ERP, "order.created", "06:00", FIVE)
}

fn released() -> Told<'static> {
    (ERP, "order.released", "06:30", FIVE)
}

fn shipment(id: &str) -> String {
    format!(r#"{FIVE},"shipment":{{"shipment_id":"{id}"}}"#)
}

#[test]
fn a_hold_is_over_on_the_day_of_its_release() {
    let hold = r#","hold":{"hold_id":"H","blocks":["ship"]}"#;
    let placed = (ERP, "hold.placed", "09:30", hold);
    for at in ["d", "?", "09:30", "2199"] {
        let order = order(&[ordered(), placed, (ERP, "hold.released", at, hold)]);
        assert!(!order.holds[0].open, "released at {at}");
    }
    assert!(order(&[ordered(), placed, (ERP, "hold.released", "09:00", hold)]).holds[0].open);
    // What was placed in 2199 is not proven to be later than any release.
    let far = (ERP, "hold.placed", "2199", hold);
    let order = order(&[ordered(), far, (ERP, "hold.released", "10:00", hold)]);
    assert!(!order.holds[0].open);
}

#[test]
fn a_date_proves_no_shipment_while_held_and_no_work_after_a_cancellation() {
    let hold = r#","hold":{"hold_id":"H","blocks":["ship"]}"#;
    let shipped = shipment("S");
    let when_held = |at| {
        order(&[
            ordered(),
            released(),
            (ERP, "hold.placed", "07:00", hold),
            (ERP, "hold.released", "08:00", hold),
            (WMS, "shipment.confirmed", at, &shipped),
        ])
    };
    assert_eq!([rules(&when_held("07:30")), rules(&when_held("d"))], [vec!["R06"], vec![]]);
    let cancelled = |at| {
        let pick = (WMS, "pick.confirmed", "09:00", FIVE);
        order(&[ordered(), released(), pick, (ERP, "order.cancelled", at, "")])
    };
    assert_eq!([rules(&cancelled("08:00")), rules(&cancelled("d"))], [vec!["R07"], vec![]]);
}

#[test]
fn the_placement_in_force_says_what_a_hold_blocks() {
    let hold = |blocks: &str| format!(r#","hold":{{"hold_id":"H","blocks":["{blocks}"]}}"#);
    let (ship, invoice, shipped) = (hold("ship"), hold("invoice"), shipment("S"));
    let with_both = |first, second| {
        order(&[
            ordered(),
            released(),
            (ERP, "hold.placed", "07:00", first),
            (WMS, "shipment.confirmed", "08:00", &shipped),
            (ERP, "hold.placed", "09:00", second),
        ])
    };
    assert_eq!(rules(&with_both(&ship, &invoice)), ["R06"]);
    assert!(rules(&with_both(&invoice, &ship)).is_empty());
}

#[test]
fn a_reversal_counts_that_may_have_come_after_and_names_what_it_takes_back() {
    let (one, other) = (shipment("S1"), shipment("S2"));
    let of_one = r#","shipment":{"shipment_id":"S1"}"#;
    for at in ["d", "15:00", "16:00"] {
        let shipped = (WMS, "shipment.confirmed", "15:00", &*one);
        let order =
            order(&[ordered(), released(), shipped, (WMS, "shipment.reversed", at, of_one)]);
        assert_eq!(quantity(order.lines[0].shipped.as_ref()), "0", "{at}");
        assert!(rules(&order).is_empty(), "{at}");
    }
    let parcel = |id: &str, number: &str| {
        format!(r#"{FIVE},"shipment":{{"shipment_id":"{id}","tracking_numbers":["{number}"]}}"#)
    };
    let (first, second) = (parcel("S1", "T1"), parcel("S2", "T2"));
    let by_number = |number| {
        let reversal = format!(r#","package":{{"tracking_number":"{number}"}}"#);
        order(&[
            (ERP, "order.created", "06:00", r#","lines":[{"line_id":"10","quantity":"10"}]"#),
            released(),
            (WMS, "shipment.confirmed", "09:00", &first),
            (WMS, "shipment.confirmed", "10:00", &second),
            (WMS, "shipment.reversed", "11:00", &reversal),
        ])
    };
    assert_eq!(quantity(by_number("T2").lines[0].shipped.as_ref()), "5");
    let unknown = by_number("T9");
    assert_eq!(quantity(unknown.lines[0].shipped.as_ref()), "10");
    assert_eq!(rules(&unknown), ["R11"]);
    let taken_back = order(&[
        ordered(),
        released(),
        (WMS, "shipment.confirmed", "09:00", &other),
        (WMS, "delivery.reversed", "10:00", ""),
    ]);
    assert_eq!(taken_back.fulfillment.unwrap().word, "shipped");
}

#[test]
fn a_claim_of_a_day_is_compared_at_its_end_and_a_delivery_of_a_day_ends_an_attempt() {
    let asserted = r#","asserted":{"dimension":"fulfillment","value":"shipped"}"#;
    let shipped = shipment("S");
    let order_of = |at| {
        order(&[
            ordered(),
            released(),
            (WMS, "shipment.confirmed", "10:00", &shipped),
            (ERP, "status.asserted", at, asserted),
        ])
    };
    let agreement = |at| order_of(at).claims[0].agreement();
    assert_eq!(agreement("d"), Agreement::Agrees);
    assert_eq!(agreement("08:00"), Agreement::Contradicts);
    let parcel = r#","package":{"tracking_number":"T"}"#;
    let attempted = |at| {
        order(&[
            ordered(),
            (ERP, "delivery.attempt_failed", "10:30", parcel),
            (ERP, "shipment.delivered", at, parcel),
        ])
    };
    assert_eq!(exception_word(&attempted("d")), "clear");
    assert_eq!(exception_word(&attempted("09:00")), "watch");
}

#[test]
fn ids_with_digits_fall_by_value_at_one_time() {
    // e-10 is the shipment, e-11 its reversal; by text e-9 would come last.
    let shipped = shipment("S");
    let of = r#","shipment":{"shipment_id":"S"}"#;
    let order = order(&[
        (WMS, "shipment.confirmed", "10:00", &shipped),
        (WMS, "shipment.reversed", "10:00", of),
        ordered(),
    ]);
    assert_eq!(quantity(order.lines[0].shipped.as_ref()), "0");
    assert!(!rules(&order).contains(&"R11"));
}

#[test]
fn only_a_better_source_retells_a_shipment() {
    let one = shipment("000123");
    let with_fact = format!(r#"{one},"fact_id":"f""#);
    let shipped = |source| (source, "shipment.confirmed", "10:00", &*one);
    let sum = |events: &[Told<'_>]| quantity(order(events).lines[0].shipped.as_ref()).to_owned();
    assert_eq!(sum(&[ordered(), shipped("wms:a"), shipped("wms:b")]), "10");
    assert_eq!(sum(&[ordered(), shipped("wms:a"), shipped("erp:b")]), "5");
    let told = ("wms:a", "shipment.confirmed", "10:00", &*with_fact);
    assert_eq!(sum(&[ordered(), told, shipped("erp:b")]), "5");
    let back = |source| (source, "shipment.reversed", "11:00", &*one);
    assert_eq!(sum(&[ordered(), told, shipped("erp:b"), back("wms:a"), back("erp:b")]), "0");
    let wrong = r#","correction":{"target_event_id":"e-10","kind":"did_not_occur"}"#;
    let denied = ("wms:a", "event.corrected", "12:00", wrong);
    assert_eq!(sum(&[ordered(), told, shipped("erp:b"), denied]), "-");
}

#[test]
fn reopening_opens_what_was_closed_last() {
    let line = (ERP, "order.line_cancelled", "07:00", FIVE);
    let closed = (ERP, "order.closed", "08:00", "");
    let reopened = |rest| (ERP, "order.reopened", "09:00", rest);
    let cancelled =
        |events: &[Told<'_>]| quantity(order(events).lines[0].cancelled.as_ref()).to_owned();
    assert_eq!(cancelled(&[ordered(), line, closed, reopened("")]), "5");
    let whole = (ERP, "order.cancelled", "07:30", "");
    assert_eq!(cancelled(&[ordered(), whole, reopened("")]), "0");
    assert_eq!(cancelled(&[ordered(), whole, closed, reopened("")]), "5");
    let pick = (WMS, "pick.confirmed", "10:00", FIVE);
    for rest in [r#","lines":[{"line_id":"10"}]"#, FIVE] {
        let order = order(&[ordered(), released(), whole, reopened(rest), pick]);
        assert_eq!(quantity(order.lines[0].cancelled.as_ref()), "0", "{rest}");
        assert!(rules(&order).is_empty(), "{rest}");
    }
}

#[test]
fn work_after_a_cancellation_by_quantity_is_found() {
    let shipped = shipment("S");
    let after = (WMS, "shipment.confirmed", "10:00", &*shipped);
    for name in ["order.cancelled", "order.line_cancelled"] {
        let order = order(&[ordered(), released(), (ERP, name, "09:00", FIVE), after]);
        assert!(rules(&order).contains(&"R07"), "{name}");
    }
    // What had left is on its way.
    let scan = (ERP, "transit.scanned", "12:00", r#","package":{"tracking_number":"T"}"#);
    let cancel = (ERP, "order.cancelled", "11:00", "");
    assert!(rules(&order(&[ordered(), released(), after, cancel, scan])).is_empty());
    assert_eq!(rules(&order(&[ordered(), released(), cancel, scan])), ["R07"]);
}

#[test]
fn an_unknown_type_is_no_fact() {
    let line = r#","lines":[{"line_id":"99","sku":"X","quantity":"7"}],
        "promised":{"ship_by":"2026-02-01T00:00:00Z"}"#;
    let order = order(&[ordered(), (WMS, "drone.landed", "2199", line)]);
    assert_eq!((order.lines.len(), order.promised_ship_by), (1, None));
    assert!(order.anomalies.is_empty());
    assert_eq!(order.type_counts.len(), 2);
}

#[test]
fn a_line_of_which_nothing_is_wanted_holds_nothing_back() {
    let lowered = r#","lines":[{"line_id":"10","quantity":"-5"}]"#;
    let none = order(&[ordered(), (ERP, "order.line_changed", "07:00", lowered)]);
    assert_eq!(none.commercial.unwrap().word, "cancelled");
    assert_eq!(none.fulfillment.unwrap().word, "cancelled");
    let moved = r#","lines":[{"line_id":"10","quantity":"5"}],
        "substitution":{"from_line_id":"10","from_quantity":"5","to_line_id":"11"}"#;
    let of_new = r#","lines":[{"line_id":"11","quantity":"5"}]"#;
    let replaced = order(&[
        ordered(),
        (ERP, "line.substituted", "07:00", moved),
        (ERP, "order.released", "08:00", of_new),
    ]);
    assert_eq!(replaced.commercial.unwrap().word, "released");
}

#[test]
fn a_backorder_for_another_order_adds_no_line_and_one_for_its_own_moves_nothing() {
    let backorder = |rest: &str| format!(r#"{FIVE},"backorder":{{{rest}}}"#);
    let other = backorder(r#""new_line_id":"11","new_correlation_id":"p""#);
    let own = backorder(r#""new_correlation_id":"o""#);
    let of = |rest| order(&[ordered(), (WMS, "line.backordered", "07:00", rest)]);
    let (other, own) = (of(&other), of(&own));
    assert_eq!((other.lines.len(), &*other.lines[0].demand), (1, "0"));
    assert_eq!((own.lines.len(), &*own.lines[0].demand), (1, "5"));
}

#[test]
fn what_was_short_and_shipped_after_all_is_shipped() {
    let short = r#","lines":[{"line_id":"10","quantity":"3"}],
        "short":{"backorder_triggered":false}"#;
    let shipped = shipment("S");
    let order = order(&[
        ordered(),
        released(),
        (WMS, "pick.shorted", "08:00", short),
        (WMS, "shipment.confirmed", "10:00", &shipped),
    ]);
    assert_eq!(order.fulfillment.unwrap().word, "shipped");
}

#[test]
fn lines_without_quantities_are_released_billed_and_received_whole() {
    let line = r#","lines":[{"line_id":"10"}]"#;
    let shipped = shipment("S");
    let order = order(&[
        ordered(),
        (ERP, "order.released", "07:00", line),
        (WMS, "shipment.confirmed", "08:00", &shipped),
        (ERP, "invoice.posted", "09:00", line),
        (ERP, "delivery.received", "10:00", line),
    ]);
    let line = &order.lines[0];
    let told = [&line.released, &line.invoiced, &line.delivered];
    assert_eq!(told.map(|told| quantity(told.as_ref())), ["5"; 3]);
    assert_eq!(order.commercial.unwrap().word, "invoiced");
}

#[test]
fn a_scan_and_a_receipt_of_lines_tell_one_delivery() {
    let shipped = shipment("S");
    let order = order(&[
        ordered(),
        released(),
        (WMS, "shipment.confirmed", "08:00", &shipped),
        ("carrier:x", "shipment.delivered", "09:00", &shipped),
        (ERP, "delivery.received", "10:00", FIVE),
    ]);
    assert_eq!(quantity(order.lines[0].delivered.as_ref()), "5");
}

#[test]
fn packages_keep_their_names_and_belong_to_the_only_shipment() {
    let shipped = shipment("S1");
    let parcel =
        |number: &str| format!(r#","package":{{"carton_id":"C","tracking_number":"{number}"}}"#);
    let (one, other) = (parcel("T1"), parcel("T2"));
    let voided = order(&[
        ordered(),
        (WMS, "label.created", "07:00", &one),
        (WMS, "label.created", "08:00", &other),
        (WMS, "label.voided", "09:00", &one),
    ]);
    let package = &voided.packages[0];
    assert_eq!((&*package.tracking_number, &*package.stage), ("T2", "labelled"));
    let scan = r#","package":{"tracking_number":"T1"}"#;
    let scanned = order(&[
        ordered(),
        released(),
        (WMS, "shipment.confirmed", "07:00", &shipped),
        ("carrier:x", "shipment.delivered", "09:00", scan),
    ]);
    assert_eq!(scanned.packages.len(), 1);
    assert_eq!(scanned.shipment.unwrap().word, "delivered");
    let back = order(&[
        ordered(),
        ("carrier:x", "shipment.returning", "09:00", scan),
        ("carrier:x", "transit.scanned", "10:00", scan),
    ]);
    assert_eq!(back.shipment.unwrap().word, "returning");
}

#[test]
fn a_closed_carton_is_packed_once_whatever_it_is_called() {
    let four = r#","lines":[{"line_id":"10","quantity":"4"}]"#;
    let packed = format!(r#"{four},"package":{{"sscc":"00123"}}"#);
    let closed = format!(r#"{four},"package":{{"carton_id":"C","sscc":"00123"}}"#);
    let order = order(&[
        ordered(),
        (WMS, "pack.confirmed", "07:00", &packed),
        (WMS, "carton.closed", "08:00", &closed),
    ]);
    assert_eq!(quantity(order.lines[0].packed.as_ref()), "4");
}

#[test]
fn a_parcel_that_was_reversed_and_sent_again_is_no_duplicate() {
    let parcel = |id: &str, quantity: &str| {
        format!(
            r#","lines":[{{"line_id":"10","quantity":"{quantity}"}}],
                "shipment":{{"shipment_id":"{id}","tracking_numbers":["T"]}}"#
        )
    };
    let (first, again) = (parcel("S1", "5"), parcel("S2", "5.000"));
    let reversed = (WMS, "shipment.reversed", "08:00", r#","shipment":{"shipment_id":"S1"}"#);
    let confirmed = |at, rest| (WMS, "shipment.confirmed", at, rest);
    let both = [ordered(), released(), confirmed("07:00", &*first), confirmed("09:00", &again)];
    assert!(rules(&order(&both)).contains(&"R22"));
    let all = [&both[..], &[reversed]].concat();
    assert!(!rules(&order(&all)).contains(&"R22"));
}

#[test]
fn an_exception_that_is_raised_again_keeps_its_age_and_gets_the_last_word() {
    let raised =
        |code: &str| format!(r#","exception":{{"exception_id":"X"}},"reason":{{"code":"{code}"}}"#);
    let (first, last) = (raised("WHS.CAPACITY"), raised("WHS.QUALITY"));
    let order = order(&[
        ordered(),
        (WMS, "exception.raised", "07:00", &first),
        (WMS, "exception.raised", "08:00", &last),
    ]);
    let exception = &order.exceptions[0];
    assert_eq!(exception.reason.as_ref().unwrap().code, "WHS.QUALITY");
    assert_eq!(exception.raised_at.unwrap().seconds % 86_400, 7 * 3_600);
}
