//! Who else asks for networks, and what a network asks of its Pods: ResourceClaims, virtual machines,
//! devices, and the networks in use.

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::Cluster,
    objects::{
        IPVLAN, NAD, NETWORKS, NODE_SELECTOR, annotated, nad, plain_pod, pod, with, workload,
    },
    process::eventually,
    scenarios::api_client,
};

pub(crate) const ALL: &[Scenario] = &[
    ("kinds_that_the_cluster_lacks_do_no_harm", lacking_kinds),
    ("claims_are_isolated_like_pods", claims),
    ("virtual_machines_are_judged_like_templates", machines),
    ("devices_are_requested_for_the_attachments", devices),
    ("devices_of_a_claim_are_left_alone", claimed_devices),
    ("addresses_that_several_pods_share_are_warned_of", repeated),
    ("a_running_pod_is_told_that_nothing_is_attached", unattached),
    ("misspelled_annotations_are_warned_of", misspelled),
    ("networks_in_use_are_warned_of_and_counted", in_use),
];

const FOREIGN: &str = "team-b/secret";
const RESOURCE: &str = "k8s.v1.cni.cncf.io/resourceName";
const DRIVER: &str = "sriovnetwork.k8snetworkplumbingwg.io";

/// The version of `resource.k8s.io` that the API server has, if any.
fn claims_version(c: &Cluster) -> Option<String> {
    let served = c.kubectl(&["api-versions"], None).accepted().stdout;
    let mut versions = ["v1", "v1beta2", "v1beta1"].into_iter();
    let found = versions.find(|version| {
        let version = format!("resource.k8s.io/{version}");
        served.lines().any(|line| line == version)
    });
    found.map(|version| format!("resource.k8s.io/{version}"))
}

/// A request for a device, as the version has it.
fn request(version: &str) -> Value {
    if version.ends_with("/v1beta1") {
        json!([{"name": "vf", "deviceClassName": DRIVER}])
    } else {
        json!([{"name": "vf", "exactly": {"deviceClassName": DRIVER}}])
    }
}

fn claim(version: &str, ns: &str, name: &str, parameters: &Value) -> Value {
    let mut parameters = parameters.clone();
    parameters["apiVersion"] = json!(format!("{DRIVER}/v1alpha1"));
    parameters["kind"] = json!("VfConfig");
    json!({"apiVersion": version, "kind": "ResourceClaim",
        "metadata": {"namespace": ns, "name": name},
        "spec": {"devices": {"requests": request(version),
            "config": [{"requests": ["vf"], "opaque": {"driver": DRIVER, "parameters": parameters}}]}}})
}

fn template_of(claim: &Value) -> Value {
    let mut template = claim.clone();
    template["kind"] = json!("ResourceClaimTemplate");
    template["spec"] = json!({"spec": claim["spec"]});
    template
}

/// Where a denied object is wrong, for programs: `isolated-network` names the network in its message,
/// and the place beside it only.
fn place_of_denial(c: &Cluster, path: &str, object: &Value) -> String {
    let path = format!("{path}?dryRun=All");
    let answer = api_client(c).post(&path, &object.to_string());
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 403, "{}", answer.text());
    let status: Value = serde_json::from_slice(&answer.body).expect("a Status");
    let field = status["details"]["causes"][0]["field"].as_str();
    field.unwrap_or_default().to_owned()
}

/// The registration names kinds that no API server of this cluster has.
fn lacking_kinds(c: &Cluster) {
    let ns = "lacking-kinds";
    c.namespace(ns);
    let kinds = c.kubectl(&["api-resources", "-o", "name"], None).accepted();
    assert!(!kinds.stdout.contains("virtualmachines.kubevirt.io"));
    for configuration in ["zzz-multinic", "zzz-multinic-templates"] {
        let registered = c.get("default", "validatingwebhookconfiguration", configuration);
        let named = registered.to_string().contains("kubevirt.io");
        assert_eq!(
            named,
            configuration == "zzz-multinic-templates",
            "{registered}"
        );
    }
    c.create(&plain_pod(ns, "plain")).accepted().uncalled();
    c.create(&pod(ns, "web", "default/gke-network-1"))
        .accepted()
        .unwarned()
        .called(1, 1);
    c.create(&pod(ns, "foreign", FOREIGN))
        .rejected("isolated-network");
    if claims_version(c).is_none() {
        c.create(&claim("resource.k8s.io/v1", ns, "vf", &json!({})))
            .refused_saying("no matches for kind")
            .uncalled();
    }
    c.delete_namespace(ns).accepted();
}

