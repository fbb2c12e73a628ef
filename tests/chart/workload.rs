//! The Deployment and what stands beside it.

use serde_json::{Value, json};

use crate::helm::{IMAGE, NAMESPACE, refused, render, try_render, with};

#[test]
fn replicas_are_spread_over_nodes_alone() {
    // Two constraints of which nodes lack one key: the scheduler ignores both on such nodes.
    let constraints = with("").pod()["topologySpreadConstraints"].clone();
    assert_eq!(
        constraints.as_array().map(Vec::len),
        Some(1),
        "{constraints}"
    );
    assert_eq!(constraints[0]["topologyKey"], "kubernetes.io/hostname");
    let own = "topologySpreadConstraints: [{topologyKey: rack, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]";
    let constraints = with(own).pod()["topologySpreadConstraints"].clone();
    assert_eq!(
        constraints,
        json!([{"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}])
    );
}

#[test]
fn a_rollout_fits_the_network_of_the_pods() {
    let strategy = |values: &str| {
        with(values).get("Deployment", "")["spec"]["strategy"]["rollingUpdate"].clone()
    };
    assert_eq!(strategy(""), json!({"maxUnavailable": 0, "maxSurge": 1}));
    assert_eq!(
        strategy("hostNetwork: true"),
        json!({"maxUnavailable": 1, "maxSurge": 0})
    );
}

#[test]
fn ports_do_not_clash_with_those_of_the_node() {
    let ports = |values: &str| {
        let rendered = with(values);
        let ports = rendered.container()["ports"]
            .as_array()
            .expect("ports")
            .clone();
        ports
            .iter()
            .filter_map(|port| port["containerPort"].as_u64())
            .collect::<Vec<_>>()
    };
    assert_eq!(ports(""), [10250, 8080]);
    assert_eq!(ports("hostNetwork: true"), [9443, 9444]);
    assert_eq!(
        ports("hostNetwork: true\nlistenPort: 7443\nadminPort: 7444"),
        [7443, 7444]
    );
    for (values, words) in [
        (
            "hostNetwork: true\nlistenPort: 10250",
            "listenPort is 10250, which is a port of Kubernetes on the node",
        ),
        (
            "hostNetwork: true\nadminPort: 10256",
            "adminPort is 10256, which is a port of Kubernetes on the node",
        ),
        ("listenPort: 8080", "listenPort and adminPort are both 8080"),
        ("listenPort: 443", "/listenPort"),
    ] {
        refused(&format!("{IMAGE}{values}"), words);
    }
    // The ports are said once: to the server, to the Service and to the kubelet.
    let rendered = with("hostNetwork: true");
    assert!(rendered.args().contains(&"--listen=0.0.0.0:9443"));
    assert!(rendered.args().contains(&"--admin-listen=0.0.0.0:9444"));
    assert_eq!(
        rendered.get("Service", "")["spec"]["ports"][1]["port"],
        9444
    );
    assert_eq!(rendered.pod()["dnsPolicy"], "ClusterFirstWithHostNet");
    // The kubelet probes the address of the Pod, unless it is told otherwise.
    let probe = |values: &str| with(values).container()["readinessProbe"]["httpGet"].clone();
    assert_eq!(
        probe("hostNetwork: true"),
        json!({"path": "/readyz", "port": "admin"})
    );
    assert_eq!(
        probe("hostNetwork: true\nadminAddress: 127.0.0.1")["host"],
        "127.0.0.1"
    );
    assert_eq!(
        probe("hostNetwork: true\nadminAddress: \"[::1]\"")["host"],
        "::1"
    );
}

#[test]
fn both_families_are_served_where_the_service_has_both() {
    let listens = |values: &str| {
        with(values)
            .args()
            .into_iter()
            .find(|a| a.starts_with("--listen="))
            .map(str::to_owned)
    };
    assert_eq!(listens("").as_deref(), Some("--listen=0.0.0.0:10250"));
    for values in [
        "service: {ipFamilies: [IPv6]}",
        "service: {ipFamilyPolicy: PreferDualStack}",
        "service: {ipFamilyPolicy: RequireDualStack}",
    ] {
        assert_eq!(
            listens(values).as_deref(),
            Some("--listen=[::]:10250"),
            "{values}"
        );
    }
    let own = "service: {ipFamilyPolicy: PreferDualStack}\nlistenAddress: 10.0.0.1";
    assert_eq!(listens(own).as_deref(), Some("--listen=10.0.0.1:10250"));
    let rendered = with("service: {ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv4]}");
    let service = &rendered.get("Service", "")["spec"];
    assert_eq!(service["ipFamilyPolicy"], "PreferDualStack");
    assert_eq!(service["ipFamilies"], json!(["IPv6", "IPv4"]));
}

#[test]
fn a_system_class_has_its_quota() {
    let rendered = with("");
    let quota = rendered.get("ResourceQuota", "multinic-critical");
    assert_eq!(quota["spec"]["hard"]["pods"], "100");
    assert_eq!(
        quota["spec"]["scopeSelector"]["matchExpressions"][0]["values"],
        json!(["system-cluster-critical"])
    );
    assert_eq!(
        rendered.pod()["priorityClassName"],
        "system-cluster-critical"
    );
    for none in [
        "priorityClassName: important",
        "priorityClassName: \"\"",
        "resourceQuota: {enabled: false}",
    ] {
        assert!(with(none).find("ResourceQuota", "").is_none(), "{none}");
    }
    assert!(
        with("priorityClassName: \"\"")
            .pod()
            .get("priorityClassName")
            .is_none()
    );
    // In kube-system it would count the Pods of the whole control plane.
    let rendered = try_render(IMAGE, &["--namespace", "kube-system"]).expect("rendered");
    assert!(rendered.find("ResourceQuota", "").is_none());
}

#[test]
fn a_disruption_budget_never_blocks_a_drain() {
    let budget = with("").get("PodDisruptionBudget", "")["spec"].clone();
    assert_eq!(budget["maxUnavailable"], 1);
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    assert!(
        with("podDisruptionBudget: {enabled: false}")
            .find("PodDisruptionBudget", "")
            .is_none()
    );
    assert_eq!(
        with("podDisruptionBudget: {maxUnavailable: 50%}").get("PodDisruptionBudget", "")["spec"]["maxUnavailable"],
        "50%"
    );
    for blocking in ["0", "0%", "\"0\"", "-1"] {
        refused(
            &format!("{IMAGE}podDisruptionBudget: {{maxUnavailable: {blocking}}}"),
            "/podDisruptionBudget/maxUnavailable",
        );
    }
}

#[test]
fn an_image_is_named_by_tag_or_digest_and_from_a_mirror() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let image = |values: &str| {
        render(values).container()["image"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(image(IMAGE), "example.test/multinic:0.1.0");
    assert_eq!(
        image("image: {repository: example.test/multinic, tag: v2}"),
        "example.test/multinic:v2"
    );
    assert_eq!(
        image(&format!(
            "image: {{repository: example.test/multinic, tag: v2, digest: \"{digest}\"}}"
        )),
        format!("example.test/multinic@{digest}")
    );
    let mirrored = |repository: &str| {
        image(&format!(
            "image: {{repository: {repository}}}\nglobal: {{imageRegistry: mirror.test:5000}}"
        ))
    };
    assert_eq!(
        mirrored("example.test/network/multinic"),
        "mirror.test:5000/network/multinic:0.1.0"
    );
    assert_eq!(
        mirrored("localhost/multinic"),
        "mirror.test:5000/multinic:0.1.0"
    );
    assert_eq!(
        mirrored("network/multinic"),
        "mirror.test:5000/network/multinic:0.1.0"
    );
    assert_eq!(mirrored("multinic"), "mirror.test:5000/multinic:0.1.0");
    refused(
        "image: {repository: a, digest: \"sha256:short\"}",
        "/image/digest",
    );
    let secrets = with(
        "imagePullSecrets: [{name: own}]\nglobal: {imagePullSecrets: [{name: all}]}",
    )
    .pod()["imagePullSecrets"]
        .clone();
    assert_eq!(secrets, json!([{"name": "own"}, {"name": "all"}]));
}

/// The configuration belongs to the template of the Pods: a ReplicaSet of an older revision still starts its own after
/// a failed upgrade, when Helm has long deleted what the new revision does not name.
#[test]
fn the_configuration_is_part_of_the_template() {
    let rendered = with("config: {globalNamespaces: [shared]}");
    assert!(
        rendered.find("ConfigMap", "").is_none(),
        "{:?}",
        rendered.names()
    );
    assert_eq!(rendered.config(), json!({"globalNamespaces": ["shared"]}));
    assert_eq!(
        rendered.pod()["volumes"][0]["downwardAPI"]["items"],
        json!([{"path": "config.yaml", "fieldRef": {"fieldPath": "metadata.annotations['multinic.dev/config']"}}])
    );
    assert_eq!(
        rendered.container()["volumeMounts"][0]["mountPath"],
        "/etc/multinic"
    );
    assert!(
        rendered
            .args()
            .contains(&"--config=/etc/multinic/config.yaml")
    );
}

#[test]
fn a_level_is_off_as_a_word_and_null_takes_it_back() {
    let config = with("config: {rules: {missing-cni-version: off, isolated-network: null, missing-network: warn}, grants: null}").config();
    assert_eq!(
        config,
        json!({"rules": {"missing-cni-version": "off", "missing-network": "warn"}})
    );
    // As the command line says it.
    let set = [
        "--set",
        "config.rules.missing-network=null",
        "--set",
        "config.rules.missing-cni-version=off",
    ];
    let config = try_render(IMAGE, &set).expect("rendered").config();
    assert_eq!(config, json!({"rules": {"missing-cni-version": "off"}}));
}

#[test]
fn what_is_extra_is_added() {
    let rendered = with(
        "extraArgs: [--max-connections=5, \"--log-format=human\"]\nextraEnv: [{name: A, value: b}]\n\
         extraVolumes: [{name: x, emptyDir: {}}]\nextraVolumeMounts: [{name: x, mountPath: /x}]\n\
         extraObjects:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: \"{{ .Release.Name }}-x\"}}\n\
         - |\n  apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: {{ include \"multinic.fullname\" . }}-y}\n",
    );
    assert!(
        rendered
            .args()
            .ends_with(&["--max-connections=5", "--log-format=human"])
    );
    assert_eq!(
        rendered.container()["env"],
        json!([{"name": "A", "value": "b"}])
    );
    assert_eq!(
        rendered.pod()["volumes"][1],
        json!({"name": "x", "emptyDir": {}})
    );
    assert_eq!(
        rendered.container()["volumeMounts"][1],
        json!({"name": "x", "mountPath": "/x"})
    );
    rendered.get("ConfigMap", "multinic-x");
    rendered.get("ConfigMap", "multinic-y");
}

#[test]
fn labels_and_annotations_are_on_every_object() {
    let rendered = with(
        "commonLabels: {team: net, app.kubernetes.io/name: other}\ncommonAnnotations: {note: all}\nnetworkPolicy: {enabled: true}\n\
         crds: {install: true}\nbackstop: on\nmonitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}",
    );
    // The definition of networks is shared with Multus, and outlives the release.
    let own = |object: &&Value| object["kind"] != "CustomResourceDefinition";
    for object in rendered.0.iter().filter(own) {
        let metadata = &object["metadata"];
        assert_eq!(metadata["annotations"]["note"], "all", "{metadata}");
        assert_eq!(metadata["labels"]["team"], "net", "{metadata}");
        // The selector of the Deployment must not break.
        assert_ne!(
            metadata["labels"]["app.kubernetes.io/name"], "other",
            "{metadata}"
        );
    }
    let template = &rendered.get("Deployment", "")["spec"]["template"]["metadata"];
    assert_eq!(template["labels"]["team"], "net");
    let selector = &rendered.get("Deployment", "")["spec"]["selector"]["matchLabels"];
    assert_eq!(
        *selector,
        json!({"app.kubernetes.io/name": "multinic", "app.kubernetes.io/instance": "multinic"})
    );
    for (key, value) in selector.as_object().expect("labels") {
        assert_eq!(template["labels"][key], *value);
    }
    // The Pod of `helm test` is none of the replicas: neither the Service nor the budget may count it.
    let test = rendered.get("Pod", "multinic-test");
    assert_ne!(
        test["metadata"]["labels"]["app.kubernetes.io/name"],
        "multinic"
    );
}

#[test]
fn pods_may_run_under_the_restricted_standard() {
    let restricted = |pod: &Value| {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(
            *container,
            json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
        );
    };
    let rendered = with("");
    restricted(rendered.pod());
    restricted(&rendered.get("Pod", "multinic-test")["spec"]);
    assert_eq!(rendered.pod()["securityContext"]["runAsUser"], 65532);
    // OpenShift gives every namespace users of its own, and refuses others.
    let rendered = with("runAsUser: null");
    restricted(rendered.pod());
    for pod in [
        rendered.pod(),
        &rendered.get("Pod", "multinic-test")["spec"],
    ] {
        for field in ["runAsUser", "runAsGroup", "fsGroup"] {
            assert!(pod["securityContext"].get(field).is_none(), "{pod}");
        }
    }
}

#[test]
fn a_network_policy_opens_the_webhooks_and_nothing_else() {
    assert!(with("").find("NetworkPolicy", "").is_none());
    let ingress =
        with("networkPolicy: {enabled: true}").get("NetworkPolicy", "")["spec"]["ingress"].clone();
    assert_eq!(
        ingress,
        json!([{"ports": [{"port": "webhook", "protocol": "TCP"}]}])
    );
    let ingress = with("networkPolicy: {enabled: true, metricsFrom: [{podSelector: {}}]}")
        .get("NetworkPolicy", "")["spec"]["ingress"]
        .clone();
    assert_eq!(
        ingress[1],
        json!({"ports": [{"port": "admin", "protocol": "TCP"}], "from": [{"podSelector": {}}]})
    );
}

#[test]
fn the_release_has_a_namespace_of_its_own() {
    let fault = try_render(IMAGE, &["--namespace", "default"]).expect_err("refused");
    assert!(
        fault.contains("the release would be in namespace \"default\""),
        "{fault}"
    );
    refused(
        &format!("{IMAGE}tests: {{namespace: {NAMESPACE}}}"),
        "Pods in this namespace are not judged",
    );
}

#[test]
fn accounts_and_rights_may_be_somebody_else_s() {
    let rendered = with("serviceAccount: {create: false, name: given}\nrbac: {create: false}");
    assert_eq!(rendered.pod()["serviceAccountName"], "given");
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        assert!(rendered.find(kind, "").is_none());
    }
    assert!(rendered.rights().is_empty());
    assert_eq!(
        with("serviceAccount: {name: named}").pod()["serviceAccountName"],
        "named"
    );
    assert_eq!(
        with("fullnameOverride: full").get("Service", "")["metadata"]["name"],
        "full"
    );
    assert_eq!(
        with("nameOverride: part").get("Service", "")["metadata"]["name"],
        "multinic-part"
    );
}

#[test]
fn the_client_ca_of_the_api_server_is_mounted() {
    let rendered = with("webhook: {clientCA: {secretName: api, key: client.pem}}");
    assert!(
        rendered
            .args()
            .contains(&"--client-ca=/etc/multinic-client-ca/client.pem")
    );
    assert_eq!(rendered.pod()["volumes"][1]["secret"]["secretName"], "api");
}

#[test]
fn a_server_outside_the_cluster_has_no_workload() {
    let rendered = render(
        "webhook: {url: \"https://192.0.2.7:8443\"}\nnetworkPolicy: {enabled: true}\nmonitoring: {serviceMonitor: {enabled: true}}",
    );
    assert_eq!(
        rendered.names(),
        [
            "ClusterRole/multinic",
            "ClusterRoleBinding/multinic",
            "MutatingWebhookConfiguration/zzz-multinic",
            "Role/multinic",
            "RoleBinding/multinic",
            "Secret/multinic-authority",
            "ServiceAccount/multinic",
            "ValidatingWebhookConfiguration/zzz-multinic",
            "ValidatingWebhookConfiguration/zzz-multinic-templates",
        ]
    );
    assert!(
        rendered.find("Pod", "").is_none(),
        "there is no image to test with"
    );
}
