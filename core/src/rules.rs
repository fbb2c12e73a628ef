//! The rules, and the one place where they are evaluated.
//!
//! A rule states the place, the problem and the remedy; it cannot choose its name or its level. It
//! is one file of code and one page beside it, which is its documentation, the text of `multinic
//! explain`, and through its examples a test.

use std::fmt::{self, Write as _};

use crate::cni::Config;
use crate::fault::{Fault, MAX_FAULTS};
use crate::finding::{Finding, Level, Place};
use crate::network::Network;
use crate::patch::{self, Fix};
use crate::policy::Policy;
use crate::view::{Attach, Carrier, Cluster, Define, Object, Subject};
use crate::world::World;

// Other rules use these too.
pub mod unsupported_plugin;
pub mod unusable_request;
// The others.
pub mod ambiguous_config;
pub mod ambiguous_networks;
pub mod beyond_limits;
pub mod dangerous_value;
pub mod contested_link;
pub mod duplicate_interface;
pub mod invalid_node_interface;
pub mod invalid_node_selector;
pub mod invalid_plugin_config;
pub mod isolated_network;
pub mod malformed_config;
pub mod malformed_networks;
pub mod misplaced_networks;
pub mod missing_cni_version;
pub mod missing_dataplane_v2;
pub mod missing_network;
pub mod misspelled_annotation;
pub mod multi_nic_disabled;
pub mod network_in_use;
pub mod node_local_addresses;
pub mod on_disk_config;
pub mod overridden_network;
pub mod repeated_address;
pub mod repeated_node_network;
pub mod reserved_host_port;
pub mod shadowed_interface;
pub mod shared_address_store;
pub mod suspicious_networks;
pub mod suspicious_plugin_config;
pub mod unapproved_node_path;
pub mod unattached_network;
pub mod undeclared_capability;
pub mod undeclared_node_interface;
pub mod unenforced_node_selector;
pub mod ungranted_node_interface;
pub mod unreferenceable_name;
pub mod unrequested_default_route;
pub mod unrequested_resource;
pub mod unsatisfiable_node_selector;
pub mod unsupported_ipam;
pub mod unusable_network;

/// Every rule, the most important first: the first finding is the one that people see.
pub static RULES: [&Rule; 43] = [
    &beyond_limits::RULE,
    &multi_nic_disabled::RULE,
    &malformed_networks::RULE,
    &ambiguous_networks::RULE,
    &isolated_network::RULE,
    &dangerous_value::RULE,
    &missing_network::RULE,
    &unusable_network::RULE,
    &overridden_network::RULE,
    &reserved_host_port::RULE,
    &duplicate_interface::RULE,
    &unusable_request::RULE,
    &contested_link::RULE,
    &unsatisfiable_node_selector::RULE,
    &unenforced_node_selector::RULE,
    &unrequested_resource::RULE,
    &malformed_config::RULE,
    &ambiguous_config::RULE,
    &on_disk_config::RULE,
    &unsupported_plugin::RULE,
    &unsupported_ipam::RULE,
    &unapproved_node_path::RULE,
    &ungranted_node_interface::RULE,
    &invalid_plugin_config::RULE,
    &missing_dataplane_v2::RULE,
    &invalid_node_interface::RULE,
    &invalid_node_selector::RULE,
    &misplaced_networks::RULE,
    &unrequested_default_route::RULE,
    &network_in_use::RULE,
    &unattached_network::RULE,
    &repeated_address::RULE,
    &misspelled_annotation::RULE,
    &undeclared_capability::RULE,
    &shadowed_interface::RULE,
    &suspicious_networks::RULE,
    &suspicious_plugin_config::RULE,
    &shared_address_store::RULE,
    &undeclared_node_interface::RULE,
    &repeated_node_network::RULE,
    &node_local_addresses::RULE,
    &missing_cni_version::RULE,
    &unreferenceable_name::RULE,
];

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// What is wrong, in kebab case.
    pub name: &'static str,
    /// Its page, in Markdown.
    pub page: &'static str,
    /// Its level if the configuration sets none.
    pub default_level: Level,
    /// Whether objects can be exempted by their namespace only: users choose the names of their
    /// Pods and networks, so an exemption by name would give a right to anyone who takes that name.
    pub by_namespace_only: bool,
    /// What it checks, and how.
    pub check: Check,
    /// The change that satisfies it, if it can be made for the user. It is separate from `check`,
    /// because a mutation needs no messages, and because an object that is not judged may still be
    /// changed.
    pub fix: Option<fn(&Attach<'_>, &World<'_>) -> Option<Fix>>,
}