fn claims(c: &Cluster) {
    let Some(version) = claims_version(c) else {
        // An API server without ResourceClaims: that it has none is what can be shown.
        c.create(&claim("resource.k8s.io/v1", "default", "vf", &json!({})))
            .refused_saying("no matches for kind");
        return;
    };
    let ns = "claims";
    c.namespace(ns);
    c.create(&nad(ns, "own", IPVLAN)).accepted();
    let of = |parameters: Value| claim(&version, ns, "vf", &parameters);
    let foreign = of(json!({"netAttachDefName": "secret", "netAttachDefNamespace": "team-b"}));
    c.create(&foreign).rejected("isolated-network").called(0, 1);
    let path = format!("/apis/{version}/namespaces/{ns}/resourceclaims");
    let place = "spec.devices.config[0].opaque.parameters";
    assert_eq!(place_of_denial(c, &path, &foreign), place);
    c.create(&template_of(&foreign))
        .rejected("isolated-network")
        .called(0, 1);
    let missing = of(json!({"netAttachDefName": "nothing"}));
    c.create(&missing).rejected("missing-network").called(0, 1);
    c.create(&template_of(&missing))
        .accepted()
        .warned("missing-network")
        .called(0, 1);
    let own = of(json!({"netAttachDefName": "own"}));
    c.create(&own).accepted().unwarned().called(0, 1);
    // What does not change what it asks for is not looked at, nor is a claim of another driver.
    c.kubectl(
        &["-n", ns, "label", "resourceclaim", "vf", "some=label"],
        None,
    )
    .accepted()
    .uncalled();
    let mut other = claim(
        &version,
        ns,
        "other",
        &json!({"netAttachDefName": "nothing"}),
    );
    other["spec"]["devices"]["config"][0]["opaque"]["driver"] = json!("gpu.example.com");
    c.create(&other).accepted().uncalled();
    c.kubectl(&["-n", ns, "delete", "resourceclaim", "vf", "other"], None)
        .accepted()
        .uncalled();
    // A claim that the controller makes from a stored template is judged like any other.
    c.create(&nad(ns, "later", IPVLAN)).accepted();
    let later = of(json!({"netAttachDefName": "later"}));
    let mut later = template_of(&later);
    later["metadata"]["name"] = json!("later");
    c.create(&later).accepted();
    c.kubectl(&["-n", ns, "delete", NAD, "later"], None)
        .accepted();
    c.forgotten(ns, "later");
    let claiming = with(
        plain_pod(ns, "claiming"),
        "resourceClaims",
        json!([{"name": "vf", "resourceClaimTemplateName": "later"}]),
    );
    c.create(&claiming).accepted();
    let event = c.event(ns, "claiming", "FailedResourceClaimCreation");
    assert!(event.contains("missing-network: "), "{event}");
    c.delete_namespace(ns).accepted();
}

fn machine(ns: &str, name: &str, networks: &Value) -> Value {
    json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
        "metadata": {"namespace": ns, "name": name},
        "spec": {"runStrategy": "Always", "template": {"metadata": {"labels": {"vm": name}},
            "spec": {"domain": {}, "networks": networks}}}})
}

fn machines(c: &Cluster) {
    let ns = "machines";
    c.namespace(ns);
    let kinds = [
        ("virtualmachines", "VirtualMachine"),
        ("virtualmachineinstances", "VirtualMachineInstance"),
    ];
    let definitions = kinds.map(|(plural, kind)| c.define("kubevirt.io", plural, kind));
    let multus = |name: &str| json!([{"name": "default", "pod": {}}, {"name": "net", "multus": {"networkName": name}}]);
    let vm = |name: &str, network: &str| machine(ns, name, &multus(network));
    // The definition is established a moment before the kind is found.
    eventually("a virtual machine to be refused", || {
        let came = c.create(&vm("foreign", FOREIGN));
        if came.stderr.contains("isolated-network: ") {
            came.called(0, 1);
            Ok(())
        } else {
            Err(came.to_string())
        }
    });
    let path = format!("/apis/kubevirt.io/v1/namespaces/{ns}");
    let denied = place_of_denial(
        c,
        &format!("{path}/virtualmachines"),
        &vm("foreign", FOREIGN),
    );
    assert_eq!(denied, "spec.template.spec.networks[1].multus.networkName");
    c.create(&vm("missing", "nothing"))
        .accepted()
        .warned("missing-network")
        .called(0, 1);
    c.create(&vm("plain", "default/gke-network-1"))
        .accepted()
        .unwarned()
        .called(0, 1);
    let mut default = vm("default", FOREIGN);
    default["spec"]["template"]["spec"]["networks"][1]["multus"]["default"] = json!(true);
    c.create(&default).rejected("isolated-network");
    // Whether it runs does not matter to its networks.
    let halted = json!({"spec": {"runStrategy": "Halted"}});
    c.patch(ns, "virtualmachine", "plain", &halted, &[])
        .accepted()
        .uncalled();
    let foreign = json!({"spec": {"template": {"spec": {"networks": multus(FOREIGN)}}}});
    c.patch(ns, "virtualmachine", "plain", &foreign, &[])
        .rejected("isolated-network")
        .called(0, 1);
    c.create(&machine(
        ns,
        "none",
        &json!([{"name": "default", "pod": {}}]),
    ))
    .accepted()
    .uncalled();
    let mut instance = vm("instance", FOREIGN);
    instance["kind"] = json!("VirtualMachineInstance");
    instance["spec"] = instance["spec"]["template"]["spec"].take();
    c.create(&instance)
        .rejected("isolated-network")
        .called(0, 1);
    let denied = place_of_denial(c, &format!("{path}/virtualmachineinstances"), &instance);
    assert_eq!(denied, "spec.networks[1].multus.networkName");
    for name in definitions {
        c.kubectl(&["delete", "crd", &name], None).accepted();
    }
    c.delete_namespace(ns).accepted();
}

