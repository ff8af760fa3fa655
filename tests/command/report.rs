//! `report`: what was known then, what is known now, and what came in between.

use std::sync::Arc;

use order_ledger::{Audit, AuditOptions, Ledger, Options};
use serde_json::{Value as Json, json};

use crate::events::line_with;
use crate::order::{assert_narrow, run_within};
use crate::support::{Folder, Server};

/// The order whose name is markup to a browser.
const ORDER: &str = "erp/<b>1</b>";

fn picked(order: &str, id: &str, quantity: &str, occurred: &str) -> String {
    line_with(order, id, quantity).replace("2026-03-28T14:05:00+01:00", occurred)
}

fn correction(id: &str, target: &str, occurred: Option<&str>) -> String {
    let mut event = json!({
        "correlation_id": ORDER,
        "source": "wms:dc1",
        "event_id": id,
        "type": "event.corrected",
        "reason": { "code": "miscount", "text": "counted <twice>" },
        "correction": {
            "target_event_id": target, "kind": "did_not_occur", "actor": "shift-lead",
        },
    });
    if let Some(occurred) = occurred {
        event["occurred_at"] = json!(occurred);
    }
    format!("{event}\n")
}

/// Appends events, and answers when each was recorded.
fn append(folder: &Folder, events: &str) -> Vec<String> {
    let appended = folder.run_with_input(&["append", "--output", "json"], events).json();
    let outcomes = appended["outcomes"].as_array().unwrap().iter();
    outcomes.map(|one| one["recorded_at"].as_str().unwrap().to_owned()).collect()
}

/// What is known first: 10 ordered, 4 and 3 picked.
fn first() -> String {
    let created = picked(ORDER, "c", "10", "2025-03-28T08:00:00Z");
    created.replace("pick.confirmed", "order.created")
        + &picked(ORDER, "p", "4", "2025-03-28T14:00:00Z")
        + &picked(ORDER, "wrong", "3", "2025-03-28T14:30:00Z")
        + &picked("erp/2", "x", "1", "2025-03-28T14:30:00Z")
}

/// What comes later: 2 picked in time, 3 that were not, and one whose time nobody tells.
fn later() -> String {
    let untold = picked(ORDER, "untold", "1", "").replace(r#""occurred_at":"","#, "");
    picked(ORDER, "late", "2", "2025-03-28T15:00:00+01:00")
        + &correction("fix", "wrong", Some("2025-03-29T09:00:00Z"))
        + &untold
}

/// A ledger with both, and when each was recorded.
fn history() -> (Folder, String, Vec<String>) {
    let folder = Folder::new();
    let then = append(&folder, &first()).pop().unwrap();
    let since = append(&folder, &later());
    (folder, then, since)
}

/// Lines of a table, with ` | ` between cells, whatever their widths.
fn cells(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join(" | ")
    };
    text.lines().map(line).collect()
}

/// As a table shows how long something took.
fn days(ns: &Json) -> String {
    let seconds = ns.as_u64().unwrap() / 1_000_000_000;
    format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600)
}

fn to_the_second(time: &str) -> String {
    format!("{}Z", &time[..19])
}

