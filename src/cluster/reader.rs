//! Objects as the API server sends them, for commands that read a cluster once.
//!
//! Lists are read in pages, and of a page only what the caller takes is kept, so that memory does not
//! grow with the number of objects.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::core::params::ListParams;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::error::chain;

/// How many objects the API server sends at a time, as kubectl asks for them.
const PAGE: u32 = 500;
/// How long an answer may take: a webhook may take 30 s of it.
const ANSWER: Duration = Duration::from_mins(1);

/// Reads from an API server.
#[derive(Clone)]
pub struct Reader {
    client: kube::Client,
}

/// An answer of the API server, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Why something could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// The API server answered 404: there is no such object, or no such kind.
    #[error("{0}")]
    Absent(String),
    /// The API server answered 401 or 403: rights are missing.
    #[error("{0}")]
    Forbidden(String),
    /// The API server answered something else than what was asked for.
    #[error("the API server answered {0}: {1}")]
    Refused(u16, String),
    /// There was no answer.
    #[error("the API server does not answer: {0}")]
    Unreachable(String),
}

/// What is to be listed.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// The path of the list, without a query: `/api/v1/pods`.
    pub path: &'a str,
    /// A label selector; empty for all.
    pub labels: &'a str,
    /// A field selector; empty for all.
    pub fields: &'a str,
    /// Whether the metadata of each object is enough.
    pub metadata_only: bool,
}

#[derive(Deserialize)]
struct Page<'p> {
    #[serde(default)]
    metadata: Listed,
    #[serde(borrow, default)]
    items: Option<Vec<&'p RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default, rename = "continue")]
    next: Option<String>,
    #[serde(default)]
    remaining_item_count: Option<u64>,
}

impl Reader {
    /// Reads with this client.
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// Sends a request, and returns its answer whatever the status.
    ///
    /// # Errors
    /// [`Unread::Unreachable`] if there is no answer.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Answer, Unread> {
        let answered = async {
            let answer = self.client.send(request.map(Into::into)).await;
            let (head, body) = answer.map_err(|error| chain(&error))?.into_parts();
            let body = body.collect().await.map_err(|error| chain(&error))?;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes().into(),
            })
        };
        if let Ok(answered) = timeout(ANSWER, answered).await {
            answered.map_err(Unread::Unreachable)
        } else {
            let seconds = ANSWER.as_secs();
            let error = format!("no answer within {seconds} s (deadline exceeded)");
            Err(Unread::Unreachable(error))
        }
    }

    /// Sends an object to be created, as a dry run: nothing is stored.
    ///
    /// # Errors
    /// [`Unread::Unreachable`] if there is no answer.
    pub async fn create_dry(&self, path: &str, object: &Value) -> Result<Answer, Unread> {
        let request = Request::post(format!("{path}?dryRun=All"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(object.to_string().into_bytes());
        self.send(request.map_err(|error| Unread::Unreachable(error.to_string()))?)
            .await
    }

    /// Reads an object, or whatever else the API server serves under a path.
    ///
    /// # Errors
    /// If there is no answer, or none with the status 200.
    pub async fn get(&self, path: &str) -> Result<Value, Unread> {
        let request = Request::get(path).body(Vec::new());
        let request = request.map_err(|error| Unread::Unreachable(error.to_string()))?;
        let answer = self.send(request).await?.success()?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| Unread::Refused(200, format!("what is not JSON: {error}")))
    }

    /// Reads a list in pages, and hands each object to `take`, together with how many the API server
    /// says are left after its page. Returns how many there were.
    ///
    /// # Errors
    /// As [`Self::get`]. What was handed over before stays so.
    pub async fn list(
        &self,
        wanted: &Wanted<'_>,
        mut take: impl FnMut(&RawValue, u64),
    ) -> Result<usize, Unread> {
        let mut next: Option<String> = None;
        let mut count = 0;
        loop {
            let answer = self.send(wanted.page(next.as_deref())?).await?.success()?;
            let page: Page<'_> = serde_json::from_slice(&answer.body)
                .map_err(|error| Unread::Refused(200, format!("what is not a list: {error}")))?;
            let left = page.metadata.remaining_item_count.unwrap_or_default();
            let items = page.items.unwrap_or_default();
            count += items.len();
            for item in items {
                take(item, left);
            }
            next = page.metadata.next.filter(|next| !next.is_empty());
            if next.is_none() {
                return Ok(count);
            }
        }
    }

    /// Reads a list that is known to be short.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn all(&self, wanted: &Wanted<'_>) -> Result<Vec<Value>, Unread> {
        let mut all = Vec::new();
        self.list(wanted, |item, _| {
            all.push(serde_json::from_str(item.get()).unwrap_or_default());
        })
        .await?;
        Ok(all)
    }
}

impl Wanted<'_> {
    fn page(&self, next: Option<&str>) -> Result<Request<Vec<u8>>, Unread> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let params = ListParams {
            label_selector: some(self.labels),
            field_selector: some(self.fields),
            continue_token: next.map(str::to_owned),
            limit: Some(PAGE),
            ..ListParams::default()
        };
        let request = kube::core::Request::new(self.path);
        let request = if self.metadata_only {
            request.list_metadata(&params)
        } else {
            request.list(&params)
        };
        request.map_err(|error| Unread::Unreachable(error.to_string()))
    }
}

impl Answer {
    /// The message of a `Status`; empty where the body is something else.
    pub fn message(&self) -> String {
        let status: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        status["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The warnings, one a line.
    pub fn warnings(&self) -> String {
        let all = self.headers.get_all(header::WARNING).iter();
        // A message may hold what `to_str` refuses: every byte that is not ASCII.
        all.map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The answer, if it is what was asked for.
    ///
    /// # Errors
    /// The reason, if its status is not a success.
    pub fn success(self) -> Result<Self, Unread> {
        if self.status.is_success() {
            return Ok(self);
        }
        let message = self.message();
        Err(match self.status {
            StatusCode::NOT_FOUND => Unread::Absent(message),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Unread::Forbidden(message),
            status => Unread::Refused(status.as_u16(), message),
        })
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    #[test]
    fn an_answer_says_why_there_is_nothing_to_read() {
        let why = |status| answer(status, r#"{"message": "m"}"#).success().unwrap_err();
        assert_eq!(why(403), Unread::Forbidden("m".to_owned()));
        assert_eq!(why(401), Unread::Forbidden("m".to_owned()));
        assert_eq!(why(404), Unread::Absent("m".to_owned()));
        assert_eq!(why(503).to_string(), "the API server answered 503: m");
        assert!(answer(200, "").success().is_ok());
    }

    #[test]
    fn a_page_is_asked_for_with_its_selectors() {
        let wanted = Wanted {
            path: "/api/v1/pods",
            labels: "app in (a,b)",
            metadata_only: true,
            ..Wanted::default()
        };
        let request = wanted.page(Some("next")).expect("a request");
        let uri = request.uri().to_string();
        assert!(
            uri.contains("limit=500") && uri.contains("continue=next"),
            "{uri}"
        );
        assert!(uri.contains("labelSelector=app+in+%28a%2Cb%29"), "{uri}");
        let accept = request.headers()[header::ACCEPT].to_str().expect("a text");
        assert!(accept.contains("PartialObjectMetadata"), "{accept}");
    }
}
