//! What is wrong with single networks of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use multinic_core::finding::Level;
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::rules::decide;
use multinic_core::view::{Define, Subject};
use multinic_core::world::World;

use crate::cluster::folder::File;

/// Returns, in one line each, which networks are refused by the rules, so that no Pod may use them,
/// and which are defined twice.
pub(super) fn problems<'f>(
    files: impl IntoIterator<Item = (&'f Path, &'f File)>,
    snapshot: &Snapshot,
    policy: &Policy,
) -> BTreeSet<String> {
    let world = World {
        snapshot,
        fetched: &Fetched::default(),
        policy,
        usage: None,
    };
    let mut problems = BTreeSet::new();
    let mut networks = BTreeMap::new();
    for (path, file) in files {
        for (namespace, name, network) in &file.networks {
            if let Some((first, _)) = networks.insert((namespace, name), (path, network)) {
                problems.insert(format!(
                    "network {namespace}/{name} is defined twice: {} overrides {}",
                    path.display(),
                    first.display()
                ));
            }
        }
    }
    for ((namespace, name), (path, network)) in networks {
        let define = Subject::Define(Define::stored(namespace, name, network));
        let mut findings = decide(&define, &world).into_iter();
        if let Some(finding) = findings.find(|one| one.level == Level::Deny) {
            let path = path.display();
            problems.insert(format!(
                "Pods cannot use network {namespace}/{name} of {path}: {}",
                finding.line()
            ));
        }
    }
    problems
}