#[test]
fn a_report_of_an_order_reads_from_both_states_to_what_came_in_between() {
    let (folder, then, since) = history();
    let report =
        |flags: &[&str]| folder.run(&[&["report", ORDER, "--as-of", &then], flags].concat());
    let document = report(&["--output", "json"]).json();
    let late = document["late_arrivals"].as_array().unwrap();
    let [late, fixed] = [&late[0]["late_ns"], &late[1]["late_ns"]].map(days);
    let at = to_the_second(&since[0]);
    let expected = format!(
        "\
erp/<b>1</b> | what was known then, and what is known now
known then | recorded at or before {then}: entries below offset 4, 3 events of this order among them
known now | all that is recorded: entries below offset 7, 6 events of this order among them
both about | what had occurred at or before {then}, by the sources' clocks; an event that does not \
say when counts by the time it was recorded
folded with | both: the policy of today, whatever it was then

Since then: 11 fields differ, 2 events came late, 1 correction.
Recorded since, but occurred later and not counted: 1 event.

status
STATUS | KNOWN THEN | KNOWN NOW
commercial | partially_released (entered .. released) | partially_released (entered .. released)
fulfillment | partially_picked (unreleased .. picked) | partially_picked (unreleased .. picked)
shipment | none | none
exception | clear | clear
return | none | none

lines
* implied by other events
LINE | QUANTITY | KNOWN THEN | KNOWN NOW
10 | ordered | 10 | 10
10 | released | 7* | 6* | differs
10 | allocated | 7* | 6* | differs
10 | picked | 7 | 6 | differs
10 | open | 10 | 10

differences
Beside these, 19 fields that count or name events; --output json has them.
FIELD | KNOWN THEN | KNOWN NOW
commercial.since | 2025-03-28T14:30:00Z | 2025-03-28T14:00:00Z
fulfillment.since | 2025-03-28T14:30:00Z | 2025-03-28T14:00:00Z
lines[10].released.implied_quantity | 7 | 6
lines[10].allocated.implied_quantity | 7 | 6
lines[10].picked.quantity | 7 | 6
milestones[pick.confirmed].first.recorded_at | {then} | {}
corrections[wrong].target_source | - | wms:dc1
corrections[wrong].target_event_id | - | wrong
corrections[wrong].kind | - | did_not_occur
corrections[wrong].target_offset | - | 2
corrections[wrong].undone | - | false
#2 pick.confirmed wms:dc1/wrong | counted | declared wrong by #5: did not occur

late arrivals
Recorded since, of what had occurred by then; late by the time from when it occurred to when it \
was recorded.
OCCURRED | RECORDED | LATE BY | EVENT | TYPE | SOURCE | WHAT
2025-03-28T15:00:00+01:00 | {at} | {late} | #4 | pick.confirmed | wms:dc1 | \
line 10: picked 4 -> 6 of 10
2025-03-29T09:00:00Z | {at} | {fixed} | #5 | event.corrected | wms:dc1 | \
declares wms:dc1/wrong wrong

corrections since
OCCURRED | RECORDED | EVENT | CORRECTS | HOW | WHY | ACTOR | COUNTS
2025-03-29T09:00:00Z | {at} | #5 | #2 pick.confirmed wms:dc1/wrong | did not occur | \
miscount: counted <twice> | shift-lead | heeded
",
        since[0]
    );
    assert_eq!(cells(report(&[]).ok()).join("\n") + "\n", expected);
}