/// A Pod that nobody schedules: no node has the devices.
fn pending(pod: Value) -> Value {
    with(pod, "schedulerName", json!("nobody"))
}

fn device_network(ns: &str, name: &str, resource: &str) -> Value {
    annotated(nad(ns, name, IPVLAN), RESOURCE, json!(resource))
}

fn resources(pod: &Value) -> &Value {
    &pod["spec"]["containers"][0]["resources"]
}

fn devices(c: &Cluster) {
    let ns = "devices";
    c.namespace(ns);
    c.create(&device_network(ns, "sriov", "example.com/sriov"))
        .accepted();
    c.create(&device_network(ns, "bare", "sriov")).accepted();
    let two = json!({"limits": {"example.com/sriov": "2"}, "requests": {"example.com/sriov": "2"}});
    let web = pending(pod(ns, "web", "sriov, sriov"));
    c.apply(&web).accepted().unwarned().called(1, 1);
    assert_eq!(*resources(&c.get(ns, "pod", "web")), two);
    // The same manifest once more: what was added stays.
    c.apply(&web).accepted();
    assert_eq!(*resources(&c.get(ns, "pod", "web")), two);
    // One that requests less than it takes, and is applied once more.
    let mut less = pending(pod(ns, "less", "sriov, sriov"));
    let one = json!({"example.com/sriov": "1"});
    less["spec"]["containers"][0]["resources"] = json!({"limits": one, "requests": one});
    for _ in 0..2 {
        c.apply(&less).accepted().unwarned();
        assert_eq!(*resources(&c.get(ns, "pod", "less")), two);
    }
    // The Pods of a Deployment; its template is not changed.
    let mut deployment = workload("apps/v1", "Deployment", ns, "many", "sriov");
    deployment["spec"]["template"]["spec"]["schedulerName"] = json!("nobody");
    // Its Pods are judged at any moment, so calls are counted where it is not stored.
    let dry = ["create", "--dry-run=server", "-f", "-"];
    c.kubectl(&dry, Some(&deployment)).accepted().called(0, 1);
    c.create(&deployment).accepted().unwarned();
    eventually("a Pod of the Deployment", || {
        let pods = c.list(ns, "pods");
        let found = pods.iter().find(|pod| {
            let name = pod["metadata"]["name"].as_str();
            name.is_some_and(|name| name.starts_with("many-"))
        });
        match found {
            Some(pod) if resources(pod)["limits"]["example.com/sriov"] == "1" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    c.create(&pending(pod(ns, "bare", "bare")))
        .rejected("unrequested-resource")
        .called(1, 1);
    // Nothing can be requested any more.
    c.create(&pending(plain_pod(ns, "later")))
        .accepted()
        .uncalled();
    c.annotate(ns, "pod", "later", NETWORKS, Some("sriov"))
        .rejected("unrequested-resource")
        .called(1, 1);
    c.start_server("deviceContainer: second");
    let mut named = pending(pod(ns, "named", "sriov"));
    let second = json!({"name": "second", "image": "none.invalid/none"});
    named["spec"]["containers"]
        .as_array_mut()
        .expect("a list")
        .push(second);
    c.create(&named).accepted();
    let named = c.get(ns, "pod", "named");
    assert_eq!(*resources(&named), json!({}));
    assert_eq!(
        named["spec"]["containers"][1]["resources"]["limits"]["example.com/sriov"],
        "1"
    );
    c.start_server("{}");
    c.delete_namespace(ns).accepted();
}

fn claimed_devices(c: &Cluster) {
    let ns = "claimed-devices";
    c.namespace(ns);
    c.create(&device_network(ns, "sriov", "example.com/sriov"))
        .accepted();
    let claiming = with(
        pending(pod(ns, "web", "sriov")),
        "resourceClaims",
        json!([{"name": "vf", "resourceClaimName": "vf"}]),
    );
    c.create(&claiming).accepted().unwarned().called(1, 1);
    let stored = c.get(ns, "pod", "web");
    if stored["spec"]["resourceClaims"].is_array() {
        assert_eq!(*resources(&stored), json!({}));
    } else {
        // An API server without ResourceClaims drops the field before it asks anybody.
        assert_eq!(resources(&stored)["limits"]["example.com/sriov"], "1");
    }
    c.delete_namespace(ns).accepted();
}

fn repeated(c: &Cluster) {
    let ns = "repeated";
    c.namespace(ns);
    let fixed = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"ens224","capabilities":{"ips":true},"ipam":{"type":"static"}}"#;
    c.create(&nad(ns, "fixed", fixed)).accepted();
    let asked = r#"[{"name":"fixed","ips":["10.1.1.7/24"]}]"#;
    let mut many = workload("apps/v1", "Deployment", ns, "many", asked);
    many["spec"]["replicas"] = json!(3);
    // Its Pods are judged at any moment, so calls are counted where it is not stored.
    let dry = ["create", "--dry-run=server", "-f", "-"];
    c.kubectl(&dry, Some(&many))
        .accepted()
        .warned("repeated-address")
        .saying("3 Pods")
        .called(0, 1);
    c.apply(&many).accepted().warned("repeated-address");
    let mut web = workload("apps/v1", "Deployment", ns, "web", asked);
    web["spec"]["replicas"] = json!(1);
    c.apply(&web).accepted().unwarned();
    c.apply(&workload("apps/v1", "DaemonSet", ns, "agent", asked))
        .accepted()
        .warned("repeated-address");
    c.delete_namespace(ns).accepted();
}

fn unattached(c: &Cluster) {
    let ns = "unattached";
    c.namespace(ns);
    c.create(&plain_pod(ns, "running")).accepted().uncalled();
    c.scheduled_on(ns, "running");
    c.annotate(
        ns,
        "pod",
        "running",
        NETWORKS,
        Some("default/gke-network-1"),
    )
    .accepted()
    .warned("unattached-network")
    .called(1, 1);
    c.annotate(ns, "pod", "running", NETWORKS, None)
        .accepted()
        .unwarned()
        .uncalled();
    c.delete_namespace(ns).accepted();
}

fn misspelled(c: &Cluster) {
    let ns = "misspelled";
    c.namespace(ns);
    let key = NODE_SELECTOR.to_lowercase();
    let zoned = annotated(nad(ns, "zoned", IPVLAN), &key, json!("nic=ens224"));
    c.create(&zoned)
        .accepted()
        .warned("misspelled-annotation")
        .called(0, 1);
    let web = annotated(
        pod(ns, "web", "zoned"),
        "k8s.v1.cni.cncf.io/network",
        json!("zoned"),
    );
    c.create(&web).accepted().warned("misspelled-annotation");
    c.delete_namespace(ns).accepted();
}

fn in_use(c: &Cluster) {
    let ns = "in-use";
    c.namespace(ns);
    c.install(&["config.usage=true"]);
    c.start_server("usage: true");
    c.create(&nad(ns, "used", IPVLAN)).accepted();
    c.create(&nad(ns, "unused", IPVLAN)).accepted();
    for name in ["one", "two"] {
        c.create(&pod(ns, name, "used")).accepted();
    }
    let series = "network_attachment_definition_instances";
    let using = |plugin: &str| c.metrics().sum(series, &[("networks", plugin)]);
    eventually("two Pods to be counted", || match using("ipvlan") {
        0 | 1 => Err(format!("{:?}", c.metrics())),
        _ => Ok(()),
    });
    // A server-side dry run is judged like the real thing.
    let delete = |name: &str| c.kubectl(&["-n", ns, "delete", NAD, name, "--dry-run=server"], None);
    delete("used")
        .accepted()
        .warned("network-in-use")
        .saying("2 Pods (in-use/one, in-use/two)")
        .called(0, 1);
    delete("unused").accepted().unwarned().called(0, 1);
    let changed = json!({"spec": {"config": IPVLAN.replace("l2", "l3")}});
    c.patch(ns, NAD, "used", &changed, &[])
        .accepted()
        .warned("network-in-use")
        .called(0, 1);
    c.start_server("{usage: true, rules: {network-in-use: deny}}");
    eventually("the deletion to be refused", || {
        let came = delete("used");
        if came.stderr.contains("denied the request: network-in-use: ") {
            Ok(())
        } else {
            Err(came.to_string())
        }
    });
    // A namespace goes with its networks, whoever uses them.
    c.delete_namespace(ns).accepted();
    c.gone("default", "namespace", ns);
    c.install(&[]);
    c.start_server("{}");
}
