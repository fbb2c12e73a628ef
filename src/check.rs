//! `multinic check`, without its command line: manifests are judged together, as the webhooks would
//! judge them when they are created.
//!
//! Each file is parsed twice at most: once for its objects, of which only the JSON is kept, and once
//! more for the places of its findings, if it has any.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use multinic_core::cluster_config::ClusterConfig;
use multinic_core::network::{Network, RESOURCE_NAME, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::selector::NODE_SELECTOR;
use serde_json::json;

use crate::manifest::{self, Comment, Node};
use crate::parallel;
use crate::progress::Progress;
use crate::report::{Cause, Entry, Position, Problem, Report, Source};

pub mod fix;
mod judge;
mod kinds;
mod locate;
mod suppress;

use judge::Judged;
use kinds::Kind;
use suppress::Suppression;

/// How manifests are judged.
#[derive(Debug)]
pub struct Options {
    /// What the administrator decided.
    pub policy: Policy,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// Networks beside those among the manifests.
    pub networks: Snapshot,
    /// The cluster configuration; `None` if it may be among the files.
    pub cluster: Option<ClusterConfig>,
    /// Whether there are no other networks: one that is not among them is missing, not unknown.
    pub is_complete: bool,
}

/// What was judged.
#[derive(Debug, Default)]
pub struct Checked {
    /// The findings.
    pub report: Report,
    /// The number of documents.
    pub documents: usize,
    /// Networks that are requested and are not among the manifests, as `namespace/name`, each once.
    pub unknown: Vec<String>,
    /// What is odd and not a finding, in one line each.
    pub notes: Vec<String>,
}

/// The manifests of all files, and the networks among them and beside them.
struct Manifests {
    files: Vec<File>,
    snapshot: Snapshot,
    /// What the administrator decided, in this cluster.
    policy: Policy,
    notes: Vec<String>,
}

/// An object that is judged.
#[derive(Debug)]
struct Object {
    kind: &'static Kind,
    version: String,
    namespace: String,
    /// Its name; empty if it has none.
    name: String,
    /// Its kind, namespace and name, for people.
    title: String,
    /// The object, as it is sent to the API server.
    json: String,
    /// The cluster configuration that it is.
    cluster: Option<ClusterConfig>,
    /// The comments that are for it, as indices of [`File::suppressions`].
    suppressions: Vec<usize>,
}

/// What is kept of a file.
#[derive(Default)]
struct File {
    documents: usize,
    objects: Vec<Object>,
    networks: Vec<(String, String, Arc<Network>)>,
    suppressions: Vec<Suppression>,
    /// What is wrong with comments, with the number of the line.
    notes: Vec<(usize, String)>,
    error: Option<manifest::Error>,
}

/// Judges the manifests of all files together.
pub fn check(sources: Vec<Source>, options: &Options) -> Checked {
    let manifests = Manifests::read(&sources, options);
    let work: Vec<_> = sources.iter().zip(&manifests.files).enumerate().collect();
    let progress = Progress::start(Some(work.len()), "files judged");
    let judged = parallel::map(&work, |(index, (source, file))| {
        let judge = |object| judge::judge(object, &manifests, options);
        let judged: Vec<_> = file.objects.iter().map(judge).collect();
        let positions = positions(*index, &source.text, &judged);
        progress.add(1);
        (judged, positions)
    });
    drop(progress);
    let mut checked = Checked {
        notes: manifests.notes,
        ..Checked::default()
    };
    let report = &mut checked.report;
    report.command = "check";
    for (index, ((file, source), (judged, mut positions))) in manifests
        .files
        .into_iter()
        .zip(&sources)
        .zip(judged)
        .enumerate()
    {
        checked.documents += file.documents;
        if let Some(error) = file.error {
            report.problems.push(Problem {
                cause: Cause::Unreadable,
                message: format!("{} cannot be read: {}", source.path, error.problem),
                position: Some(Position {
                    source: index,
                    span: error.at..error.at,
                    origin: None,
                }),
            });
        }
        let suite: Arc<str> = Arc::from(&*source.path);
        let mut notes = file.notes;
        let mut is_used = vec![false; file.suppressions.len()];
        for (object, judged) in file.objects.into_iter().zip(judged) {
            let comments = object.suppressions;
            let object = report.add_object(object.title, Arc::clone(&suite));
            for finding in &judged.findings {
                let position = positions.next();
                let mut entry = Entry::new(finding, object, position);
                for index in &comments {
                    if let Some(comment) = file.suppressions.get(*index) {
                        is_used[*index] |= comment.apply(&mut entry);
                    }
                }
                report.findings.push(entry);
            }
            checked.unknown.extend(judged.unknown);
        }
        let comments = file.suppressions.iter().zip(is_used);
        let unused = comments.filter(|(_, is_used)| !is_used);
        notes.extend(unused.map(|(comment, _)| {
            (
                comment.line,
                "the comment suppresses nothing: remove it".to_owned(),
            )
        }));
        notes.sort_unstable();
        let notes = notes.into_iter();
        let notes = notes.map(|(line, note)| format!("{}:{line}: {note}", source.path));
        checked.notes.extend(notes);
    }
    checked.notes.extend(repeated(report));
    report.sources = sources;
    checked.unknown.sort_unstable();
    checked.unknown.dedup();
    let details = json!({
        "files": checked.report.sources.len(),
        "documents": checked.documents,
        "objects": checked.report.objects.len(),
        "unknownNetworks": checked.unknown,
    });
    if let serde_json::Value::Object(details) = details {
        checked.report.details = details;
    }
    checked
}

/// Reads a file with a cluster configuration.
///
/// # Errors
/// What is wrong with it, without the name of the file.
pub fn cluster_config(text: &str) -> Result<ClusterConfig, String> {
    let documents = manifest::parse(text).map_err(|error| error.problem)?;
    let mut found = documents
        .iter()
        .filter_map(|document| kinds::cluster(&document.root));
    found.next().ok_or_else(|| {
        "it is not a cluster configuration: expected kind: UserCluster, or a Cluster of \
         baremetal.cluster.gke.io"
            .to_owned()
    })
}

/// Objects that are there more than once, of which the cluster would keep the last.
fn repeated(report: &Report) -> Vec<String> {
    let mut known = HashMap::new();
    let mut notes = Vec::new();
    for object in &report.objects {
        if object.title.ends_with('*') {
            continue;
        }
        if let Some(first) = known.insert(&*object.title, &object.suite) {
            notes.push(format!(
                "{} is there twice: in {first} and in {}",
                object.title, object.suite
            ));
        }
    }
    notes
}

/// The positions of all findings of a file, in their order.
fn positions(source: usize, text: &str, judged: &[Judged]) -> std::vec::IntoIter<Position> {
    let mut positions = Vec::new();
    if judged.iter().any(|judged| !judged.findings.is_empty())
        && let Ok(documents) = manifest::parse(text)
    {
        let mut objects = Vec::new();
        for document in &documents {
            let origin = document.origin.as_deref().map(Arc::from);
            let before = objects.len();
            collect(&document.root, &mut |node, _| {
                objects.push((node, None));
            });
            for (node, own) in objects.iter_mut().skip(before) {
                let annotated = kinds::origin(node).map(Arc::from);
                *own = annotated.or_else(|| origin.clone());
            }
        }
        for (judged, (node, origin)) in judged.iter().zip(&objects) {
            positions.extend(judged.findings.iter().map(|finding| Position {
                source,
                span: locate::span(node, &finding.place, text),
                origin: origin.clone(),
            }));
        }
    }
    positions.into_iter()
}

impl Manifests {
    fn read(sources: &[Source], options: &Options) -> Self {
        let progress = Progress::start(Some(sources.len()), "files read");
        let files = parallel::map(sources, |source| {
            progress.add(1);
            File::read(&source.text, options)
        });
        let mut snapshot = options.networks.clone();
        for (namespace, name, network) in files.iter().flat_map(|file| &file.networks) {
            snapshot.insert(namespace, name, Arc::clone(network));
        }
        let mut notes = Vec::new();
        let mut clusters = sources.iter().zip(&files).flat_map(|(source, file)| {
            let clusters = file
                .objects
                .iter()
                .filter_map(|object| object.cluster.as_ref());
            clusters.map(move |cluster| (source, cluster))
        });
        let mut cluster = options.cluster.as_ref();
        if cluster.is_none()
            && let Some((source, first)) = clusters.next()
        {
            cluster = Some(first);
            notes.extend(clusters.filter(|(_, other)| *other != first).map(|(other, _)| {
                format!(
                    "{} is another cluster configuration than {}: the manifests are judged by the \
                     latter; --cluster-config FILE names the one that counts",
                    other.path, source.path
                )
            }));
        }
        let policy = options.policy.clone();
        let policy = match cluster {
            Some(cluster) => policy.with_cluster(cluster),
            None => policy,
        };
        Self {
            files,
            snapshot,
            policy,
            notes,
        }
    }
}

impl File {
    fn read(text: &str, options: &Options) -> Self {
        let mut file = Self::default();
        let documents = match manifest::parse(text) {
            Ok(documents) => documents,
            Err(error) => {
                file.error = Some(error);
                return file;
            }
        };
        file.documents = documents.len();
        for document in &documents {
            let first = file.objects.len();
            let mut spans = Vec::new();
            collect(&document.root, &mut |node, kind| {
                file.add(node, kind, options);
                spans.push(node.span.clone());
            });
            for comment in &document.comments {
                file.add_comment(comment, first, &spans);
            }
        }
        file
    }

    /// Adds a comment for one of the objects from `first` on, whose spans are given, or for all of
    /// them.
    fn add_comment(&mut self, comment: &Comment, first: usize, spans: &[Range<usize>]) {
        let suppression = match Suppression::parse(comment) {
            Ok(suppression) => suppression,
            Err(problem) => return self.notes.push((comment.line, problem)),
        };
        let index = self.suppressions.len();
        self.suppressions.push(suppression);
        let own = spans.iter().position(|span| span.contains(&comment.at));
        let objects = self.objects.iter_mut().skip(first).enumerate();
        for (_, object) in objects.filter(|(at, _)| own.is_none_or(|own| own == *at)) {
            object.suppressions.push(index);
        }
    }

    fn add_cluster(&mut self, node: &Node, kind: &'static Kind) {
        let text = |node: Option<&Node>| node.and_then(Node::text).unwrap_or_default().to_owned();
        let metadata = node.get("metadata");
        let name = node.get("name").or_else(|| metadata?.get("name"));
        let name = text(name);
        let title = if name.is_empty() {
            kind.name.to_owned()
        } else {
            format!("{} {name}", kind.name)
        };
        self.objects.push(Object {
            kind,
            version: String::new(),
            namespace: String::new(),
            name,
            title,
            json: String::new(),
            cluster: kinds::cluster(node),
            suppressions: Vec::new(),
        });
    }

    fn add(&mut self, node: &Node, kind: &'static Kind, options: &Options) {
        if kind.is_cluster() {
            return self.add_cluster(node, kind);
        }
        let metadata = node.get("metadata");
        let text = |key| {
            let text = metadata.and_then(|metadata| metadata.get(key)?.text());
            text.filter(|text| !text.is_empty())
        };
        let name = text("name").unwrap_or_default();
        let namespace = text("namespace").unwrap_or(&options.namespace);
        if kind.is_network() && !name.is_empty() {
            let annotations = metadata.and_then(|metadata| metadata.get("annotations"));
            let annotation = |key| annotations.and_then(|all| all.get(key)?.text());
            let config = node.get("spec").and_then(|spec| spec.get("config")?.text());
            let network =
                Network::read(name, config.unwrap_or_default(), annotation(NODE_SELECTOR))
                    .with_resource(annotation(RESOURCE_NAME));
            let network = (namespace.to_owned(), name.to_owned(), Arc::new(network));
            self.networks.push(network);
        }
        let mut title = format!("{} {namespace}/", kind.name);
        match (name, text("generateName")) {
            ("", Some(prefix)) => drop(write!(title, "{prefix}*")),
            ("", None) => title.push('*'),
            (name, _) => title.push_str(name),
        }
        let api_version = node.get("apiVersion").and_then(Node::text);
        let (_, version) = kinds::group_version(api_version.unwrap_or_default());
        let mut json = String::new();
        node.write_json(&mut json);
        self.objects.push(Object {
            kind,
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            title,
            json,
            cluster: None,
            suppressions: Vec::new(),
        });
    }
}

/// Finds the objects of a document that are judged; `List`s are taken apart.
fn collect<'n>(node: &'n Node, found: &mut impl FnMut(&'n Node, &'static Kind)) {
    if kinds::cluster(node).is_some() {
        return found(node, &kinds::CLUSTER);
    }
    let Some(name) = node.get("kind").and_then(Node::text) else {
        return;
    };
    if name.ends_with("List")
        && let Some(items) = node.get("items")
    {
        for item in items.elements() {
            collect(item, found);
        }
        return;
    }
    let api_version = node.get("apiVersion").and_then(Node::text);
    if let Some(kind) = Kind::find(api_version.unwrap_or_default(), name) {
        found(node, kind);
    }
}
