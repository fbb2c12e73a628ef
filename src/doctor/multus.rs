//! Whether Multus is there, and whether its isolation agrees with multinic's.

use multinic_core::policy::Policy;
use serde_json::Value;

use super::{Check, Outcome};

/// A DaemonSet that runs Multus.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Multus {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    name: String,
    /// The image that it runs.
    image: String,
    /// Nodes that should run it, and those where it is ready.
    nodes: (u64, u64),
    /// The names of the `ConfigMaps` that it mounts.
    pub(super) config_maps: Vec<String>,
    /// The arguments of its containers.
    args: Vec<String>,
}

/// What Multus itself refuses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Isolation {
    /// `namespaceIsolation`
    enabled: bool,
    /// `globalNamespaces`; `None` where it is not set, which means `default`.
    global: Option<Vec<String>>,
}

/// The `DaemonSets` that run Multus.
pub(super) fn find(daemon_sets: &[Value]) -> Vec<Multus> {
    daemon_sets.iter().filter_map(Multus::of).collect()
}

impl Multus {
    fn of(object: &Value) -> Option<Self> {
        let pod = &object["spec"]["template"]["spec"];
        let containers = pod["containers"].as_array()?;
        let image = |container: &Value| {
            let image = container["image"].as_str()?;
            runs_multus(image).then(|| image.to_owned())
        };
        let image = containers.iter().find_map(image)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mounted = |volume: &Value| text(&volume["configMap"]["name"]);
        let words = |container: &Value| {
            let lists = ["command", "args"].map(|key| container[key].as_array().cloned());
            let words: Vec<_> = lists.into_iter().flatten().flatten().collect();
            words
        };
        let count = |key: &str| object["status"][key].as_u64().unwrap_or_default();
        Some(Self {
            namespace: text(&object["metadata"]["namespace"]).unwrap_or_default(),
            name: text(&object["metadata"]["name"]).unwrap_or_default(),
            image,
            nodes: (count("desiredNumberScheduled"), count("numberReady")),
            config_maps: pod["volumes"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(mounted)
                .collect(),
            args: containers
                .iter()
                .flat_map(words)
                .filter_map(|word| text(&word))
                .collect(),
        })
    }

    /// The isolation that its arguments (thin plugin) or its `ConfigMaps` (thick plugin, and a thin one
    /// with a file of its own) set.
    pub(super) fn isolation(&self, config_maps: &[Value]) -> Isolation {
        let mut isolation = Isolation::default();
        for arg in &self.args {
            // A script may be one argument with all of them.
            for word in arg.split_whitespace() {
                let word = word.trim_matches(['"', '\'']);
                if let Some(value) = word.strip_prefix("--namespace-isolation=") {
                    isolation.enabled = value == "true";
                } else if let Some(value) = word.strip_prefix("--global-namespaces=") {
                    isolation.set_global(value);
                }
            }
        }
        for config_map in config_maps {
            for text in config_map["data"]
                .as_object()
                .into_iter()
                .flat_map(|data| data.values())
            {
                let text = text.as_str().unwrap_or_default();
                let config: Value = serde_json::from_str(text).unwrap_or_default();
                if let Some(enabled) = config["namespaceIsolation"].as_bool() {
                    isolation.enabled = enabled;
                }
                if let Some(global) = config["globalNamespaces"].as_str() {
                    isolation.set_global(global);
                }
            }
        }
        isolation
    }
}

impl Isolation {
    /// An empty value means the default.
    fn set_global(&mut self, value: &str) {
        let names: Vec<_> = value
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect();
        self.global = (!value.is_empty()).then_some(names);
    }

