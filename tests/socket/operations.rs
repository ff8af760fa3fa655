//! What stands beside the service: health and reflection.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto};
use tonic::Code;
use tonic::codegen::tokio_stream;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{Server, explained, run};

const SERVICE: &str = "orderledger.v1.LedgerService";

fn check(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

#[test]
fn a_server_that_takes_appends_is_healthy() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut health = HealthClient::new(server.channel().await);
        for service in [SERVICE, ""] {
            let answer = health.check(check(service)).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
        }
        let error = health.check(check("other.Service")).await.unwrap_err();
        assert_eq!(explained(&error).code, Code::NotFound);
    });
}

#[test]
fn whoever_watches_the_health_hears_that_the_ledger_was_closed() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut health = HealthClient::new(server.channel().await);
        let mut watches = Vec::new();
        for service in [SERVICE, ""] {
            let mut watch = health.watch(check(service)).await.unwrap().into_inner();
            let first = watch.message().await.unwrap().unwrap();
            assert_eq!(first.status(), ServingStatus::Serving, "{service:?}");
            watches.push(watch);
        }
        server.ledger.close();
        for watch in &mut watches {
            let next = watch.message().await.unwrap().unwrap();
            assert_eq!(next.status(), ServingStatus::NotServing);
        }
    });
}

/// What both versions of reflection answer, without their envelopes.
#[derive(Debug)]
enum Reflected {
    Services(BTreeSet<String>),
    Files(Vec<FileDescriptorProto>),
    Unknown,
}

/// Asks one version of reflection one question after the other.
macro_rules! reflect {
    ($version:ident, $channel:expr, $questions:expr) => {{
        use $version::server_reflection_client::ServerReflectionClient;
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;
        let requests = $questions.map(|question| $version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(match question {
                Question::List => MessageRequest::ListServices(String::new()),
                Question::File(name) => MessageRequest::FileByFilename(name.into()),
                Question::Symbol(name) => MessageRequest::FileContainingSymbol(name.into()),
            }),
        });
        let mut client = ServerReflectionClient::new($channel);
        let requests = tokio_stream::iter(requests);
        let answers = client.server_reflection_info(requests).await.unwrap();
        let mut answers = answers.into_inner();
        let mut reflected = Vec::new();
        while let Ok(Some(answer)) = answers.message().await {
            reflected.push(match answer.message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => {
                    let names = list.service.into_iter().map(|service| service.name);
                    Reflected::Services(names.collect())
                }
                MessageResponse::FileDescriptorResponse(files) => {
                    let files = files.file_descriptor_proto.iter();
                    let files = files.map(|file| FileDescriptorProto::decode(&**file).unwrap());
                    Reflected::Files(files.collect())
                }
                MessageResponse::ErrorResponse(_) => Reflected::Unknown,
                other => panic!("{other:?}"),
            });
        }
        reflected
    }};
}

#[derive(Clone, Copy)]
enum Question {
    List,
    File(&'static str),
    Symbol(&'static str),
}

const QUESTIONS: [Question; 5] = [
    Question::List,
    Question::Symbol(SERVICE),
    Question::Symbol("orderledger.v1.OrderEvent"),
    Question::File("google/protobuf/timestamp.proto"),
    Question::Symbol("grpc.health.v1.Health"),
];

fn describes_the_service(reflected: &[Reflected], reflection: &str) {
    let [
        Reflected::Services(services),
        Reflected::Files(service),
        Reflected::Files(event),
        Reflected::Files(timestamp),
        Reflected::Files(health),
    ] = reflected
    else {
        panic!("{reflected:?}");
    };
    for name in [SERVICE, "grpc.health.v1.Health", reflection] {
        assert!(services.contains(name), "{name} in {services:?}");
    }
    let methods: BTreeSet<_> =
        service[0].service[0].method.iter().map(MethodDescriptorProto::name).collect();
    let all = [
        "Append",
        "AppendStream",
        "GetAppendOutcome",
        "GetHead",
        "GetOrder",
        "GetTimeline",
        "Replay",
    ];
    assert!(all.iter().all(|name| methods.contains(name)), "{methods:?}");
    assert!(event[0].message_type.iter().any(|one| one.name() == "OrderEvent"));
    assert_eq!(timestamp[0].package(), "google.protobuf");
    assert_eq!(health[0].package(), "grpc.health.v1");
}

#[test]
fn reflection_lists_the_services_and_gives_their_files_in_both_versions() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let channel: Channel = server.channel().await;
        let reflected = reflect!(v1, channel.clone(), QUESTIONS);
        describes_the_service(&reflected, "grpc.reflection.v1.ServerReflection");
        let reflected = reflect!(v1alpha, channel, QUESTIONS);
        describes_the_service(&reflected, "grpc.reflection.v1alpha.ServerReflection");
    });
}

#[test]
fn a_file_from_reflection_describes_an_event_completely() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let names = [
            "google/protobuf/timestamp.proto",
            "google/protobuf/duration.proto",
            "orderledger/v1/order_event.proto",
            "orderledger/v1/order.proto",
            "orderledger/v1/event_filter.proto",
            "orderledger/v1/ledger_entry.proto",
            "orderledger/v1/ledger_service.proto",
        ];
        let reflected = reflect!(v1, server.channel().await, names.map(Question::File));
        let mut set = FileDescriptorSet::default();
        for files in reflected {
            let Reflected::Files(files) = files else {
                panic!("{files:?}");
            };
            set.file.extend(files);
        }
        let names: BTreeSet<_> = set.file.iter().map(FileDescriptorProto::name).collect();
        for file in &set.file {
            for import in &file.dependency {
                assert!(names.contains(import.as_str()), "{import} of {}", file.name());
            }
        }
        let unknown = reflect!(v1, server.channel().await, [Question::Symbol("no.Such")]);
        assert!(matches!(unknown[..], [] | [Reflected::Unknown]), "{unknown:?}");
    });
}
