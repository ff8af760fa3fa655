//! `serve`: from the first line to the last signal.

use std::time::{Duration, Instant};

use crate::events::{assert_holds, lines};
use crate::support::{Folder, Running, Server, order_ledger, run, run_with_input};

#[test]
fn a_server_says_where_it_is_what_it_has_and_ends_on_a_signal() {
    let folder = Folder::new();
    for (signal, head) in [("TERM", "0"), ("INT", "30")] {
        let server = Server::start(folder.path());
        assert!(server.url.starts_with("http://127.0.0.1:") && !server.url.ends_with(":0"));
        let ledger = server.running.next_line();
        assert!(
            ledger.starts_with("ledger     ") && ledger.contains(folder.path().to_str().unwrap())
        );
        assert_eq!(server.running.next_line(), format!("head       {head}\n"));
        let stats = server.run(&["stats", "--output", "json"]).json();
        assert!(ledger.contains(stats["ledger_id"].as_str().unwrap()), "{ledger} is not {stats}");
        run_with_input(&server.arguments(&["append"]), &lines(30)).ok();
        server.running.signal(signal);
        let ended = server.running.finish();
        let key = ended.ok().strip_prefix("key        order-ledger/");
        assert!(key.is_some_and(|key| key.lines().count() == 1), "{}", ended.out);
        assert!(ended.err.contains("shutting down"), "{}", ended.err);
    }
    assert_holds(&folder, &lines(30));
}

#[test]
fn a_server_ends_within_its_grace_and_tells_followers_where_to_resume() {
    let folder = Folder::new();
    let server = Server::start_with(folder.path(), &["--shutdown-grace", "20"]);
    run_with_input(&server.arguments(&["append"]), &lines(7)).ok();
    let followers: Vec<Running> = ["0", "7"]
        .iter()
        .map(|from| {
            let arguments = ["replay", "--follow", "--from", from];
            Running::start(order_ledger(&server.arguments(&arguments)))
        })
        .collect();
    (0..7).for_each(|_| drop(followers[0].next_line()));
    // The other one has nothing to show that it is there.
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    server.stop().ok();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    for follower in followers {
        let ended = follower.finish();
        assert_eq!(ended.failed(1), "error: the server shuts down; resume with --from 7\n");
    }
    assert_holds(&folder, &lines(7));
}

#[test]
fn an_import_under_way_when_the_server_ends_is_run_again() {
    let folder = Folder::new();
    let server = Server::start(folder.path());
    let mut import = Running::with_input(order_ledger(&server.arguments(&["import", "-"])));
    import.feed(lines(1_200).as_bytes());
    crate::support::eventually("an event in the ledger", || {
        let stats = server.run(&["stats", "--output", "json"]).json();
        (stats["head"] != 0).then_some(())
    });
    let begin = Instant::now();
    server.stop().ok();
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    // Seen red with an import that took the end of its stream for the end of its work: it said
    // that it was done, and what follows here was lost.
    import.feed(lines(2_400).as_bytes());
    let ended = import.finish();
    assert!(ended.failed(1).contains("run the import again"), "{}", ended.err);
    folder.run_with_input(&["import", "-"], &lines(2_400)).ok();
    assert_holds(&folder, &lines(2_400));
}

#[test]
fn a_folder_that_is_open_elsewhere_is_an_error_that_names_it() {
    let folder = Folder::new();
    let server = Server::start(folder.path());
    run_with_input(&server.arguments(&["append"]), &lines(1)).ok();
    let name = folder.path().to_str().unwrap();
    for arguments in [
        vec!["serve", "--listen", "127.0.0.1:0"],
        vec!["stats"],
        vec!["replay"],
        vec!["import", "-"],
    ] {
        let refused = folder.run(&arguments);
        let expected = format!("error: {name}: another process has this ledger open\n");
        assert_eq!(refused.failed(1), expected, "{arguments:?}");
        assert_eq!(refused.out, "", "{arguments:?}");
    }
    server.run(&["stats"]).ok();
    server.stop().ok();
}

#[test]
fn an_address_that_is_taken_or_not_there_is_an_error_that_names_it() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = folder.run(&["serve", "--listen", &address]);
    assert!(refused.failed(1).contains(&format!("cannot listen on {address}")), "{}", refused.err);
    drop(taken);
    let url = format!("http://{address}");
    let refused = run(&["stats", "--server", &url]);
    assert!(refused.failed(1).contains(&format!("cannot connect to {url}")), "{}", refused.err);
    assert!(run(&["stats", "--server", "a b"]).failed(1).contains("a b"));
}

#[test]
fn a_demo_server_fills_an_empty_ledger_once_and_proposes_what_to_try() {
    let folder = Folder::new();
    for _ in 0..2 {
        let server = Server::start_with(folder.path(), &["--demo", "5"]);
        let said: Vec<String> = (0..8).map(|_| server.running.next_line()).collect();
        assert!(said[1].starts_with("head ") && !said[1].ends_with(" 0\n"), "{said:?}");
        assert!(said[3].starts_with("try        order-ledger order "), "{said:?}");
        let commands = ["order", "timeline", "find", "list", "replay"];
        for (said, command) in said[3..].iter().zip(commands) {
            let tried: Vec<&str> =
                said.split_whitespace().skip_while(|one| *one == "try").collect();
            assert_eq!(tried[..2], ["order-ledger", command], "{said}");
            assert_eq!(tried[tried.len() - 2..], ["--server", &server.url], "{said}");
            // It would go on for ever.
            let typed: Vec<&str> =
                tried[1..].iter().copied().filter(|one| *one != "--follow").collect();
            assert_ne!(run(&typed).ok(), "", "{said}");
        }
        server.stop().ok();
    }
    let demo = run(&["demo", "--orders", "5", "--ndjson", "-"]);
    assert_holds(&folder, demo.ok());
}
