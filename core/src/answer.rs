//! From a request to the bytes of its answer: the whole pipeline, without I/O.

use std::borrow::Cow;

use crate::finding::Finding;
use crate::mutate::{Mutation, mutate};
use crate::network::Snapshot;
use crate::policy::Policy;
use crate::review::{Audit, Request, Response, Webhook};
use crate::rules::{decide, fixes};
use crate::text::shorten;
use crate::validate::{Denial, Judgement, validate};
use crate::view::Subject;
use crate::world::World;

/// The answer to one review.
#[derive(Debug)]
pub struct Answer {
    /// The body: an AdmissionReview in one line.
    pub body: Vec<u8>,
    /// The verdict in the body.
    pub verdict: Verdict,
    /// What the rules reported; empty for a mutating answer, which has no messages.
    pub findings: Vec<Finding>,
}

/// The verdict of an answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// The request is admitted unchanged.
    Allow,
    /// The request is refused.
    Deny,
    /// The request is admitted with a change.
    Patch,
    /// The request is admitted, but the chart registers no webhook for such requests.
    Unregistered,
}

/// A request and its subject.
#[derive(Debug)]
pub struct Case<'a> {
    request: &'a Request<'a>,
    subject: Subject<'a>,
}

impl<'a> Case<'a> {
    /// Reads the subject of a request.
    pub fn of(request: &'a Request<'a>, policy: &Policy) -> Self {
        Self {
            request,
            subject: Subject::of(request, policy),
        }
    }

    /// The networks to be looked up before [`Self::answer`], as namespace and name.
    pub fn unknown<'s>(
        &'s self,
        policy: &'s Policy,
        snapshot: &Snapshot,
    ) -> Vec<(&'s str, &'s str)> {
        self.subject.unknown(policy, snapshot)
    }

    /// What the rules report, in a world in which every network of [`Self::unknown`] was looked up.
    pub fn findings(&self, world: &World<'_>) -> Vec<Finding> {
        decide(&self.subject, world)
    }

    /// The name of the object, for logs; its `generateName` and a `*` if it has none yet.
    pub fn name(&self) -> &str {
        match &self.subject {
            Subject::Attach(attach) => &attach.object.name,
            Subject::Define(define) => &define.object.name,
            Subject::Cluster(cluster) => &cluster.object.name,
            Subject::Other => self.request.name.as_deref().unwrap_or_default(),
        }
    }

    /// The networks that both annotations request, `namespace/name` each, for logs: separated by
    /// commas, and at most ten of them.
    pub fn networks(&self) -> String {
        const LISTED: usize = 10;
        let Subject::Attach(attach) = &self.subject else {
            return String::new();
        };
        let annotations = [&attach.default_network, &attach.networks];
        let requested = annotations
            .into_iter()
            .filter_map(|annotation| annotation.any());
        let requested = requested.flat_map(|networks| &networks.selections);
        let mut listed = String::new();
        for selection in requested.take(LISTED) {
            if !listed.is_empty() {
                listed.push(',');
            }
            listed.push_str(&selection.namespace);
            listed.push('/');
            listed.push_str(&selection.name);
        }
        listed
    }

    /// The answer, in a world in which every network of [`Self::unknown`] was looked up.
    pub fn answer(&self, webhook: Webhook, world: &World<'_>) -> Answer {
        let request = self.request;
        let other = matches!(self.subject, Subject::Other);
        let allowed = if other {
            Verdict::Unregistered
        } else {
            Verdict::Allow
        };
        let (verdict, body, findings) = match webhook {
            Webhook::Mutate => {
                let mutation = mutate(&self.subject, &fixes(&self.subject, world));
                let networks = match mutation {
                    Mutation::Allow => String::new(),
                    Mutation::Patch(_) => demands(&self.subject, world),
                };
                let audit = Audit {
                    verdict: mutation.name(),
                    rules: "",
                    networks: &networks,
                };
                match mutation {
                    Mutation::Allow => (
                        allowed,
                        Response::allow(&request.uid, &[], audit).write(),
                        Vec::new(),
                    ),
                    Mutation::Patch(patch) => {
                        debug_assert!(applies(request, &patch), "{patch}");
                        let patch = serde_json::to_vec(&patch).unwrap_or_default();
                        let response = Response::patch(&request.uid, &patch, audit);
                        (Verdict::Patch, response.write(), Vec::new())
                    }
                }
            }
            Webhook::Validate => {
                let findings = self.findings(world);
                let rules = names(&findings);
                let judgement = validate(&findings);
                let audit = Audit {
                    verdict: judgement.name(),
                    rules: &rules,
                    networks: "",
                };
                let (verdict, body) = match &judgement {
                    Judgement::Allow { warnings } => (
                        allowed,
                        Response::allow(&request.uid, warnings, audit).write(),
                    ),
                    Judgement::Deny(Denial {
                        causes,
                        denying,
                        warnings,
                    }) => {
                        let rule = causes.first().map_or("", |cause| cause.line.rule);
                        let reference = world.policy.documentation.replace("{rule}", rule);
                        let response =
                            Response::deny(request, causes, *denying, &reference, warnings, audit);
                        (Verdict::Deny, response.write())
                    }
                };
                (verdict, body, findings)
            }
        };
        Answer {
            body,
            verdict,
            findings,
        }
    }
}

impl Verdict {
    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Patch => "patch",
            Self::Unregistered => "unregistered",
        }
    }
}

/// The number of networks that are named in the audit log.
const MAX_NAMED: usize = 10;

/// The networks with requirements on a Pod, with the requirements, for the audit log: the object
/// that was sent does not show why it was patched.
fn demands(subject: &Subject<'_>, world: &World<'_>) -> String {
    let Subject::Attach(attach) = subject else {
        return String::new();
    };
    let mut named: Vec<String> = Vec::new();
    for asked in world.asked(attach) {
        let Some(network) = asked.known() else {
            continue;
        };
        let requirements = network.requirements().iter().map(ToString::to_string);
        let resource = network.resource.as_deref().map(ToOwned::to_owned);
        let demanded: Vec<_> = requirements.chain(resource).collect();
        let demand = format!("{} ({})", asked.selection.network(), demanded.join(","));
        let demand = shorten(&demand);
        if !demanded.is_empty() && !named.iter().any(|own| **own == *demand) {
            named.push(demand.into_owned());
        }
        if named.len() == MAX_NAMED {
            break;
        }
    }
    named.join("; ")
}

/// The names of the rules that reported, each once.
fn names(findings: &[Finding]) -> Cow<'static, str> {
    if let [finding] = findings {
        return Cow::Borrowed(finding.rule);
    }
    let mut names: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
    names.sort_unstable();
    names.dedup();
    Cow::Owned(names.join(","))
}

/// Whether the patch applies to the whole object: three to seven times the work of the decision, so
/// in debug builds only, and not for objects that are much larger than real ones.
fn applies(request: &Request<'_>, patch: &json_patch::Patch) -> bool {
    const MAX_OBJECT: usize = 1 << 16;
    let object = request
        .object
        .filter(|object| object.raw().len() <= MAX_OBJECT);
    let object = object.and_then(|object| serde_json::from_str(object.raw()).ok());
    object.is_none_or(|mut object| json_patch::patch(&mut object, patch).is_ok())
}
