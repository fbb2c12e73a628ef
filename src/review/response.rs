//! The answer. It is small and of one shape, so it is written without a serializer.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{API_VERSION, Request};
use crate::json::quote;

/// The answer to a [`Request`]: what stands in `response`.
#[derive(Debug)]
pub struct Response<'a> {
    uid: &'a str,
    patch: Option<&'a [u8]>,
    denial: Option<Denial<'a>>,
    warnings: &'a [Cow<'a, str>],
    audit: Audit<'a>,
}

/// `auditAnnotations`: what the API server's audit log keeps of a review.
#[derive(Debug)]
pub struct Audit<'a> {
    /// `allow`, `deny`, `keep` or `patch`.
    pub verdict: &'static str,
    /// The names of the rules that spoke, comma separated.
    pub rules: &'a str,
}

/// Why a request is refused: what goes into a `meta/v1` Status.
#[derive(Debug)]
struct Denial<'a> {
    message: &'a str,
    name: &'a str,
    group: &'a str,
    kind: &'a str,
    causes: &'a [Cause<'a>],
}

/// One reason of a refusal.
#[derive(Debug)]
pub struct Cause<'a> {
    /// A machine readable word of `meta/v1` CauseType.
    pub reason: &'static str,
    /// The finding, beginning with its rule's name.
    pub message: &'a str,
    /// Path of the field.
    pub field: Cow<'a, str>,
}

impl<'a> Response<'a> {
    /// The request passes, unchanged.
    pub fn allow(uid: &'a str, warnings: &'a [Cow<'a, str>], audit: Audit<'a>) -> Self {
        Self {
            uid,
            patch: None,
            denial: None,
            warnings,
            audit,
        }
    }

    /// The request passes, changed by a JSON Patch.
    pub fn patch(uid: &'a str, patch: &'a [u8], audit: Audit<'a>) -> Self {
        Self {
            patch: Some(patch),
            ..Self::allow(uid, &[], audit)
        }
    }

    /// The request is refused.
    pub fn deny(
        request: &'a Request<'_>,
        message: &'a str,
        causes: &'a [Cause<'a>],
        warnings: &'a [Cow<'a, str>],
        audit: Audit<'a>,
    ) -> Self {
        let denial = Denial {
            message,
            name: request.name.as_deref().unwrap_or_default(),
            group: &request.group,
            kind: &request.kind,
            causes,
        };
        Self {
            denial: Some(denial),
            ..Self::allow(&request.uid, warnings, audit)
        }
    }

    /// The body of the HTTP answer: an AdmissionReview in one line.
    pub fn write(&self) -> Vec<u8> {
        // Mostly enough, so that it need not grow.
        let texts = self
            .denial
            .as_ref()
            .map_or(0, |denial| 3 * denial.message.len())
            + self.patch.map_or(0, |patch| 2 * patch.len())
            + self
                .warnings
                .iter()
                .map(|line| line.len() + 16)
                .sum::<usize>();
        let mut out = Line(Vec::with_capacity(320 + texts));
        out.raw(r#"{"apiVersion":""#);
        out.raw(API_VERSION);
        out.raw(r#"","kind":"AdmissionReview","response":{"uid":"#);
        out.text(self.uid);
        match &self.denial {
            None => out.raw(r#","allowed":true"#),
            Some(denial) => {
                out.raw(r#","allowed":false,"status":"#);
                denial.write(&mut out);
            }
        }
        if let Some(patch) = self.patch {
            out.raw(r#","patchType":"JSONPatch""#);
            out.member("patch", &STANDARD.encode(patch));
        }
        let mut before = r#","warnings":["#;
        for line in self.warnings {
            out.raw(before);
            out.text(line);
            before = ",";
        }
        if !self.warnings.is_empty() {
            out.raw("]");
        }
        out.raw(r#","auditAnnotations":{"verdict":""#);
        out.raw(self.audit.verdict);
        out.raw("\"");
        out.member("rules", self.audit.rules);
        out.raw("}}}");
        out.0
    }
}

impl Denial<'_> {
    /// 403 Forbidden: of a 422 kubectl shows the causes and hides the message.
    fn write(&self, out: &mut Line) {
        out.raw(r#"{"status":"Failure","message":"#);
        out.text(self.message);
        out.raw(r#","reason":"Forbidden","code":403,"details":{"kind":"#);
        out.text(self.kind);
        out.member("name", self.name);
        out.member("group", self.group);
        let mut before = r#","causes":[{"reason":"#;
        for cause in self.causes {
            out.raw(before);
            out.text(cause.reason);
            out.member("message", cause.message);
            out.member("field", &cause.field);
            before = r#"},{"reason":"#;
        }
        if !self.causes.is_empty() {
            out.raw("}]");
        }
        out.raw("}}");
    }
}

/// JSON as it grows.
struct Line(Vec<u8>);

impl Line {
    /// Adds JSON.
    fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// Adds a string.
    fn text(&mut self, text: &str) {
        quote(text, &mut self.0);
    }

    /// Adds a string behind another member, unless it is empty.
    fn member(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.raw(",\"");
            self.raw(key);
            self.raw("\":");
            self.text(text);
        }
    }
}