    fn is_global(&self, namespace: &str) -> bool {
        match &self.global {
            Some(names) => names.iter().any(|name| name == namespace),
            None => namespace == "default",
        }
    }
}

/// Whether the repository of an image is one of Multus: `multus-cni`, `multus-thick`,
/// `hardened-multus-cni`; not `multus-dynamic-networks-controller` and not `network-metrics`.
fn runs_multus(image: &str) -> bool {
    let repository = image.rsplit('/').next().unwrap_or(image);
    let repository = repository.split(['@', ':']).next().unwrap_or(repository);
    repository.contains("multus") && !repository.contains("dynamic")
}

/// Whether Multus runs on every node that should run it.
pub(super) fn presence(found: &[Multus]) -> Check {
    const CHECK: &str = "multus";
    let Some(multus) = found.first() else {
        return Check::new(
            CHECK,
            Outcome::Warning,
            "no DaemonSet runs an image of Multus: unless it is installed in another way, no network \
             is attached",
        )
        .remedy("install Multus; on k3s, RKE2 and OpenShift the platform brings it");
    };
    let of = format!("DaemonSet {}/{}", multus.namespace, multus.name);
    if let [_, second, ..] = found {
        let message = format!(
            "{of} and {}/{} both run Multus: two configurations of it compete on the nodes",
            second.namespace, second.name
        );
        return Check::new(CHECK, Outcome::Warning, message).remedy("remove one of them");
    }
    let (wanted, ready) = multus.nodes;
    let message = format!(
        "{of} runs {}, ready on {ready} of {wanted} nodes",
        multus.image
    );
    if ready < wanted {
        return Check::new(CHECK, Outcome::Failed, message).remedy(format!(
            "kubectl -n {} get pods -o wide; Pods on the other nodes start without networks or hang",
            multus.namespace
        ));
    }
    Check::new(CHECK, Outcome::Ok, message)
}

/// Whether what multinic admits is admitted by Multus too.
pub(super) fn isolation(isolation: &Isolation, policy: &Policy) -> Check {
    const CHECK: &str = "multus-isolation";
    if !isolation.enabled {
        return Check::new(
            CHECK,
            Outcome::Ok,
            "namespaceIsolation of Multus is off: multinic alone isolates networks, and static Pods, \
             which admission does not see, are not isolated",
        );
    }
    let lacking: Vec<&str> = policy
        .global_namespaces
        .iter()
        .map(String::as_str)
        .filter(|namespace| !isolation.is_global(namespace))
        .collect();
    if !lacking.is_empty() {
        let lacking = lacking.join(", ");
        return Check::new(
            CHECK,
            Outcome::Failed,
            format!(
                "namespaceIsolation of Multus is on, and its globalNamespaces lack {lacking}, which \
                 multinic's globalNamespaces name: Pods that use those networks are admitted and hang"
            ),
        )
        .remedy(format!("add {lacking} to globalNamespaces in the configuration of Multus"));
    }
    if !policy.grants.is_empty() {
        return Check::new(
            CHECK,
            Outcome::Warning,
            "namespaceIsolation of Multus is on, and it knows no grants: a Pod that uses a granted \
             network is admitted, and hangs unless the network's namespace is one of Multus' \
             globalNamespaces",
        )
        .remedy("turn namespaceIsolation off, or add the namespaces of granted networks to globalNamespaces");
    }
    let more = isolation.global.iter().flatten();
    let more: Vec<&str> = more
        .map(String::as_str)
        .filter(|name| !policy.global_namespaces.iter().any(|own| own == name))
        .collect();
    let mut message =
        "namespaceIsolation of Multus is on and permits what multinic permits".to_owned();
    if !more.is_empty() {
        message = format!(
            "{message}; its globalNamespaces also name {}",
            more.join(", ")
        );
    }
    Check::new(CHECK, Outcome::Ok, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn daemon_set(image: &str, args: &[&str], ready: u64) -> Value {
        json!({"metadata": {"namespace": "kube-system", "name": "kube-multus-ds"},
            "spec": {"template": {"spec": {
                "containers": [{"image": image, "args": args}],
                "volumes": [{"configMap": {"name": "multus-daemon-config"}}, {"hostPath": {}}]}}},
            "status": {"desiredNumberScheduled": 3, "numberReady": ready}})
    }

    fn thick(config: &str) -> Isolation {
        let object = daemon_set(
            "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.2-thick",
            &[],
            3,
        );
        let found = find(&[object]);
        assert_eq!(found[0].config_maps, ["multus-daemon-config"]);
        let config_map = json!({"data": {"daemon-config.json": config, "other": "text"}});
        found[0].isolation(&[config_map])
    }

    #[test]
    fn multus_is_found_by_its_image() {
        for (image, is_found) in [
            (
                "ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick",
                true,
            ),
            ("rancher/hardened-multus-cni@sha256:0", true),
            ("localhost:5000/multus", true),
            (
                "ghcr.io/k8snetworkplumbingwg/multus-dynamic-networks-controller:latest",
                false,
            ),
            ("multus.example.com/calico:v3", false),
        ] {
            let found = find(&[daemon_set(image, &[], 3)]);
            assert_eq!(!found.is_empty(), is_found, "{image}");
        }
        assert_eq!(presence(&[]).outcome, Outcome::Warning);
        let of = |ready| presence(&find(&[daemon_set("x/multus-cni:v4", &[], ready)]));
        assert_eq!(of(3).outcome, Outcome::Ok);
        assert_eq!(of(2).outcome, Outcome::Failed);
        assert!(of(2).message.contains("ready on 2 of 3 nodes"));
        let twice = [
            daemon_set("x/multus", &[], 3),
            daemon_set("x/multus", &[], 3),
        ];
        assert_eq!(presence(&find(&twice)).outcome, Outcome::Warning);
    }

    #[test]
    fn isolation_is_read_where_it_is_set() {
        let on = |global: Option<&[&str]>| Isolation {
            enabled: true,
            global: global.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
        };
        assert_eq!(thick("{}"), Isolation::default());
        assert_eq!(thick(r#"{"namespaceIsolation": true}"#), on(None));
        let text = r#"{"namespaceIsolation": true, "globalNamespaces": " default , shared"}"#;
        assert_eq!(thick(text), on(Some(&["default", "shared"])));
        assert_eq!(
            thick(r#"{"namespaceIsolation": true, "globalNamespaces": ""}"#),
            on(None)
        );
        let args = ["--namespace-isolation=true", "--global-namespaces=a,b"];
        let found = find(&[daemon_set("x/multus-cni", &args, 3)]);
        assert_eq!(found[0].isolation(&[]), on(Some(&["a", "b"])));
    }

    #[test]
    fn isolation_that_differs_is_named() {
        let policy = |text: &str| multinic_core::config::parse(text).expect("a configuration");
        let check = |config: &str, text: &str| isolation(&thick(config), &policy(text));
        assert_eq!(check("{}", "{}").outcome, Outcome::Ok);
        let on = r#"{"namespaceIsolation": true}"#;
        assert_eq!(check(on, "{}").outcome, Outcome::Ok);
        let differs = check(on, "globalNamespaces: [default, shared]");
        assert_eq!(differs.outcome, Outcome::Failed);
        assert!(differs.message.contains("lack shared"), "{differs:?}");
        let granted = check(on, "grants: [{networks: a/*, namespaces: [b]}]");
        assert_eq!(granted.outcome, Outcome::Warning);
        let more = r#"{"namespaceIsolation": true, "globalNamespaces": "default,shared"}"#;
        let more = check(more, "{}");
        assert_eq!(more.outcome, Outcome::Ok);
        assert!(more.message.ends_with("also name shared"), "{more:?}");
    }
}