#[test]
fn json_has_both_states_and_all_that_came_in_between() {
    let (folder, then, since) = history();
    let json = ["report", ORDER, "--output", "json", "--as-of", &then];
    let document = folder.run(&json).json();
    assert_eq!(
        (&document["report"], &document["correlation_id"]),
        (&json!("order"), &json!(ORDER))
    );
    assert_eq!((&document["occurred_by"], &document["changed"]), (&json!(then), &json!(true)));
    let [before, now] = [&document["known_then"], &document["known_now"]];
    assert_eq!((&before["recorded_by"], &before["basis"]), (&json!(then), &json!(4)));
    assert_eq!(now["basis"], 7);
    let quantity = |side: &Json| side["order"]["lines"][0]["picked"]["quantity"].clone();
    assert_eq!((quantity(before), quantity(now)), (json!("7"), json!("6")));
    let differences = document["differences"].as_array().unwrap().iter();
    let picked = differences.filter(|one| one["field"] == "lines[10].picked.quantity");
    let picked: Vec<_> = picked.map(|one| (&one["before"], &one["after"])).collect();
    assert_eq!(picked, [(&json!("7"), &json!("6"))]);
    let late = document["late_arrivals"].as_array().unwrap();
    let ids: Vec<&Json> = late.iter().map(|one| &one["event"]["event_id"]).collect();
    assert_eq!(ids, ["late", "fix"], "by the time they occurred");
    assert_eq!(late[0]["recorded_at"], json!(since[0]));
    assert!(late[0]["effects"][0].as_str().unwrap().contains("picked"), "{}", late[0]);
    let [corrected] = &document["corrections"].as_array().unwrap()[..] else { panic!("one") };
    assert_eq!(corrected["target"]["event_id"], "wrong");
    assert_eq!(
        (&corrected["kind"], &corrected["actor"]),
        (&json!("did_not_occur"), &json!("shift-lead"))
    );
    assert_eq!(corrected["reason"], "miscount: counted <twice>");
    assert_eq!((&corrected["counts"], &corrected["undone"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&corrected["of_known_then"], &document["policy"]),
        (&json!(true), &json!("today's"))
    );
    assert_eq!(document["occurred_later_count"], 1, "recorded later, and nobody says when");
}

#[test]
fn the_times_that_are_named_count_themselves() {
    let (folder, then, since) = history();
    let report = |flags: &[&str]| {
        let flags = [&["report", ORDER, "--output", "json", "--as-of"], flags].concat();
        let document = folder.run(&flags).json();
        let late = document["late_arrivals"].as_array().unwrap().iter();
        let late: Vec<_> = late.map(|one| one["event"]["event_id"].to_string()).collect();
        (document["known_then"]["basis"].clone(), late.join(" "))
    };
    let by = |time: &'static str| ["--occurred-by", time];
    let late = "2025-03-28T15:00:00+01:00";
    assert_eq!(report(&[&[&*then], &by(late)[..]].concat()), (json!(4), r#""late""#.to_owned()));
    let before = "2025-03-28T14:59:59.999999999+01:00";
    assert_eq!(report(&[&[&*then], &by(before)[..]].concat()), (json!(4), String::new()));
    assert_eq!(report(&[&since[2]]), (json!(7), String::new()), "recorded at the time itself");
}

#[test]
fn nothing_new_unknown_orders_and_times_to_come_are_told() {
    let (folder, then, since) = history();
    let same = folder.run(&["report", ORDER, "--as-of", &since[2]]);
    assert!(same.ok().contains("\nNothing has changed since: what was known then is what"));
    assert!(!same.out.contains("late arrivals"), "{}", same.out);
    for output in ["table", "html"] {
        let unknown = folder.run(&["report", "erp/9", "--as-of", &then, "--output", output]);
        assert_eq!(unknown.failed(3), "error: no order erp/9 at basis 7\n");
        assert_eq!(unknown.out, "");
    }
    let unknown = folder.run(&["report", "erp/9", "--as-of", &then, "--output", "json"]);
    unknown.failed(3);
    let document: Json = serde_json::from_str(&unknown.out).unwrap();
    assert_eq!((&document["changed"], &document["late_arrivals"]), (&json!(false), &json!([])));
    let not_then = folder.run(&["report", ORDER, "--as-of", "2025-01-01T00:00:00Z"]);
    assert!(not_then.ok().contains("Then the ledger knew nothing of this order."));
    assert!(!not_then.out.contains("Nothing has changed"), "{}", not_then.out);
    let unknown_then = ["report", ORDER, "--as-of", "2025-01-01T00:00:00Z"];
    let by = ["--occurred-by", "2026-01-01T00:00:00Z"];
    let unknown_then = [&unknown_then[..], &by].concat();
    let table = folder.run(&unknown_then);
    let rows = cells(table.ok());
    let side = |name: &str| rows.iter().find(|row| row.starts_with(name)).unwrap().clone();
    assert!(side("commercial | ").starts_with("commercial | - | partially"), "{}", table.out);
    assert!(side("fulfillment | ").starts_with("fulfillment | - | partially"), "{}", table.out);
    assert!(!table.out.contains("unreleased |"), "{}", table.out);
    let html = folder.run(&[&unknown_then[..], &["--output", "html"]].concat());
    assert!(html.ok().contains("<td>commercial<td>-<td>"), "{}", html.out);
    let document = folder.run(&[&unknown_then[..], &["--output", "json"]].concat()).json();
    assert_eq!(document["known_then"]["order"], json!(null));
    let differences = document["differences"].as_array().unwrap();
    assert!(differences.iter().all(|one| one.get("before").is_none_or(|text| text == "")));
    let future = "2100-01-01T00:00:00Z";
    let early = "2025-01-01T00:00:00Z";
    for flags in [
        &["--as-of", future][..],
        &["--as-of", &then, "--occurred-by", future],
        &["--as-of", future, "--occurred-by", early],
    ] {
        let refused = folder.run(&[&["report", ORDER], flags].concat());
        assert!(
            refused.failed(2).contains(&format!("is {future}, which has not come")),
            "{}",
            refused.err
        );
        assert_eq!(refused.out, "");
    }
    for (flags, named) in [
        (&["report", ORDER][..], "--as-of"),
        (&["report", "--as-of", &then], "<ORDER>"),
        (&["report", ORDER, "--as-of", "noon"], "--as-of"),
        (&["report", ORDER, "--as-of", &then, "--against", "Q1"], "--against"),
        (&["report", ORDER, "--against", "Q1", "--occurred-by", &then], "--occurred-by"),
        (&["report", ORDER, "--against", "Q1", "--limit", "1"], "--limit"),
    ] {
        let refused = folder.run(flags);
        assert!(refused.failed(2).contains(named), "{flags:?}: {}", refused.err);
    }
}

/// What a page must be wherever it is opened: one file, without anything that runs.
#[track_caller]
fn assert_stands_alone(page: &str) {
    assert!(
        page.starts_with("<!doctype html>\n") && page.ends_with("</body>\n</html>\n"),
        "{page}"
    );
    for outside in ["http:", "https:", "src=", "href=", "url(", "<script", "@import", "<b>", "<tw"]
    {
        assert!(!page.contains(outside), "{outside} in {page}");
    }
    for tag in ["html", "head", "body", "title", "h1", "h2", "p", "table", "div"] {
        let opened = page.matches(&format!("<{tag}>")).count();
        let opened = opened + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag} in {page}");
    }
}

#[test]
fn a_page_has_the_facts_and_is_one_file() {
    let (folder, then, _) = history();
    let file = folder.path().join("report.html");
    let html = ["report", ORDER, "--as-of", &then, "--output", "html"];
    let page = folder.run(&html);
    assert_stands_alone(page.ok());
    let out = [&html[..], &["--out", file.to_str().unwrap()]].concat();
    let wrote = format!("wrote      {}, ", file.display());
    let written = folder.run(&out);
    assert!(written.ok().starts_with(&wrote), "{}", written.out);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), page.out);
    assert!(folder.run(&out).failed(4).contains("--force"));
    folder.run(&[&out[..], &["--force"]].concat()).ok();
    assert_eq!(folder.run(&[&html[..], &["--out", "-"]].concat()).ok(), page.out);
    for said in [
        "erp/&lt;b&gt;1&lt;/b&gt;",
        "<td>10<td>picked<td>7<td>6<td>differs",
        "lines[10].picked.quantity",
        "<td>2025-03-28T15:00:00+01:00<td>",
        "<td>did not occur<td>miscount: counted &lt;twice&gt;<td>shift-lead<td>heeded",
    ] {
        assert!(page.out.contains(said), "{said} in {}", page.out);
    }
    let nowhere = [&html[..], &["--out", "/nowhere/report.html"]].concat();
    assert!(folder.run(&nowhere).failed(1).contains("cannot write /nowhere/report.html: "));
    for columns in [80, 120] {
        let table = run_within(&folder, &columns.to_string(), &html[..4]);
        assert_narrow(table.ok(), columns);
    }
}

