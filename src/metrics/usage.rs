//! The networks in use, in the names under which net-attach-def-admission-controller counts them
//! (`pkg/localmetrics/localmetrics.go`), so that its dashboards and alerts go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use multinic_core::network::Snapshot;
use multinic_core::usage::Usage;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::watch;

/// The maximum number of combinations of plugins that have a label of their own: those that most
/// Pods use.
const MAX_SERIES: usize = 256;
/// What is counted for every Pod that uses a known network.
const ANY: &str = "any";
/// The plugins that are reported as 0 if no Pod uses them.
const UP: [&str; 3] = [ANY, "ib-sriov", "sriov"];

/// Counts at each scrape; reports nothing until the tables are set.
#[derive(Clone, Debug, Default)]
pub(super) struct NetworksInUse(pub(super) Arc<OnceLock<Sources>>);

/// What is known.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) networks: watch::Receiver<Option<Arc<Snapshot>>>,
    pub(super) usage: watch::Receiver<Option<Arc<Usage>>>,
}

impl Collector for NetworksInUse {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(Sources { networks, usage }) = self.0.get() else {
            return Ok(());
        };
        let (networks, usage) = (networks.borrow().clone(), usage.borrow().clone());
        let (Some(networks), Some(usage)) = (networks, usage) else {
            return Ok(());
        };
        let counts = counts(&networks, &usage);
        let mut family = encoder.encode_descriptor(
            "network_attachment_definition_instances",
            "Pods that have not ended and use a network of these plugins",
            None,
            MetricType::Gauge,
        )?;
        for (plugins, count) in most_used(&counts) {
            let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&[("networks", plugins)])?)?;
        }
        let mut family = encoder.encode_descriptor(
            "network_attachment_definition_enabled_instance_up",
            "1 if a Pod that has not ended uses a network of this plugin",
            None,
            MetricType::Gauge,
        )?;
        for plugin in UP {
            let gauge = ConstGauge::new(i64::from(counts.contains_key(plugin)));
            gauge.encode(family.encode_family(&[("networks", plugin)])?)?;
        }
        Ok(())
    }
}

/// How many Pods use networks of each plugin, of each combination of plugins, and of any.
fn counts(networks: &Snapshot, usage: &Usage) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (names, pods) in usage.together() {
        let known = names
            .iter()
            .filter_map(|(namespace, name)| networks.get(namespace, name));
        let plugins: BTreeSet<&str> = known
            .flat_map(|network| &network.config.plugins)
            .map(|plugin| &*plugin.kind)
            .collect();
        let mut add = |plugins: String| *counts.entry(plugins).or_default() += pods;
        if plugins.is_empty() {
            continue;
        }
        add(ANY.to_owned());
        for plugin in &plugins {
            add((*plugin).to_owned());
        }
        if plugins.len() > 1 {
            add(plugins.into_iter().collect::<Vec<_>>().join(","));
        }
    }
    counts
}

fn most_used(counts: &BTreeMap<String, usize>) -> Vec<(&str, usize)> {
    let mut all: Vec<_> = counts
        .iter()
        .map(|(plugins, count)| (&**plugins, *count))
        .collect();
    if all.len() > MAX_SERIES {
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.truncate(MAX_SERIES);
        all.sort_unstable();
    }
    all
}
