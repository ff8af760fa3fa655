//! `watch`: orders as they change.

use serde_json::Value as Json;

use crate::events::line;
use crate::order::{assert_narrow, folder, run_within};
use crate::support::{Running, Server, order_ledger, run_with_input};

#[test]
fn every_changed_order_is_written_and_where_to_resume() {
    let folder = folder();
    for output in ["json", "ndjson"] {
        let watch = folder.run(&["watch", "--output", output]);
        let rows = watch.ndjson();
        let last = |order: &str| {
            let mut of = rows.iter().filter(|row| row["order"]["correlation_id"] == order);
            of.next_back().unwrap().clone()
        };
        assert_eq!(
            (&last("erp/1")["order"]["revision"], &last("erp/2")["order"]["revision"]),
            (&Json::from(3), &Json::from(1))
        );
        assert!(rows.iter().all(|row| row["basis"].is_u64()));
        assert_eq!(watch.err, "resume with --from 4\n");
    }
    let rest = folder.run(&["watch", "--from", "3", "--output", "json"]).ndjson();
    assert!(rest.iter().all(|row| row["order"]["correlation_id"] == "erp/2"), "{rest:?}");
    assert_eq!(folder.run(&["watch", "--from", "4"]).ok(), "");
    let table = run_within(&folder, "60", &["watch"]);
    assert!(table.ok().contains("erp/1#2"), "{}", table.out);
    assert_narrow(&table.out, 60);
    folder.run(&["watch", "--from", "5"]).failed(2);
    folder.run(&["watch", "--from", "x"]).failed(2);
}

#[test]
fn a_follower_sees_changes_and_learns_where_to_resume() {
    let folder = folder();
    let mut server = Server::start(folder.path());
    let arguments = server.arguments(&["watch", "--follow", "--from", "3", "--output", "json"]);
    let start = || Running::start(order_ledger(&arguments));
    let (follower, cut_off) = (start(), start());
    let next = |running: &Running| serde_json::from_str::<Json>(&running.next_line()).unwrap();
    for running in [&follower, &cut_off] {
        assert_eq!(next(running)["order"]["correlation_id"], "erp/2");
    }
    run_with_input(&server.arguments(&["append"]), &line("erp/9", "live")).ok();
    for running in [&follower, &cut_off] {
        assert_eq!(next(running)["order"]["correlation_id"], "erp/9");
    }
    follower.signal("INT");
    let ended = follower.finish();
    assert_eq!(ended.ok(), "");
    let said = &ended.err;
    assert!(
        said.starts_with("caught up at ") && said.ends_with("resume with --from 5\n"),
        "{said}"
    );
    server.running.kill();
    let ended = cut_off.finish();
    assert!(ended.failed(1).ends_with("  resume with --from 5\n"), "{}", ended.err);
}
