//! The answer. It is small and of one shape, so it is written without a serializer.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{API_VERSION, Request};
use crate::fault::MAX_FAULTS;
use crate::finding::Line;
use crate::json::write_escaped;

/// The answer to a [`Request`]: the content of `response`.
#[derive(Debug)]
pub struct Response<'a> {
    uid: &'a str,
    patch: Option<&'a [u8]>,
    refusal: Option<Refusal<'a>>,
    warnings: &'a [Line<'a>],
    audit: Audit<'a>,
}

/// `auditAnnotations`: what the API server's audit log keeps of a review.
#[derive(Debug)]
pub struct Audit<'a> {
    /// `allow`, `deny` or `patch`.
    pub verdict: &'static str,
    /// The names of the rules that reported, separated by commas.
    pub rules: &'a str,
    /// The networks for which the object was patched, each with its requirements.
    pub networks: &'a str,
}

/// Why a request is refused: what goes into a `meta/v1` Status.
#[derive(Debug)]
struct Refusal<'a> {
    name: &'a str,
    group: &'a str,
    kind: &'a str,
    causes: &'a [Cause<'a>],
    denying: usize,
    reference: &'a str,
}

/// One reason of a refusal.
#[derive(Debug)]
pub struct Cause<'a> {
    /// What is wrong.
    pub line: Line<'a>,
    /// Path of the field.
    pub field: Cow<'a, str>,
}

/// The maximum number of lines in the message of a refusal, one for each finding.
const MAX_LINES: usize = 10;

impl<'a> Response<'a> {
    /// The request is admitted, unchanged.
    pub fn allow(uid: &'a str, warnings: &'a [Line<'a>], audit: Audit<'a>) -> Self {
        Self {
            uid,
            patch: None,
            refusal: None,
            warnings,
            audit,
        }
    }

    /// The request is admitted, changed by a JSON Patch.
    pub fn patch(uid: &'a str, patch: &'a [u8], audit: Audit<'a>) -> Self {
        Self {
            patch: Some(patch),
            ..Self::allow(uid, &[], audit)
        }
    }

    /// The request is refused for `denying` findings, the first of which are the causes. People are
    /// referred to `reference`, unless it is empty.
    pub fn deny(
        request: &'a Request<'_>,
        causes: &'a [Cause<'a>],
        denying: usize,
        reference: &'a str,
        warnings: &'a [Line<'a>],
        audit: Audit<'a>,
    ) -> Self {
        let refusal = Refusal {
            name: request.name.as_deref().unwrap_or_default(),
            group: &request.group,
            kind: &request.kind,
            causes,
            denying,
            reference,
        };
        Self {
            refusal: Some(refusal),
            ..Self::allow(&request.uid, warnings, audit)
        }
    }

    /// The body of the HTTP answer: an AdmissionReview in one line.
    pub fn write(&self) -> Vec<u8> {
        // Usually enough, so that it need not grow.
        let length = |line: &Line<'_>| line.message.len() + 64;
        let causes = self.refusal.iter().flat_map(|refusal| refusal.causes);
        let texts = causes
            .map(|cause| 2 * length(&cause.line) + 64)
            .sum::<usize>()
            + self.patch.map_or(0, |patch| 2 * patch.len())
            + self.warnings.iter().map(length).sum::<usize>();
        let mut out = Json(Vec::with_capacity(320 + texts));
        out.raw(r#"{"apiVersion":""#);
        out.raw(API_VERSION);
        out.raw(r#"","kind":"AdmissionReview","response":{"uid":"#);
        out.text(self.uid);
        match &self.refusal {
            None => out.raw(r#","allowed":true"#),
            Some(refusal) => {
                out.raw(r#","allowed":false,"status":"#);
                refusal.write(&mut out);
            }
        }
        if let Some(patch) = self.patch {
            out.raw(r#","patchType":"JSONPatch""#);
            out.member("patch", &STANDARD.encode(patch));
        }
        let mut before = r#","warnings":[""#;
        for line in self.warnings {
            out.raw(before);
            out.line(line);
            before = r#"",""#;
        }
        if !self.warnings.is_empty() {
            out.raw(r#""]"#);
        }
        out.raw(r#","auditAnnotations":{"verdict":""#);
        out.raw(self.audit.verdict);
        out.raw("\"");
        out.member("rules", self.audit.rules);
        out.member("networks", self.audit.networks);
        out.raw("}}}");
        out.0
    }
}

impl Refusal<'_> {
    /// 403 Forbidden: for a 422, kubectl shows the causes and hides the message.
    fn write(&self, out: &mut Json) {
        out.raw(r#"{"status":"Failure","message":""#);
        // Each line is escaped once and copied from here into its cause.
        let mut written = [const { 0..0 }; MAX_LINES];
        for (index, (cause, place)) in self.causes.iter().zip(&mut written).enumerate() {
            if index > 0 {
                out.raw("\\n");
            }
            let start = out.0.len();
            out.line(&cause.line);
            *place = start..out.0.len();
            if index == 0 && self.denying > 1 {
                out.raw(" (and ");
                if self.denying >= MAX_FAULTS {
                    out.raw("at least ");
                }
                out.raw(itoa::Buffer::new().format(self.denying - 1));
                out.raw(" more)");
            }
        }
        if !self.reference.is_empty() {
            out.raw("\\nSee: ");
            write_escaped(self.reference, &mut out.0);
        }
        out.raw(r#"","reason":"Forbidden","code":403,"details":{"#);
        for (key, text) in [(r#""name":"#, self.name), (r#""group":"#, self.group)] {
            if !text.is_empty() {
                out.raw(key);
                out.text(text);
                out.raw(",");
            }
        }
        out.raw(r#""kind":"#);
        out.text(self.kind);
        let mut before = r#","causes":[{"reason":"FieldValueInvalid","message":""#;
        for (index, cause) in self.causes.iter().enumerate() {
            out.raw(before);
            match written.get(index) {
                Some(written) => out.0.extend_from_within(written.clone()),
                None => out.line(&cause.line),
            }
            out.raw("\"");
            out.member("field", &cause.field);
            before = r#"},{"reason":"FieldValueInvalid","message":""#;
        }
        if !self.causes.is_empty() {
            out.raw("}]");
        }
        out.raw("}}");
    }
}

/// JSON that is being written.
struct Json(Vec<u8>);

impl Json {
    /// Adds JSON.
    fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// Adds a string.
    fn text(&mut self, text: &str) {
        self.raw("\"");
        write_escaped(text, &mut self.0);
        self.raw("\"");
    }

    /// Adds a line to a string.
    fn line(&mut self, line: &Line<'_>) {
        self.raw(line.rule);
        self.raw(Line::SEPARATOR);
        write_escaped(&line.message, &mut self.0);
    }

    /// Adds a string after another member, unless it is empty.
    fn member(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.raw(",\"");
            self.raw(key);
            self.raw("\":");
            self.text(text);
        }
    }
}
