//! The AdmissionReview on the wire: borrowed in, owned out.
//!
//! The shapes are those of `k8s.io/api/admission/v1`; what the API server checks of an answer is in
//! `apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`.

mod response;

use std::borrow::Cow;

use crate::json::{Document, Kind, Member, SyntaxError, Value, line_and_column};
use crate::text::shorten;

pub use response::{Audit, Cause, Response};

/// The version of the AdmissionReview API that is supported.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// What the API server sends.
#[derive(Debug)]
pub struct Request<'d> {
    /// To be repeated in the answer.
    pub uid: Cow<'d, str>,
    /// `resource.group`, empty for the core group.
    pub group: Cow<'d, str>,
    /// `resource.resource`, plural and lower case.
    pub resource: Cow<'d, str>,
    /// `subResource`, empty for the object itself.
    pub sub_resource: Cow<'d, str>,
    /// `kind.kind`, for messages.
    pub kind: Cow<'d, str>,
    /// `name`; absent for generateName and deletecollection.
    pub name: Option<Cow<'d, str>>,
    /// `namespace`; empty for cluster-scoped objects.
    pub namespace: Cow<'d, str>,
    /// `operation`
    pub operation: Operation,
    /// `userInfo.username`: the user who sends it, as the API server authenticated it.
    pub user: Cow<'d, str>,
    /// `userInfo.groups`
    groups: Option<Value<'d>>,
    /// The object as it would be stored; `None` on DELETE.
    pub object: Option<Value<'d>>,
    /// The object as it is stored; `None` on CREATE.
    pub old_object: Option<Value<'d>>,
}

/// Which of the two webhooks is called.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Webhook {
    /// `/mutate`
    Mutate,
    /// `/validate`
    Validate,
}

/// An operation on an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// `CONNECT`
    Connect,
    /// `CREATE`
    Create,
    /// `DELETE`
    Delete,
    /// `UPDATE`
    Update,
}

/// Why a body is not an AdmissionReview: the only reason for an HTTP 400.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is JSON, but a field is not that of an AdmissionReview.
    #[error("not an AdmissionReview: {field} {problem}")]
    Shape {
        /// Path of the field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The body is not JSON.
    #[error("not an AdmissionReview: {problem} at line {line}, column {column}")]
    Syntax {
        /// In the words of Go.
        problem: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// The body is not UTF-8.
    #[error("not an AdmissionReview: byte {offset} is not UTF-8")]
    Utf8 {
        /// The first byte that is not UTF-8.
        offset: usize,
    },
}

/// Reads the JSON of a body.
///
/// # Errors
/// If it is not UTF-8 or not JSON.
pub fn read(body: &[u8]) -> Result<Document<'_>, Error> {
    let text = std::str::from_utf8(body).map_err(|error| Error::Utf8 {
        offset: error.valid_up_to(),
    })?;
    Document::parse(text).map_err(
        |SyntaxError {
             offset, problem, ..
         }| {
            let (line, column) = line_and_column(text, offset);
            Error::Syntax {
                problem,
                line,
                column,
            }
        },
    )
}

impl Webhook {
    /// Both, in the order in which they are called.
    pub const ALL: [Self; 2] = [Self::Mutate, Self::Validate];

