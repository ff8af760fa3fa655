//! What a server says while its ledger is being opened, and that it serves afterwards.

use std::sync::Arc;
use std::time::Duration;

use order_ledger::proto::{GetHeadRequest, GetOrderRequest};
use order_ledger::{Ledger, LedgerServiceClient, Progress, ServeOptions, serve, while_opening};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{options, run};

#[test]
fn a_server_says_how_far_the_opening_of_its_ledger_is() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (progress, watched) = watch::channel(None);
        let (open, opened) = oneshot::channel();
        let path = folder.path().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let opening = async move {
                opened.await.unwrap();
                Arc::new(Ledger::open(path, options()).unwrap())
            };
            let ledger = while_opening(&listener, watched, opening).await;
            serve(listener, ledger, ServeOptions::default(), async {
                let _ = stopped.await;
            })
            .await
        });
        let channel = Endpoint::from_shared(url).unwrap().connect_lazy();
        let mut client = LedgerServiceClient::new(channel.clone());
        let error = client.get_head(GetHeadRequest::default()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.message().contains("is being opened; ask again"), "{error}");
        let what = "reading the log into the views";
        progress.send_replace(Some(Progress { what, done: 41, total: 100 }));
        let request = GetOrderRequest { correlation_id: "a".into(), ..Default::default() };
        let error = client.get_order(request).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.message().contains("reading the log into the views, 41 %"), "{error}");
        let check = HealthCheckRequest::default();
        let health = HealthClient::new(channel).check(check).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::NotServing);

        open.send(()).unwrap();
        let ready = async {
            while client.get_head(GetHeadRequest::default()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), ready).await.unwrap();
        drop(client);
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
    });
}
