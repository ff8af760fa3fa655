//! Whatever comes over the wire is answered or dropped, loses nothing, and the next call is served.

use std::time::Duration;

use order_ledger::proto::{AppendResponse, GetHeadResponse, ReplayResponse};
use order_ledger::{Options, ServeOptions};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::codegen::tokio_stream::{self, StreamExt as _};
use tonic::{Code, Status};

use crate::raw::{self, RawAppendRequest};
use crate::support::{
    Explained, Server, append, batch, event, explained, head, large_event, options, refusal, run,
};

const APPEND: &str = "/orderledger.v1.LedgerService/Append";

/// The server takes the next event of order `a`.
async fn lives_on(server: &Server, offset: u64) {
    let mut client = server.client().await;
    assert_eq!(head(&mut client).await, offset, "nothing lost, nothing made up");
    let appended = append(&mut client, [event("a", offset)]).await;
    assert_eq!(appended.head, offset + 1);
}

/// The refusal of a unary call with a request of any bytes.
async fn refusal_of(server: &Server, method: &str, request: &'static [u8]) -> Explained {
    let answer: Result<AppendResponse, Status> =
        raw::unary(server.channel().await, method, request).await;
    explained(&answer.unwrap_err())
}

#[test]
fn a_request_that_is_no_protobuf_is_refused_by_every_method() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        lives_on(&server, 0).await;
        let methods =
            ["Append", "GetAppendOutcome", "GetOrder", "GetTimeline", "Replay", "GetHead"];
        let garbage: [&[u8]; 4] = [b"\x0a\x7fabc", b"\xff\xff\xff\xff\xff", b"\x07", b"\x0c"];
        for method in methods {
            for request in garbage {
                let refused = refusal_of(&server, method, request).await;
                let kind = (Code::InvalidArgument, "MALFORMED_REQUEST", "refused");
                assert_eq!(refused.kind(), kind, "{method} {request:?}");
            }
        }
        lives_on(&server, 1).await;
    });
}

#[test]
fn garbage_in_the_place_of_an_event_is_refused_by_its_place() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut torn = event("a", 1).encode_to_vec();
        torn.pop();
        let mut torn_line = event("a", 1).encode_to_vec();
        raw::put_bytes(&mut torn_line, 8, b"\x0a\x7f");
        let mut wrong_type = event("a", 1).encode_to_vec();
        raw::put_number(&mut wrong_type, 2, 5);
        let cases = [
            (b"no protobuf".to_vec(), "events[1]"),
            (torn, "events[1]"),
            (torn_line, "events[1].lines[1]"),
            (wrong_type, "events[1].source"),
        ];
        for (garbage, field) in cases {
            let events = vec![event("a", 7).encode_to_vec(), garbage];
            let error = raw::append(server.channel().await, events).await;
            let refused = explained(&error.unwrap_err());
            assert_eq!(refused.kind().0, Code::InvalidArgument);
            assert!(refused.fields().contains(&field), "{field}: {refused:?}");
        }
        lives_on(&server, 0).await;
    });
}

/// Seen red with an empty body and one that ends early explained as `INTERNAL`.
#[test]
fn truncated_and_malformed_frames_are_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let bodies = ["", "\0", "\0\0\0\0\x64too short", "\x07\0\0\0\x01a", "no frame at all"];
        for body in bodies {
            let status = raw::post(server.channel().await, APPEND, body, &[]).await;
            let refused = explained(&status.unwrap());
            let kind = (Code::InvalidArgument, "MALFORMED_REQUEST", "refused");
            assert_eq!(refused.kind(), kind, "{body:?}");
        }
        lives_on(&server, 0).await;
    });
}

#[test]
fn a_message_over_the_limit_is_refused_with_the_limit() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let serving = ServeOptions { message_bytes_max: 2_000, ..ServeOptions::default() };
        let server = Server::start_with(folder.path(), options(), serving).await;
        let mut client = server.client().await;
        let refused = refusal(&mut client, batch([large_event("a", 1, 2_000)])).await;
        let kind = (Code::InvalidArgument, "MESSAGE_TOO_LARGE", "refused");
        assert_eq!(refused.kind(), kind);
        let message = &refused.message;
        assert!(message.contains("message_bytes_max") && message.contains("2000"), "{message}");
        append(&mut client, [large_event("b", 1, 1_500)]).await;
        lives_on(&server, 1).await;
    });
}

