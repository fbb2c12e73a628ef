//! Which nodes are left for a Pod, and what each other node lacks.

use std::collections::BTreeMap;

use multinic_core::view::Attach;
use multinic_core::world::World;
use serde::Serialize;

use crate::cluster::inventory::Nodes;

/// How many nodes are named of each sort.
const NAMED: usize = 5;

/// The nodes, sorted by what they lack.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Left {
    /// How many nodes there are.
    all: usize,
    /// Those that are left.
    #[serde(rename = "left")]
    names: Vec<String>,
    /// The others, by what they lack.
    lacking: BTreeMap<String, Vec<String>>,
}

/// Sorts the nodes; `None` where placement is nobody's business, as with the Pod of a node's own
/// network.
pub(super) fn left(nodes: &Nodes, world: &World<'_>, attach: &Attach<'_>) -> Option<Left> {
    let placement = attach.placement.as_ref()?;
    let mut all = Left {
        all: nodes.len(),
        names: Vec::new(),
        lacking: BTreeMap::new(),
    };
    for (node, labels) in nodes {
        let label = |key: &str| labels.get(key).map(String::as_str);
        let unmet = world.asked(attach).find_map(|asked| {
            let mut requirements = asked.known()?.requirements().iter();
            let unmet = requirements.find(|own| !own.is_met_by(label(&own.key)))?;
            let found = match label(&unmet.key) {
                Some(value) => format!("it has {}={value}", unmet.key),
                None => "it has no such label".to_owned(),
            };
            let network = asked.selection.network();
            Some(format!("{unmet} of network {network}: {found}"))
        });
        let own = || {
            let text = "the Pod's own nodeSelector or required node affinity";
            (!placement.permits(node, label)).then(|| text.to_owned())
        };
        match unmet.or_else(own) {
            Some(lacks) => all.lacking.entry(lacks).or_default().push(node.clone()),
            None => all.names.push(node.clone()),
        }
    }
    Some(all)
}

impl Left {
    /// Whether no node is left.
    pub(super) fn is_none(&self) -> bool {
        self.names.is_empty()
    }

    /// The nodes for people: one line for those that are left, and one for each lack.
    pub(super) fn lines(&self) -> Vec<String> {
        let left = if self.names.is_empty() {
            format!("none of {} is left by labels", self.all)
        } else {
            let (count, all) = (self.names.len(), self.all);
            format!("{count} of {all} left by labels: {}", named(&self.names))
        };
        let lacking = self.lacking.iter();
        let lacking = lacking.map(|(lacks, nodes)| format!("lacking {lacks}: {}", named(nodes)));
        [left].into_iter().chain(lacking).collect()
    }
}

fn named(nodes: &[String]) -> String {
    let more = nodes.len().saturating_sub(NAMED);
    let names: Vec<&str> = nodes.iter().take(NAMED).map(String::as_str).collect();
    let names = names.join(", ");
    if more == 0 {
        return names;
    }
    format!("{names} and {more} more")
}