/// What a rule checks.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// Carriers of the annotations.
    Attach(fn(&Attach<'_>, &World<'_>) -> Vec<Statement>),
    /// Both.
    Both(
        fn(&Attach<'_>, &World<'_>) -> Vec<Statement>,
        fn(&Define<'_>, &World<'_>) -> Vec<Statement>,
    ),
    /// Cluster configurations, in files.
    Cluster(fn(&Cluster<'_>, &World<'_>) -> Vec<Statement>),
    /// NetworkAttachmentDefinitions.
    Define(fn(&Define<'_>, &World<'_>) -> Vec<Statement>),
}

/// What a rule reports, before it has a name and a level.
#[derive(Clone, Debug)]
pub struct Statement {
    place: Place,
    message: String,
    ceiling: Level,
}

/// Returns the findings on a subject, those of the highest level first.
///
/// A finding's level is the lowest of its rule's, the enforcement's and what the carrier allows. A
/// rule that is `off`, or from which the object is exempt, is not evaluated.
pub fn decide(subject: &Subject<'_>, world: &World<'_>) -> Vec<Finding> {
    let (object, ceiling) = match subject {
        Subject::Attach(attach) => (&attach.object, carrier_ceiling(attach, world.policy)),
        Subject::Define(define) => (&define.object, Level::Deny),
        Subject::Cluster(cluster) => (&cluster.object, Level::Deny),
        Subject::Other => return Vec::new(),
    };
    let mut findings = Vec::new();
    for rule in RULES {
        let statements = match (subject, rule.check) {
            (Subject::Attach(_), Check::Define(_) | Check::Cluster(_))
            | (Subject::Define(_), Check::Attach(_) | Check::Cluster(_))
            | (Subject::Cluster(_), Check::Attach(_) | Check::Both(..) | Check::Define(_)) => {
                continue;
            }
            _ if !is_enabled(rule, object, world.policy) => continue,
            (Subject::Attach(attach), _) if would_be_fixed(rule, attach, world) => continue,
            (Subject::Attach(attach), Check::Attach(check) | Check::Both(check, _)) => {
                check(attach, world)
            }
            (Subject::Define(define), Check::Define(check) | Check::Both(_, check)) => {
                check(define, world)
            }
            (Subject::Cluster(cluster), Check::Cluster(check)) => check(cluster, world),
            (Subject::Other, _) => continue,
        };
        if statements.is_empty() {
            continue;
        }
        // What is beyond the limits is not judged by other rules.
        let is_last = rule.name == beyond_limits::RULE.name;
        let highest = rule
            .level(world.policy)
            .min(world.policy.enforcement)
            .min(ceiling);
        findings.extend(statements.into_iter().take(MAX_FAULTS).map(
            |Statement {
                 place,
                 message,
                 ceiling,
             }| Finding::new(rule.name, highest.min(ceiling), place, message),
        ));
        if is_last {
            break;
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

/// Returns the changes that satisfy the rules. Rules at `warn` count as well; rules that are `off`,
/// or from which the object is exempt, do not, and none counts under `enforcement: warn`.
pub fn fixes(subject: &Subject<'_>, world: &World<'_>) -> Vec<Fix> {
    let Subject::Attach(attach) = subject else {
        return Vec::new();
    };
    if world.policy.enforcement != Level::Deny {
        return Vec::new();
    }
    let fixing = RULES.into_iter().filter_map(|rule| Some((rule, rule.fix?)));
    fixing
        .filter(|(rule, _)| is_enabled(rule, &attach.object, world.policy))
        .filter_map(|(_, fix)| fix(attach, world))
        .collect()
}

/// Whether an object that is not patched, because nothing is under `enforcement: warn`, would be
/// patched otherwise, so that the rule would report nothing.
fn would_be_fixed(rule: &Rule, attach: &Attach<'_>, world: &World<'_>) -> bool {
    world.policy.enforcement == Level::Warn
        && rule
            .fix
            .and_then(|fix| fix(attach, world))
            .is_some_and(|fix| patch::operations(&fix, attach).is_some())
}

/// The first reason for which a stored network would itself be refused, with its rule.
fn refusal(
    namespace: &str,
    name: &str,
    network: &Network,
    world: &World<'_>,
) -> Option<(&'static Rule, Statement)> {
    let define = Define::stored(namespace, name, network);
    // It is not written now, so it does not matter whether it is in use.
    let world = &World {
        usage: None,
        ..*world
    };
    // That no network may be used at all is reported once, for the Pod. A store that networks share
    // is not the fault of this one: the other one may have come later.
    let others = [
        multi_nic_disabled::RULE.name,
        shared_address_store::RULE.name,
    ];
    RULES.into_iter().find_map(|rule| {
        let (Check::Define(check) | Check::Both(_, check)) = rule.check else {
            return None;
        };
        if rule.level(world.policy) != Level::Deny || others.contains(&rule.name) {
            return None;
        }
        let mut statements = check(&define, world).into_iter();
        let refused = statements.find(|statement| statement.ceiling == Level::Deny)?;
        is_enabled(rule, &define.object, world.policy).then_some((rule, refused))
    })
}

/// The rule of that name.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.into_iter().find(|rule| rule.name == name)
}

impl Rule {
    /// Its level under `policy`.
    fn level(&self, policy: &Policy) -> Level {
        policy.level(self.name, self.default_level)
    }
}

impl Statement {
    fn new(place: Place, message: String) -> Self {
        Self {
            place,
            message,
            ceiling: Level::Deny,
        }
    }

    /// A problem at a place of an object.
    fn at(object: &Object<'_>, place: Place, problem: impl fmt::Display) -> Self {
        // Usually enough.
        let mut message = String::with_capacity(512);
        // Writing to a String does not fail.
        let _ = write!(message, "{object}: {place}: {problem}");
        Self::new(place, message)
    }

    /// Limits the level.
    fn at_most(self, ceiling: Level) -> Self {
        Self {
            ceiling: self.ceiling.min(ceiling),
            ..self
        }
    }
}

/// Whether a rule is on, and the object is not exempt from it.
#[inline]
fn is_enabled(rule: &Rule, object: &Object<'_>, policy: &Policy) -> bool {
    rule.level(policy) != Level::Off
        && !policy.exempts(
            rule.name,
            &object.namespace,
            &object.name,
            object.user.as_deref(),
        )
}

fn carrier_ceiling(attach: &Attach<'_>, policy: &Policy) -> Level {
    match attach.carrier {
        Carrier::Template { .. } => policy.templates,
        Carrier::Binding | Carrier::Claim | Carrier::ExistingPod | Carrier::NewPod => Level::Deny,
    }
}

/// The faults of a `spec.config` that is new or changed, one statement each.
fn config_faults<'f, F>(define: &'f Define<'_>, faults: fn(&'f Config) -> F) -> Vec<Statement>
where
    F: IntoIterator<Item = &'f Fault>,
{
    let Some(config) = define.config.new() else {
        return Vec::new();
    };
    let statement = |fault: &Fault| {
        let place = Place::inside("spec.config", fault.at.clone());
        Statement::at(&define.object, place, &fault.message)
    };
    faults(config).into_iter().map(statement).collect()
}