    /// Its name in logs, metrics and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

impl<'d> Request<'d> {
    /// The request in an AdmissionReview.
    ///
    /// # Errors
    /// If a field that every AdmissionReview of `admission.k8s.io/v1` has is missing or of another
    /// type.
    pub fn of(document: &'d Document<'_>) -> Result<Self, Error> {
        let root = document.root();
        if root.kind() != Kind::Object {
            return Err(shape(
                "the body",
                format!("is {}, not an object", root.description()),
            ));
        }
        let (mut api_version, mut kind, mut request) = (None, None, None);
        for Member { key, value } in root.members() {
            match key.str().as_deref() {
                Some("apiVersion") => api_version = Some(value),
                Some("kind") => kind = Some(value),
                Some("request") => request = Some(value),
                _ => {}
            }
        }
        for (field, found, wanted) in [
            ("apiVersion", api_version, API_VERSION),
            ("kind", kind, "AdmissionReview"),
        ] {
            if !found.is_some_and(|found| found.is_str(wanted)) {
                let found = found.and_then(Value::str).unwrap_or_default();
                return Err(shape(
                    field,
                    format!("is \"{}\", not \"{wanted}\"", shorten(&found)),
                ));
            }
        }
        let request = match request {
            Some(request) if request.kind() == Kind::Object => request,
            Some(other) if !other.is_null() => {
                return Err(shape(
                    "request",
                    format!("is {}, not an object", other.description()),
                ));
            }
            _ => return Err(shape("request", "is missing".to_owned())),
        };
        let mut fields = Self {
            uid: Cow::Borrowed(""),
            group: Cow::Borrowed(""),
            resource: Cow::Borrowed(""),
            sub_resource: Cow::Borrowed(""),
            kind: Cow::Borrowed(""),
            name: None,
            namespace: Cow::Borrowed(""),
            operation: Operation::Connect,
            user: Cow::Borrowed(""),
            groups: None,
            object: None,
            old_object: None,
        };
        let mut operation = None;
        for member in request.members() {
            let value = member.value;
            let Some(key) = member.key.str() else {
                continue;
            };
            match &*key {
                "uid" => fields.uid = string("request.uid", value)?,
                "kind" => fields.kind = string("request.kind.kind", inner(value, "kind"))?,
                "resource" => {
                    fields.group = string("request.resource.group", inner(value, "group"))?;
                    fields.resource =
                        string("request.resource.resource", inner(value, "resource"))?;
                }
                "subResource" => fields.sub_resource = string("request.subResource", value)?,
                "name" => {
                    let name = string("request.name", value)?;
                    fields.name = (!name.is_empty()).then_some(name);
                }
                "namespace" => fields.namespace = string("request.namespace", value)?,
                "userInfo" => {
                    if let Some(user) = value.get("username") {
                        fields.user = string("request.userInfo.username", user)?;
                    }
                    fields.groups = value.get("groups");
                }
                "operation" => operation = Some(string("request.operation", value)?),
                "object" => fields.object = object("request.object", value)?,
                "oldObject" => fields.old_object = object("request.oldObject", value)?,
                _ => {}
            }
        }
        if fields.uid.is_empty() {
            return Err(shape("request.uid", "is missing".to_owned()));
        }
        if fields.resource.is_empty() {
            return Err(shape("request.resource.resource", "is missing".to_owned()));
        }
        fields.operation = match operation.as_deref() {
            Some("CONNECT") => Operation::Connect,
            Some("CREATE") => Operation::Create,
            Some("DELETE") => Operation::Delete,
            Some("UPDATE") => Operation::Update,
            Some(other) => {
                let problem = format!(
                    "is \"{}\", not CREATE, UPDATE, DELETE or CONNECT",
                    shorten(other)
                );
                return Err(shape("request.operation", problem));
            }
            None => return Err(shape("request.operation", "is missing".to_owned())),
        };
        match fields.operation {
            Operation::Create | Operation::Update if fields.object.is_none() => {
                Err(shape("request.object", "is missing".to_owned()))
            }
            Operation::Update if fields.old_object.is_none() => {
                Err(shape("request.oldObject", "is missing".to_owned()))
            }
            _ => Ok(fields),
        }
    }
}

impl Request<'_> {
    /// Whether the user who sends it is a member of a group.
    pub fn is_from_group(&self, group: &str) -> bool {
        let mut groups = self.groups.into_iter().flat_map(Value::elements);
        groups.any(|own| own.is_str(group))
    }
}

fn shape(field: &'static str, problem: String) -> Error {
    Error::Shape { field, problem }
}

fn string<'d>(field: &'static str, value: Value<'d>) -> Result<Cow<'d, str>, Error> {
    match value.str() {
        Some(text) => Ok(text),
        None if value.is_null() => Ok(Cow::Borrowed("")),
        None => Err(shape(
            field,
            format!("is {}, not a string", value.description()),
        )),
    }
}

fn object<'d>(field: &'static str, value: Value<'d>) -> Result<Option<Value<'d>>, Error> {
    match value.kind() {
        Kind::Object => Ok(Some(value)),
        Kind::Null => Ok(None),
        _ => Err(shape(
            field,
            format!("is {}, not an object", value.description()),
        )),
    }
}

fn inner<'d>(value: Value<'d>, key: &str) -> Value<'d> {
    value.get(key).unwrap_or(value)
}
