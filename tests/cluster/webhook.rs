//! Webhooks of others: what may stand beside multinic in a cluster.

use std::{
    io::{self, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use axum::{Router, body::Bytes, http::StatusCode};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use multinic::listen::{self, Limits, Phase};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    http::{Message, server_config},
    pki::Identity,
};

/// What a webhook does to a request: operations of a JSON patch, or nothing.
type Handler = Arc<dyn Fn(&Message) -> Option<Value> + Send + Sync>;

/// What a webhook answers a request with, as bytes.
type Answer = Arc<dyn Fn(&Message) -> io::Result<String> + Send + Sync>;

/// Serves a mutating webhook on a port until the test run ends: it answers for an object.
pub(crate) fn serve(identity: &Identity, answer: fn(&Value) -> Option<Value>) -> io::Result<u16> {
    handle(
        identity,
        Arc::new(move |request| {
            let review: Value = serde_json::from_slice(&request.body).ok()?;
            answer(&review["request"]["object"])
        }),
    )
}

/// Serves a webhook on a port until the test run ends.
pub(crate) fn handle(identity: &Identity, handler: Handler) -> io::Result<u16> {
    listen(
        identity,
        Arc::new(move |request| {
            let review: Value = serde_json::from_slice(&request.body).map_err(io::Error::other)?;
            let mut response = json!({"uid": review["request"]["uid"], "allowed": true});
            if let Some(patch) = handler(request) {
                response["patchType"] = json!("JSONPatch");
                response["patch"] = json!(BASE64_STANDARD.encode(patch.to_string()));
            }
            Ok(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string())
        }),
    )
}

/// Serves a webhook that does as little as a webhook can, behind the listener of multinic: it finds the uid, reads nothing
/// else, and lets everything in.
pub(crate) fn constant(identity: &Identity) -> io::Result<u16> {
    let config = server_config(identity)?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = tokio::runtime::Runtime::new()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let answer = |body: Bytes| async move {
                let uid = uid(&body).ok_or(StatusCode::BAD_REQUEST)?;
                Ok::<_, StatusCode>(format!(
                    r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":"{uid}","allowed":true}}}}"#
                ))
            };
            let tls = listen::Tls {
                config: watch::channel(config).1,
                metrics: Arc::default(),
            };
            let (_phase, phase) = watch::channel(Phase::Serve);
            let routes = Router::new().fallback(answer);
            listen::serve(listener, Some(tls), routes, Limits::default(), phase).await;
            io::Result::Ok(())
        })
    });
    Ok(port)
}

fn uid(body: &[u8]) -> Option<String> {
    let start = body.windows(7).position(|w| w == b"\"uid\":\"")? + 7;
    let length = body[start..].iter().position(|b| *b == b'"')?;
    String::from_utf8(body[start..start + length].to_vec()).ok()
}

fn listen(identity: &Identity, answer: Answer) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let config = server_config(identity)?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, answer) = (Arc::clone(&config), Arc::clone(&answer));
            thread::spawn(move || connection(stream, config, &answer));
        }
    });
    Ok(port)
}

fn connection(stream: TcpStream, config: Arc<ServerConfig>, answer: &Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    while let Some(request) = Message::read(&mut stream)? {
        let body = answer(&request)?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.get_mut().write_all((head + &body).as_bytes())?;
    }
    Ok(())
}

/// Registers a webhook at this URL for the creation of Pods in one namespace.
pub(crate) fn configuration(name: &str, namespace: &str, url: &str, ca: &[u8]) -> Value {
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": name},
    "webhooks": [{
        "name": "other.webhooks.example.test",
        "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 3,
        "clientConfig": {"url": url, "caBundle": BASE64_STANDARD.encode(ca)},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }]})
}
