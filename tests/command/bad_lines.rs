//! `import` of lines that are no events, and of events that the ledger refuses.

use crate::events::{assert_holds, line, line_with, lines};
use crate::support::{Finished, Folder, Server, run_with_input};

const NOT_AN_EVENT: &str = r#"{"type":"pick.confirmed","sauce":1,"lines":[{"quantity":"x"}]}"#;

fn import(folder: &Folder, on_error: &str, input: &str) -> Finished {
    folder.run_with_input(&["import", "-", "--on-error", on_error], input)
}

#[test]
fn an_import_stops_at_the_first_bad_line_and_says_all_that_is_wrong_with_it() {
    let folder = Folder::new();
    let input = lines(700) + NOT_AN_EVENT + "\n" + &lines(701);
    let stopped = folder.run_with_input(&["import", "-"], &input);
    let said = stopped.failed(1);
    assert!(said.contains("-, line 701: not a valid event"), "{said}");
    for field in ["sauce", "lines[0].quantity", "correlation_id", "source", "event_id"] {
        assert!(said.contains(&format!("\n  {field}: ")), "{field} in {said}");
    }
    assert!(said.contains("before it: 700 events appended, 0 were there already"), "{said}");
    assert_holds(&folder, &lines(700));
    // Corrected and run again, it goes on where it stopped.
    let input = lines(700) + &lines(701);
    let done = folder.run_with_input(&["import", "-"], &input);
    assert_eq!(done.ok(), "1 events appended, 1,400 were there already, 0 refused; head 701\n");
    assert_holds(&folder, &lines(701));
}

#[test]
fn skipped_lines_are_listed_with_their_numbers_and_fail_the_import_at_its_end() {
    let folder = Folder::new();
    let input = [
        &line("a", "1"),
        "not json\n",
        "\n",
        "[]\n",
        &line("a", "2"),
        NOT_AN_EVENT,
        "\n",
        &line("a", "3"),
        "{\"half\": ",
    ];
    let done = import(&folder, "skip", &input.concat());
    let said = done.failed(1);
    for number in [2, 4, 6, 8] {
        assert!(said.contains(&format!("-, line {number}: not a valid event")), "{number}: {said}");
    }
    assert!(!said.contains("line 3:"), "an empty line is no error: {said}");
    assert!(said.ends_with("error: 4 lines were refused\n"), "{said}");
    assert_eq!(done.out, "3 events appended, 0 were there already, 4 refused; head 3\n");
    assert_holds(&folder, &[line("a", "1"), line("a", "2"), line("a", "3")].concat());
}

#[test]
fn bytes_that_are_no_utf_8_are_a_bad_line_and_no_end() {
    let folder = Folder::new();
    let mut running = folder.start_with_input(&["import", "-", "--on-error", "skip"]);
    running.feed(line("a", "1").as_bytes());
    running.feed(b"{\"source\":\"\xff\xfe\"}\n");
    running.feed(line("a", "2").as_bytes());
    let done = running.finish();
    let said = done.failed(1);
    assert!(said.contains("-, line 2: not a valid event") && said.contains("UTF-8"), "{said}");
    assert_holds(&folder, &[line("a", "1"), line("a", "2")].concat());
}

#[test]
fn a_line_that_the_ledger_refuses_is_found_in_its_batch() {
    for on_error in ["stop", "skip"] {
        let folder = Folder::new();
        import(&folder, "stop", &line_with("erp/7", "known", "1")).ok();
        let other = line_with("erp/7", "known", "2");
        let input = lines(600) + &other + &line("erp/8", "after");
        let done = import(&folder, on_error, &input);
        let said = done.failed(1);
        assert!(said.contains("-, line 601: event ids were used before"), "{said}");
        assert!(said.contains("event_id known is at offset 0 with fingerprint"), "{said}");
        let mut held = line_with("erp/7", "known", "1") + &lines(600);
        if on_error == "skip" {
            held += &line("erp/8", "after");
            assert_eq!(
                done.out,
                "601 events appended, 0 were there already, 1 refused; head 602\n"
            );
        } else {
            assert!(said.contains("before it: 600 events appended"), "{said}");
        }
        assert_holds(&folder, &held);
    }
}

#[test]
fn many_bad_lines_are_counted_and_the_first_twenty_shown() {
    let folder = Folder::new();
    let done = import(&folder, "skip", &("x\n".repeat(1_500) + &line("a", "1")));
    let said = done.failed(1);
    assert_eq!(said.matches("not a valid event").count(), 20);
    assert!(said.ends_with("error: 1,500 lines were refused\n"), "{said}");
    assert_eq!(done.out, "1 events appended, 0 were there already, 1,500 refused; head 1\n");
}

#[test]
fn a_folder_and_a_server_report_bad_lines_alike() {
    let (folder, remote) = (Folder::new(), Folder::new());
    let server = Server::start(remote.path());
    let first = lines(30) + "{}\n" + &line_with("erp/0", "0", "9") + &lines(31);
    for on_error in ["skip", "stop"] {
        let arguments = ["import", "-", "--on-error", on_error];
        let here = folder.run_with_input(&arguments, &first);
        assert_eq!(here, run_with_input(&server.arguments(&arguments), &first));
        here.failed(1);
    }
    server.stop().ok();
    assert_holds(&folder, &lines(31));
    assert_holds(&remote, &lines(31));
}
