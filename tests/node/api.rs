//! The API of the cluster, over a kept connection.

use std::{
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use crate::{http::Client, pki::Identity};

/// How the API server is reached, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) port: u16,
    pub(crate) ca: PathBuf,
    pub(crate) identity: Identity,
}

/// One client of the API server, which keeps its connection.
pub(crate) struct Api {
    access: Access,
    client: Mutex<Option<Client>>,
}

/// What the API server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// What a `Status` says, or the whole object.
    pub(crate) fn message(&self) -> String {
        self.body["message"]
            .as_str()
            .map_or_else(|| self.body.to_string(), str::to_owned)
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Api {
    pub(crate) fn new(access: &Access) -> Self {
        Self {
            access: access.clone(),
            client: Mutex::new(None),
        }
    }

    /// Asks, on the connection that is there; one that the server has closed meanwhile is replaced.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let media_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = kept.as_mut() {
            match client.ask(method, path, media_type, body) {
                Ok(message) => return answer(&message),
                Err(_) => *kept = None,
            }
        }
        let Access { port, ca, identity } = &self.access;
        let mut client = Client::connect(*port, ca, Some(identity))?;
        let message = client.ask(method, path, media_type, body)?;
        *kept = Some(client);
        answer(&message)
    }

    pub(crate) fn get(&self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, object: &Value) -> io::Result<Answer> {
        self.ask("POST", path, &object.to_string())
    }

    pub(crate) fn patch(&self, path: &str, change: &Value) -> io::Result<Answer> {
        self.ask("PATCH", path, &change.to_string())
    }

    pub(crate) fn delete(&self, path: &str) -> io::Result<Answer> {
        self.ask("DELETE", path, "")
    }
}

fn answer(message: &crate::http::Message) -> io::Result<Answer> {
    let body = serde_json::from_slice(&message.body).or_else(|e| match message.text() {
        text if text.is_empty() || text == "ok" => Ok(Value::from(text)),
        text => Err(io::Error::other(format!("{e}: {text}"))),
    })?;
    Ok(Answer {
        status: message.status(),
        body,
    })
}

/// The path of the Pods of a namespace.
pub(crate) fn pods(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

/// The path of the network attachment definitions of a namespace.
pub(crate) fn networks(namespace: &str) -> String {
    format!("/apis/k8s.cni.cncf.io/v1/namespaces/{namespace}/network-attachment-definitions")
}
