//! Real orders and a public example log, where they are at hand: nothing is lost on the way in, none
//! of it when the import or its server is killed, and the way out gives it all back.

use crate::events::{assert_holds, parsed, real_events};
use crate::support::{Finished, Folder, Running, Server, order_ledger};

const REAL: [(&str, &str); 2] = [("olist", "35,782"), ("ocel2_order_management", "32,164")];

/// All of it is in, and a second import finds that.
fn imported_without_loss((name, count): (&str, &str)) {
    let Some((path, lines)) = real_events(name) else { return };
    let path = path.to_str().unwrap();
    let folder = Folder::new();
    let import = || folder.run(&["import", path]);
    let done = format!("{count} events appended, 0 were there already, 0 refused; head {count}\n");
    assert_eq!(import().ok(), done);
    assert_holds(&folder, &lines);
    let again = format!("0 events appended, {count} were there already, 0 refused; head {count}\n");
    assert_eq!(import().ok(), again);
    let out = folder.run(&["replay", "--output", "ndjson"]);
    assert!(parsed(out.ok()) == parsed(&lines), "replay gives back what was imported");
}

#[test]
fn real_orders_are_imported_without_loss_once() {
    imported_without_loss(REAL[0]);
}

#[test]
fn a_public_example_log_is_imported_without_loss_once() {
    imported_without_loss(REAL[1]);
}

/// Two thirds of a text: when a pipe took them, most is appended and some is under way.
fn two_thirds(lines: &str) -> &[u8] {
    &lines.as_bytes()[..lines.len() / 3 * 2]
}

fn counts(done: &Finished) -> [u64; 2] {
    let numbers = done.ok().split(|c: char| !c.is_ascii_digit() && c != ',');
    let mut numbers = numbers.filter_map(|number| number.replace(',', "").parse().ok());
    [numbers.next().unwrap(), numbers.next().unwrap()]
}

#[test]
fn an_import_into_a_folder_that_was_killed_is_run_again() {
    let Some((path, lines)) = real_events(REAL[0].0) else { return };
    let folder = Folder::new();
    let mut import = folder.start_with_input(&["import", "-"]);
    assert!(import.feed(two_thirds(&lines)));
    import.kill();
    let again = folder.run(&["import", path.to_str().unwrap()]);
    let [appended, there_already] = counts(&again);
    assert!(appended > 0 && there_already > 0, "it was in the middle: {}", again.out);
    assert_eq!(appended + there_already, 35_782);
    assert_holds(&folder, &lines);
}

#[test]
fn an_import_whose_server_was_killed_is_run_again() {
    let Some((path, lines)) = real_events(REAL[1].0) else { return };
    let folder = Folder::new();
    let mut server = Server::start(folder.path());
    let mut import = Running::with_input(order_ledger(&server.arguments(&["import", "-"])));
    assert!(import.feed(two_thirds(&lines)));
    server.running.kill();
    import.feed(&lines.as_bytes()[two_thirds(&lines).len()..]);
    let cut = import.finish();
    assert!(cut.failed(1).contains("run the import again"), "{}", cut.err);
    let server = Server::start(folder.path());
    let again = server.run(&["import", path.to_str().unwrap()]);
    let [appended, there_already] = counts(&again);
    assert!(appended > 0 && there_already > 0, "it was in the middle: {}", again.out);
    assert_eq!(appended + there_already, 32_164);
    server.stop().ok();
    assert_holds(&folder, &lines);
}
