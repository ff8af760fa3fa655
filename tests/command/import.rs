//! `import`: where events come from, and that nothing goes in twice.

use std::io::Write as _;
use std::time::Duration;

use crate::events::{assert_holds, line, line_with, lines};
use crate::support::{Folder, Running, Server, order_ledger, run};

#[test]
fn plain_compressed_and_piped_files_are_read_as_they_are() {
    let folder = Folder::new();
    let files = tempfile::tempdir().unwrap();
    let (plain, packed) = (files.path().join("plain.ndjson"), files.path().join("packed.gz"));
    std::fs::write(&plain, lines(10)).unwrap();
    // Two members, as `cat one.gz two.gz` makes them.
    let mut bytes = gzip(&lines(20));
    bytes.extend(gzip(&lines(30)));
    std::fs::write(&packed, &bytes).unwrap();
    let (plain, packed) = (plain.to_str().unwrap(), packed.to_str().unwrap());
    let done = folder.run(&["import", plain, packed]);
    assert_eq!(done.ok(), "30 events appended, 30 were there already, 0 refused; head 30\n");
    assert_eq!(done.err, "", "no progress bar where nobody looks");

    let mut piped = folder.start_with_input(&["import", plain, "-"]);
    piped.feed(&gzip(&lines(40)));
    let done = piped.finish();
    assert_eq!(done.ok(), "10 events appended, 40 were there already, 0 refused; head 40\n");
    // A last line without its end, and one of Windows.
    let last = line("a", "last");
    let done = folder.run_with_input(&["import", "-"], &lines(1).replace('\n', "\r\n"));
    assert_eq!(done.ok(), "0 events appended, 1 were there already, 0 refused; head 40\n");
    folder.run_with_input(&["import", "-"], last.trim_end()).ok();
    assert_holds(&folder, &(lines(40) + &last));
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_compressed_file_that_was_cut_off_fails_after_the_lines_that_are_whole() {
    let folder = Folder::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let packed = gzip(&lines(2_000));
    std::fs::write(file.path(), &packed[..packed.len() * 9 / 10]).unwrap();
    for on_error in ["stop", "skip"] {
        let path = file.path().to_str().unwrap();
        let cut = folder.run(&["import", path, "--on-error", on_error]);
        assert!(cut.failed(1).contains("cannot be read"), "{}", cut.err);
    }
    let head = folder.run(&["stats", "--output", "json"]).json()["head"].as_u64().unwrap();
    assert!((1_000..2_000).contains(&head), "{head}");
    assert_holds(&folder, &lines(head));
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let folder = Folder::new();
    for command in ["import", "append"] {
        let missing = folder.run(&[command, "nowhere.ndjson"]);
        assert!(missing.failed(1).contains("nowhere.ndjson: "), "{}", missing.err);
    }
    assert!(folder.run(&["import"]).failed(2).contains("<FILES>"));
}

#[test]
fn what_replay_writes_import_reads() {
    let (first, second) = (Folder::new(), Folder::new());
    let input = first_events();
    first.run_with_input(&["import", "-"], &input).ok();
    let out = first.run(&["replay", "--output", "ndjson"]).ok().to_owned();
    second.run_with_input(&["import", "-"], &out).ok();
    assert_eq!(second.run(&["replay", "--output", "ndjson"]).ok(), out);
    assert_holds(&second, &input);
}

fn first_events() -> String {
    run(&["demo", "--orders", "20", "--ndjson", "-"]).ok().to_owned()
}

#[test]
fn an_import_into_a_server_says_the_same_as_one_into_a_folder() {
    let (folder, remote) = (Folder::new(), Folder::new());
    let server = Server::start(remote.path());
    let input = first_events();
    for _ in 0..2 {
        let here = folder.run_with_input(&["import", "-"], &input);
        let there = crate::support::run_with_input(&server.arguments(&["import", "-"]), &input);
        assert_eq!(here.ok(), there.ok());
    }
    server.stop().ok();
    assert_holds(&remote, &input);
}

#[test]
fn an_import_fails_when_its_server_goes_away_before_the_first_batch() {
    let folder = Folder::new();
    let mut server = Server::start(folder.path());
    let mut import = Running::with_input(order_ledger(&server.arguments(&["import", "-"])));
    // Long enough to be connected; the test holds either way.
    std::thread::sleep(Duration::from_millis(300));
    server.running.kill();
    import.feed(lines(10).as_bytes());
    let done = import.finish();
    assert_eq!((done.code, &*done.out), (Some(1), ""), "{}", done.err);
}

#[test]
fn an_import_ends_at_a_bad_line_while_its_input_stays_open() {
    let folder = Folder::new();
    let mut import = folder.start_with_input(&["import", "-"]);
    import.feed((lines(3) + "{}\n").as_bytes());
    let stopped = import.wait_for_end();
    assert!(stopped.failed(1).contains("line 4"), "{}", stopped.err);
}

#[test]
fn an_import_appends_and_is_refused_while_its_input_stays_open() {
    let folder = Folder::new();
    let mut import = folder.start_with_input(&["import", "-"]);
    import.feed((lines(500) + &line_with("erp/0", "0", "7") + &lines(499)).as_bytes());
    let stopped = import.wait_for_end();
    assert!(stopped.failed(1).contains("line 501: event ids were used"), "{}", stopped.err);
    assert!(stopped.err.contains("before it: 500 events appended"), "{}", stopped.err);
}

#[test]
fn an_import_ends_when_its_server_goes_away_while_its_input_stays_open() {
    let folder = Folder::new();
    let mut server = Server::start(folder.path());
    let mut import = Running::with_input(order_ledger(&server.arguments(&["import", "-"])));
    import.feed(lines(2_600).as_bytes());
    crate::support::eventually("an event in the ledger", || {
        let stats = server.run(&["stats", "--output", "json"]).json();
        (stats["head"] != 0).then_some(())
    });
    server.running.kill();
    // Where both batches were in already, it has something more to say; it may have ended, too.
    let _ = import.feed(lines(1_400).as_bytes());
    let ended = import.wait_for_end();
    assert!(ended.failed(1).contains("run the import again"), "{}", ended.err);
}
