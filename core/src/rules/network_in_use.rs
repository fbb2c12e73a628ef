#![doc = include_str!("network_in_use.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::{Change, Define};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "network-in-use",
    page: include_str!("network_in_use.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

/// The number of Pods that are named in a message.
const MAX_NAMED: usize = 3;

fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let (field, what) = match define.existence {
        Change::Absent => (
            "metadata.name",
            "is deleted: running Pods keep their interfaces, and a Pod that has to be started \
             again hangs in ContainerCreating",
        ),
        Change::Kept(()) if define.config.new().is_some() => (
            "spec.config",
            "changes: running Pods keep the old configuration until they are created again",
        ),
        Change::Kept(()) if define.selector.new().is_some() => (
            "metadata.annotations[k8s.v1.cni.cncf.io/nodeSelector]",
            "changes: running Pods stay on their nodes",
        ),
        Change::New(()) | Change::Kept(()) => return Vec::new(),
    };
    let object = &define.object;
    let Some(users) = world
        .usage
        .and_then(|usage| usage.users(&object.namespace, &object.name))
    else {
        return Vec::new();
    };
    let count = users.size();
    let mut names: Vec<_> = users
        .iter()
        .take(MAX_NAMED)
        .map(|pod| shorten(pod).into_owned())
        .collect();
    if let more @ 1.. = count - names.len() {
        names.push(format!("and {more} more"));
    }
    let (pods, use_) = if count == 1 {
        ("Pod", "uses")
    } else {
        ("Pods", "use")
    };
    let problem = format_args!(
        "{count} {pods} ({}) {use_} the network, which {what}",
        names.join(", ")
    );
    vec![Statement::at(object, Place::field(field), problem)]
}
