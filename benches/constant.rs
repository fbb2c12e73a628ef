//! The listener with a constant answer: what TLS, HTTP and reading the request cost alone. For
//! `tests/load/run.sh`, which sets the cost of a review beside it.
//!
//! Usage: constant ADDRESS FOLDER, where FOLDER gets a development certificate.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use http_body_util::BodyExt as _;
use multinic::cert::Files;
use multinic::listen::{self, Limits, Phase};
use multinic::metrics::Metrics;
use multinic::tls;
use tokio::net::TcpListener;
use tokio::sync::watch;

const ANSWER: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"7c4cf0ab-0a29-4c09-ae41-6ad9c1b0e4cb","allowed":true,"auditAnnotations":{"verdict":"allow"}}}"#;

fn main() {
    let mut args = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    // `cargo bench` runs every benchmark: this one is a server, and has nothing to say alone.
    let (Some(address), Some(folder)) = (args.next(), args.next()) else {
        return;
    };
    let address: SocketAddr = address.parse().expect("an address");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let folder = Path::new(&folder);
        let (sender, certificate) = watch::channel(None);
        let _files = Files::development(folder, sender, &Metrics::new()).expect("a certificate");
        let tls = tls::server(certificate, None).expect("a TLS configuration");
        let answer = |body: Body| async move {
            body.collect()
                .await
                .map(|_| ANSWER)
                .map_err(|error| error.to_string())
        };
        let routes = Router::new()
            .route("/mutate", post(answer))
            .route("/validate", post(answer));
        let listener = TcpListener::bind(address).await.expect("a port");
        let (_phase, phase) = watch::channel(Phase::Serve);
        let tls = listen::Tls {
            config: watch::channel(tls).1,
            metrics: Arc::default(),
        };
        listen::serve(listener, Some(tls), routes, Limits::default(), phase).await;
    });
}
