//! A client that notes when the API server was last in contact.
//!
//! A watch without events is alive as long as the API server sends bookmarks. They are not visible
//! as events, so every piece of a response counts.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use hyper::{Request, Response};
use kube::client::Body;
use tower_service::Service;

use crate::metrics::Metrics;

/// Returns a client that sends its requests with another, and notes in `metrics` whenever a piece
/// of a successful response arrives.
pub(super) fn observed(client: kube::Client, metrics: Arc<Metrics>) -> kube::Client {
    let namespace = client.default_namespace().to_owned();
    kube::Client::new(Observed { client, metrics }, namespace)
}

struct Observed {
    client: kube::Client,
    metrics: Arc<Metrics>,
}

impl Service<Request<Body>> for Observed {
    type Response = Response<UnsyncBoxBody<Bytes, <Body as hyper::body::Body>::Error>>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, metrics) = (self.client.clone(), Arc::clone(&self.metrics));
        Box::pin(async move {
            let response = client.send(request).await?;
            let counts = response.status().is_success();
            Ok(response.map(|body| {
                let noted = body.map_frame(move |frame| {
                    if counts {
                        metrics.confirm_networks();
                    }
                    frame
                });
                UnsyncBoxBody::new(noted)
            }))
        })
    }
}