/// Closes a period.
fn close(folder: &Folder, label: &str) {
    let ledger = Arc::new(Ledger::open(folder.path(), Options::default()).unwrap());
    let audit = Audit::open(ledger, AuditOptions::default()).unwrap();
    audit.seal(label, "ann", "quarter end").unwrap();
}

/// A nanosecond earlier.
fn just_before(time: &str) -> String {
    let (seconds, fraction) = time.trim_end_matches('Z').split_once('.').unwrap();
    let fraction: u64 = format!("{fraction:0<9}").parse().unwrap();
    assert!(fraction > 0, "{time}");
    // As the ledger writes it: without zeros at the end.
    let text = format!("{seconds}.{:09}", fraction - 1);
    format!("{}Z", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A ledger with a closed period and what came behind it; when it was closed.
fn closed() -> (Folder, String) {
    let folder = Folder::new();
    append(&folder, &first());
    close(&folder, "2026-Q1");
    let none = folder.run(&["report", "--against", "2026-Q1", "--output", "json"]).json();
    let closed_at = none["period"]["closed_at"].as_str().unwrap().to_owned();
    let behind = later()
        + &picked("erp/3", "at", "1", &closed_at)
        + &picked("erp/3", "before", "1", &just_before(&closed_at))
        + &correction("again", "late", None);
    append(&folder, &behind);
    (folder, closed_at)
}

#[test]
fn what_came_after_a_period_was_closed_is_listed_by_order() {
    let (folder, closed_at) = closed();
    let report =
        |flags: &[&str]| folder.run(&[&["report", "--against", "2026-Q1"], flags].concat());
    let document = report(&["--output", "json"]).json();
    assert_eq!(
        (&document["report"], &document["period"]["actor"]),
        (&json!("period"), &json!("ann"))
    );
    let counts = ["late_count", "more_late_count", "occurred_since_count"];
    assert_eq!(counts.map(|name| document[name].as_u64().unwrap()), [3, 0, 1]);
    assert_eq!(document["without_occurred_at_count"], 2);
    let orders = document["orders"].as_array().unwrap();
    let ids = |order: &Json| {
        let late = order["late_arrivals"].as_array().unwrap().iter();
        late.map(|one| one["event_id"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    let listed = orders.iter().map(|one| (one["correlation_id"].as_str().unwrap(), ids(one)));
    let listed: Vec<_> = listed.collect();
    assert_eq!(listed, [(ORDER, "late fix".to_owned()), ("erp/3", "before".to_owned())]);
    assert_eq!(orders[1]["late_arrivals"][0]["occurred_at"], json!(just_before(&closed_at)));
    assert_eq!(document["corrections"][0]["target_event_id"], "late", "it occurred since");
    let rows = report(&["--output", "ndjson"]);
    assert_eq!(rows.ndjson()[2], orders[1]["late_arrivals"][0]);
    assert!(rows.err.starts_with("3 late events of 2 orders.\n"), "{}", rows.err);
    let table = report(&[]);
    assert!(table.ok().contains("\nerp/3\n"), "{}", table.out);
    let limited = report(&["--limit", "1"]);
    let said = "3 late events; listed are 1, of 1 order, and 2 more are not.";
    assert!(limited.ok().contains(said), "{}", limited.out);
    let page = report(&["--output", "html"]);
    assert_stands_alone(page.ok());
    assert!(page.out.contains("<h2>erp/&lt;b&gt;1&lt;/b&gt;</h2>"), "{}", page.out);
}

#[test]
fn an_order_is_reported_against_a_period_as_the_list_counts_it() {
    let (folder, closed_at) = closed();
    let report = ["report", "erp/3", "--against", "2026-Q1", "--output", "json"];
    let document = folder.run(&report).json();
    assert_eq!(document["known_then"]["period"]["label"], "2026-Q1");
    assert_eq!(document["known_then"]["basis"], document["known_then"]["period"]["covered"]);
    assert_eq!(document["occurred_by"], json!(just_before(&closed_at)));
    let late = document["late_arrivals"].as_array().unwrap();
    assert_eq!((late.len(), &late[0]["event"]["event_id"]), (1, &json!("before")));
    assert_eq!(document["occurred_later_count"], 1);
    let table = folder.run(&report[..4]);
    let said = format!("when 2026-Q1 was closed at {closed_at} by ann (quarter end)");
    assert!(table.ok().contains(&said), "{}", table.out);
    assert!(table.out.contains(&format!("what had occurred before {closed_at}")), "{}", table.out);
}

#[test]
fn periods_without_anything_late_and_periods_that_are_not_there_are_told() {
    let folder = Folder::new();
    append(&folder, &first());
    let none = folder.run(&["report", "--against", "2026-Q1"]);
    let said = "error: no period 2026-Q1\n  no period was closed\n";
    assert!(none.failed(3).ends_with(said), "{}", none.err);
    close(&folder, "2026-Q1");
    close(&folder, "2026-Q2");
    let quiet = folder.run(&["report", "--against", "2026-Q1"]);
    let said = "Nothing late: no such event occurred before the closing.\n";
    assert!(quiet.ok().contains(said), "{}", quiet.out);
    for order in [&["report"][..], &["report", ORDER]] {
        let other = folder.run(&[order, &["--against", "2026-Q3"]].concat());
        assert_eq!(other.failed(3), "error: no period 2026-Q3\n  closed are: 2026-Q1, 2026-Q2\n");
    }
}

#[test]
fn a_folder_and_a_server_report_the_same() {
    let (folder, _) = closed();
    let then = "2025-01-01T00:00:00Z";
    let questions = [
        vec!["report", ORDER, "--against", "2026-Q1"],
        vec!["report", ORDER, "--as-of", then, "--output", "html"],
        vec!["report", "erp/9", "--as-of", then],
        vec!["report", "--against", "2026-Q1"],
        vec!["report", "--against", "2026-Q1", "--output", "ndjson"],
        vec!["report", "--against", "2026-Q3"],
    ];
    let here = questions.each_ref().map(|question| folder.run(question));
    let server = Server::start(folder.path());
    let there = questions.each_ref().map(|question| server.run(question));
    assert_eq!(here, there);
    here[3].ok();
    server.stop().ok();
}
