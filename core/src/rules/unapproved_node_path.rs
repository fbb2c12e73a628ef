#![doc = include_str!("unapproved_node_path.md")]

use super::{Check, Rule, Statement};
use crate::cni::{Access, NodeUse, Used};
use crate::finding::{Level, Place};
use crate::node_path::{PathFault, normalize};
use crate::policy::path_pattern::PathPattern;
use crate::text::shorten;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unapproved-node-path",
    page: include_str!("unapproved_node_path.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for NodeUse { at, used } in define.new_uses() {
        let Used::Path { access, path } = used else {
            continue;
        };
        if let Some(problem) = problem(*access, path, world) {
            let place = Place::inside("spec.config", at.clone());
            let statement = Statement::at(&define.object, place, problem.message);
            statements.push(statement.at_most(problem.ceiling));
        }
    }
    statements
}

/// What is wrong with a path.
struct Problem {
    message: String,
    ceiling: Level,
}

fn problem(access: Access, path: &str, world: &World<'_>) -> Option<Problem> {
    let shown = shorten(path);
    let lists = &world.policy.node_paths;
    let deny = |message| {
        Some(Problem {
            message,
            ceiling: Level::Deny,
        })
    };
    let normal = match normalize(path) {
        Ok(normal) => normal,
        Err(PathFault::Parent) => {
            return deny(format!(
                "the path \"{shown}\" contains \"..\", so it is not known where it leads on a \
                 node: write an absolute path without \"..\""
            ));
        }
        Err(PathFault::Relative) => {
            return deny(format!(
                "the path \"{shown}\" is relative to the folder in which a plugin happens to run: \
                 write an absolute path"
            ));
        }
    };
    let is_in = |list: &[PathPattern]| list.iter().any(|pattern| pattern.matches(&normal));
    let (verb, key, list) = match access {
        Access::Read => ("read", "nodePaths.read", &lists.read),
        Access::Store => ("write into", "nodePaths.write", &lists.write),
        Access::Write => ("write to", "nodePaths.write", &lists.write),
        Access::Unknown => {
            return (!is_in(&lists.read) && !is_in(&lists.write)).then(|| Problem {
                message: format!(
                    "\"{shown}\" looks like a path on the node, which neither nodePaths.read nor \
                     nodePaths.write allows; what this plugin does with it is not known here, and \
                     it runs as root: make sure that it is harmless"
                ),
                ceiling: Level::Warn,
            });
        }
    };
    if is_in(list) {
        return None;
    }
    let allowed: Vec<_> = list.iter().map(PathPattern::as_str).collect();
    let allowed = if allowed.is_empty() {
        "no path".to_owned()
    } else {
        format!("only {}", allowed.join(", "))
    };
    deny(format!(
        "a plugin, which runs as root, would {verb} \"{shown}\" on the node, and {key} allows \
         {allowed}: use such a path or remove the key, or ask the administrator to allow this one"
    ))
}
