//! Reads a cluster for an audit: page by page, and no object is kept.

use multinic_core::policy::Policy;

use super::{Audit, Known};
use crate::cluster::inventory;
use crate::cluster::reader::{Reader, Unread, Wanted};
use crate::report::Report;
use crate::stored::{Kind, NETWORK, POD, WORKLOADS};

/// A Pod that has ended has no interfaces any more.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    /// The namespace; `None` for all.
    pub namespace: Option<&'a str>,
    /// A label selector for Pods and workloads; empty for all.
    pub labels: &'a str,
}

/// Is told what is being read: the plural of a kind, how many objects were handed over, and how many
/// are left.
pub type Progress<'a> = &'a dyn Fn(&str, u64, u64);

/// Reads and judges a cluster. What cannot be read is a problem in the report.
pub async fn read(
    reader: &Reader,
    scope: &Scope<'_>,
    policy: Policy,
    progress: Progress<'_>,
) -> Report {
    let mut problems = Vec::new();
    let global = policy.global_namespaces.iter().map(String::as_str);
    let mut namespaces: Vec<&str> = scope.namespace.into_iter().chain(global).collect();
    namespaces.push(&policy.multus_namespace);
    if scope.namespace.is_none() {
        namespaces.clear();
    }
    let (networks, are_known) = match inventory::networks(reader, &namespaces).await {
        Ok(networks) => (networks, true),
        Err(error) => {
            problems.push(format!("networks: {error}"));
            (inventory::Networks::default(), false)
        }
    };
    problems.extend(networks.unread.iter().map(|namespace| {
        format!("networks of namespace {namespace}: the right to list them is missing")
    }));
    let nodes = match inventory::nodes(reader).await {
        Ok(nodes) => Some(nodes),
        Err(error) => {
            problems.push(format!("the labels of nodes: {error}"));
            None
        }
    };
    let known = Known {
        policy,
        networks,
        nodes,
    };
    let mut audit = Audit::new(&known);
    for problem in problems {
        audit.not_checked(&problem);
    }
    // Without networks, every Pod would lack its own.
    if !are_known {
        audit.not_checked("Pods and workloads: what they request is not known");
        return audit.finish(false);
    }
    let mut sees_all = scope.namespace.is_none() && scope.labels.is_empty();
    for kind in [&NETWORK, &POD].into_iter().chain(&WORKLOADS) {
        match list(reader, kind, scope, &mut audit, progress).await {
            // The cluster has no such kind: no KubeVirt, no ResourceClaims, no networks.
            Ok(()) | Err(Unread::Absent(_)) => {}
            Err(error) => {
                audit.not_checked(&format!("{}: {error}", kind.resource));
                sees_all = false;
            }
        }
    }
    audit.finish(sees_all)
}

async fn list(
    reader: &Reader,
    kind: &Kind,
    scope: &Scope<'_>,
    audit: &mut Audit<'_>,
    progress: Progress<'_>,
) -> Result<(), Unread> {
    let path = kind.path(scope.namespace);
    let wanted = Wanted {
        path: &path,
        labels: if *kind == NETWORK { "" } else { scope.labels },
        fields: if *kind == POD { NOT_ENDED } else { "" },
        metadata_only: false,
    };
    let mut count = 0;
    progress(kind.resource, 0, 0);
    let listed = reader.list(&wanted, |item, left| {
        audit.object(kind, item.get());
        count += 1;
        progress(kind.resource, count, left);
    });
    listed.await.map(|_| ())
}