#[test]
fn a_batch_as_large_as_the_default_limits_allow_fits_into_a_message() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 8 * 1024 * 1024, ..options() };
        let serving = ServeOptions::default();
        let server = Server::start_with(folder.path(), options, serving).await;
        let mut client = server.client().await;
        let events = (0..66).map(|n| large_event("a", n, 63_000));
        let request = batch(events);
        assert!((4_100_000..4 * 1024 * 1024).contains(&request.encoded_len()));
        client.append(request).await.unwrap();
        assert_eq!(head(&mut client).await, 66);
    });
}

#[test]
fn a_method_or_service_that_is_not_there_is_said_to_be_unknown() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        for path in ["/orderledger.v1.LedgerService/Delete", "/other.Service/Append", "/"] {
            let status = raw::post(server.channel().await, path, "\0\0\0\0\0", &[]).await;
            let refused = explained(&status.unwrap());
            let kind = (Code::Unimplemented, "UNKNOWN_METHOD", "refused");
            assert_eq!(refused.kind(), kind, "{path}");
        }
        lives_on(&server, 0).await;
    });
}

#[test]
fn a_compression_that_the_server_does_not_know_is_refused_as_such() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let headers = [("grpc-encoding", "gzip")];
        let status = raw::post(server.channel().await, APPEND, "\x01\0\0\0\x01a", &headers).await;
        let refused = explained(&status.unwrap());
        assert_eq!((refused.code, &*refused.class), (Code::Unimplemented, "refused"));
        assert_ne!(refused.reason, "UNKNOWN_METHOD");
        assert!(refused.message.contains("gzip"), "{}", refused.message);
        lives_on(&server, 0).await;
    });
}

#[test]
fn a_stream_of_appends_ends_at_garbage_and_keeps_what_came_before() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let request = |id: u64| {
            let mut encoded = Vec::new();
            raw::put_number(&mut encoded, 1, id);
            let events = vec![event("a", id).encode_to_vec()];
            raw::put_bytes(&mut encoded, 2, &RawAppendRequest { events }.encode_to_vec());
            encoded
        };
        let requests = [request(0), request(1), b"\x0a\x7f".to_vec(), request(2)];
        let requests = tokio_stream::iter(requests.map(bytes::Bytes::from));
        let answers = raw::streaming(server.channel().await, "AppendStream", requests).await;
        let mut answers: tonic::Streaming<order_ledger::proto::AppendStreamResponse> =
            answers.unwrap();
        for id in 0..2 {
            assert_eq!(answers.next().await.unwrap().unwrap().request_id, id);
        }
        let refused = explained(&answers.next().await.unwrap().unwrap_err());
        let kind = (Code::InvalidArgument, "MALFORMED_REQUEST", "refused");
        assert_eq!(refused.kind(), kind);
        lives_on(&server, 2).await;
    });
}

/// Sends bytes on a connection of their own; what comes back until the server hangs up or is quiet.
async fn send(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let quiet = Duration::from_millis(200);
    let _ = tokio::time::timeout(quiet, socket.read_to_end(&mut answer)).await;
    answer
}

#[test]
fn junk_on_the_port_harms_nobody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut bystander = server.client().await;
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let large = [b'x'; 100_000];
        let junk: [&[u8]; 7] = [
            b"",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /orderledger.v1.LedgerService/Append HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            &preface[..10],
            &[&preface[..], &[0xff; 64]].concat(),
            &large,
        ];
        for junk in junk {
            let answer = send(&server, junk).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
            head(&mut bystander).await;
        }
        lives_on(&server, 0).await;
    });
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_a_call_harms_nobody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        for _ in 0..20 {
            let requests = tokio_stream::pending();
            let channel = server.channel().await;
            let call = raw::streaming::<GetHeadResponse>(channel, "AppendStream", requests);
            drop(call.await.unwrap());
            let follow = order_ledger::proto::ReplayRequest { follow: true, ..Default::default() };
            let follow = tokio_stream::once(follow.encode_to_vec().into());
            let call = raw::streaming::<ReplayResponse>(server.channel().await, "Replay", follow);
            call.await.unwrap().message().await.unwrap();
        }
        lives_on(&server, 0).await;
        server.stop().await;
    });
}
