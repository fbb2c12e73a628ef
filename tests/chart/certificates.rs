//! The four modes of `certificates.mode`, and a server outside the cluster.

use serde_json::{Value, json};

use crate::helm::{Rendered, refused, render, with};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nnot a real one\n-----END CERTIFICATE-----\n";

fn given_ca(mode: &str) -> String {
    format!(
        "certificates:\n  mode: {mode}\n  secretName: own\n  caBundle: |\n    {}\n",
        PEM.trim_end().replace('\n', "\n    ")
    )
}

/// Nobody but the one writer of a mode may write caBundle: the chart never does where the server runs in the cluster.
fn ca_bundles(rendered: &Rendered) -> Vec<&Value> {
    let webhooks = rendered.webhooks();
    assert_eq!(webhooks.len(), 7);
    webhooks
        .into_iter()
        .map(|webhook| &webhook["clientConfig"])
        .filter(|config| config.get("caBundle").is_some())
        .collect()
}

/// What the server may do beside reading networks.
fn beside_networks(rendered: &Rendered) -> Vec<&Value> {
    let rights = rendered.rights();
    assert_eq!(
        *rights[0],
        json!({"apiGroups": ["k8s.cni.cncf.io"], "resources": ["network-attachment-definitions"], "verbs": ["get", "list", "watch"]})
    );
    rights.into_iter().skip(1).collect()
}

fn registration(verbs: &[&str]) -> [Value; 2] {
    let rule = |kind: &str, names: &[&str]| {
        json!({"apiGroups": ["admissionregistration.k8s.io"], "resources": [format!("{kind}webhookconfigurations")],
            "resourceNames": names, "verbs": verbs})
    };
    [
        rule("mutating", &["zzz-multinic"]),
        rule("validating", &["zzz-multinic", "zzz-multinic-templates"]),
    ]
}

const CONFIGURATIONS: [&str; 3] = [
    "--webhook-configuration=mutating/zzz-multinic",
    "--webhook-configuration=validating/zzz-multinic",
    "--webhook-configuration=validating/zzz-multinic-templates",
];

/// The arguments about certificates.
fn about_certificates(rendered: &Rendered) -> Vec<&str> {
    let flags = [
        "--cert",
        "--key",
        "--certificates-secret",
        "--server-name",
        "--webhook-configuration",
        "--ca-bundle-from",
    ];
    let args = rendered.args().into_iter();
    args.filter(|arg| flags.iter().any(|flag| arg.split('=').next() == Some(flag)))
        .collect()
}

fn volumes(rendered: &Rendered) -> Vec<&str> {
    let volumes = rendered.pod()["volumes"]
        .as_array()
        .expect("volumes")
        .iter();
    let mounts = rendered.container()["volumeMounts"]
        .as_array()
        .expect("mounts")
        .iter();
    let names: Vec<_> = volumes
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    assert_eq!(
        names,
        mounts
            .filter_map(|mount| mount["name"].as_str())
            .collect::<Vec<_>>()
    );
    names
}

#[test]
fn built_in_is_the_default_and_needs_an_image_only() {
    let rendered = with("");
    let secret = rendered.get("Secret", "multinic-authority");
    assert_eq!(secret["metadata"]["namespace"], "multinic-system");
    assert!(
        secret.get("data").is_none() && secret.get("stringData").is_none(),
        "{secret}"
    );
    let mut wanted = vec![
        "--certificates-secret=multinic-system/multinic-authority",
        "--server-name=multinic.multinic-system.svc",
    ];
    wanted.extend(CONFIGURATIONS);
    assert_eq!(about_certificates(&rendered), wanted);
    assert_eq!(volumes(&rendered), ["config"]);
    assert!(ca_bundles(&rendered).is_empty());
    let [mutating, validating] = registration(&["get", "list", "watch", "patch"]);
    let secret = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["multinic-authority"],
        "verbs": ["get", "list", "watch", "update"]});
    assert_eq!(
        beside_networks(&rendered),
        [&mutating, &validating, &secret]
    );
}

#[test]
fn the_right_to_create_secrets_is_given_on_request_only() {
    let rendered = with("certificates: {builtIn: {createSecret: true}}");
    let create = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]});
    assert_eq!(beside_networks(&rendered).last(), Some(&&create));
}

#[test]
fn a_cluster_domain_is_a_second_name() {
    let rendered = with("certificates: {clusterDomain: cluster.local}");
    assert!(
        about_certificates(&rendered)
            .contains(&"--server-name=multinic.multinic-system.svc.cluster.local")
    );
    // A supplied certificate has to be valid for every name: it is not asked for a second one.
    let rendered = with("certificates: {mode: certManager, clusterDomain: cluster.local}");
    assert!(
        !about_certificates(&rendered)
            .join(" ")
            .contains("cluster.local")
    );
}

#[test]
fn cert_manager_makes_the_certificate_and_writes_ca_bundle() {
    let rendered = with("certificates: {mode: certManager}");
    assert!(rendered.find("Secret", "").is_none());
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        let annotations = &rendered.get(kind, "zzz-multinic")["metadata"]["annotations"];
        assert_eq!(
            annotations["cert-manager.io/inject-ca-from"],
            "multinic-system/multinic"
        );
    }
    let templates = rendered.get("ValidatingWebhookConfiguration", "zzz-multinic-templates");
    assert_eq!(
        templates["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
        "multinic-system/multinic"
    );
    let mut wanted = vec![
        "--cert=/etc/multinic-tls/tls.crt",
        "--key=/etc/multinic-tls/tls.key",
        "--server-name=multinic.multinic-system.svc",
    ];
    wanted.extend(CONFIGURATIONS);
    assert_eq!(about_certificates(&rendered), wanted);
    assert_eq!(volumes(&rendered), ["config", "tls"]);
    assert!(ca_bundles(&rendered).is_empty());
    // cert-manager writes: multinic only reads whether it has.
    let [mutating, validating] = registration(&["get", "list", "watch"]);
    assert_eq!(beside_networks(&rendered), [&mutating, &validating]);
    let leaf = rendered.get("Certificate", "multinic");
    assert_eq!(leaf["spec"]["secretName"], "multinic-tls");
    assert_eq!(leaf["spec"]["issuerRef"]["name"], "multinic");
    assert_eq!(
        rendered.get("Certificate", "multinic-ca")["spec"]["isCA"],
        true
    );

    let rendered = with(
        "certificates: {mode: certManager, certManager: {issuerRef: {name: internal, kind: ClusterIssuer}}}",
    );
    assert!(
        rendered.find("Issuer", "").is_none()
            && rendered.find("Certificate", "multinic-ca").is_none()
    );
    assert_eq!(
        rendered.get("Certificate", "multinic")["spec"]["issuerRef"]["name"],
        "internal"
    );
}

#[test]
fn with_a_secret_multinic_writes_the_ca_of_the_secret_or_of_the_values() {
    let rendered = with("certificates: {mode: secret, secretName: own}");
    assert!(about_certificates(&rendered).contains(&"--ca-bundle-from=/etc/multinic-tls/ca.crt"));
    assert_eq!(volumes(&rendered), ["config", "tls"]);
    assert_eq!(rendered.pod()["volumes"][1]["secret"]["secretName"], "own");
    assert!(ca_bundles(&rendered).is_empty());
    let [mutating, validating] = registration(&["get", "list", "watch", "patch"]);
    assert_eq!(beside_networks(&rendered), [&mutating, &validating]);

    let rendered = with(&given_ca("secret"));
    assert!(about_certificates(&rendered).contains(&"--ca-bundle-from=/etc/multinic-ca/ca.crt"));
    assert_eq!(volumes(&rendered), ["config", "tls", "ca"]);
    assert!(ca_bundles(&rendered).is_empty());
    let template = &rendered.get("Deployment", "")["spec"]["template"]["metadata"];
    assert_eq!(template["annotations"]["multinic.dev/ca-bundle"], PEM);
}

#[test]
fn injected_leaves_ca_bundle_to_somebody_else() {
    let rendered = with(
        "certificates: {mode: injected, secretName: own}\nwebhook: {annotations: {service.beta.openshift.io/inject-cabundle: \"true\"}}",
    );
    assert!(
        !about_certificates(&rendered)
            .join(" ")
            .contains("--ca-bundle-from")
    );
    assert!(ca_bundles(&rendered).is_empty());
    let [mutating, validating] = registration(&["get", "list", "watch"]);
    assert_eq!(beside_networks(&rendered), [&mutating, &validating]);
    for name in ["zzz-multinic", "zzz-multinic-templates"] {
        let annotations =
            &rendered.get("ValidatingWebhookConfiguration", name)["metadata"]["annotations"];
        assert_eq!(
            *annotations,
            json!({"service.beta.openshift.io/inject-cabundle": "true"})
        );
    }
}

#[test]
fn a_server_outside_the_cluster_has_a_given_ca_or_authorities() {
    let rendered = render(&format!(
        "webhook: {{url: \"https://192.0.2.7:8443/\"}}\n{}",
        given_ca("builtIn").replace("secretName: own", "secretName: \"\"")
    ));
    assert_eq!(ca_bundles(&rendered).len(), 7);
    assert!(rendered.find("Deployment", "").is_none() && rendered.find("Secret", "").is_none());
    assert!(beside_networks(&rendered).is_empty());
    let urls: Vec<_> = rendered
        .webhooks()
        .iter()
        .map(|w| w["clientConfig"]["url"].clone())
        .collect();
    assert_eq!(urls[0], "https://192.0.2.7:8443/mutate");
    assert!(
        urls[1..]
            .iter()
            .all(|url| url == "https://192.0.2.7:8443/validate")
    );

    let rendered = render("webhook: {url: \"https://192.0.2.7:8443\"}");
    assert!(ca_bundles(&rendered).is_empty());
    assert!(rendered.find("Secret", "multinic-authority").is_some());
    assert_eq!(beside_networks(&rendered).len(), 3);
}

#[test]
fn what_could_not_work_is_refused() {
    refused("", "image.repository is not set");
    // All that is wrong, in one message.
    refused(
        "certificates: {mode: secret}",
        "image.repository is not set",
    );
    refused(
        "certificates: {mode: secret}",
        "certificates.secretName is not set",
    );
    refused(
        "certificates: {mode: injected}",
        "certificates.secretName is not set",
    );
    refused(
        &given_ca("certManager"),
        "certificates.mode is \"certManager\", which does not use it",
    );
    refused(
        "webhook: {url: \"https://192.0.2.7\"}\ncertificates: {mode: secret, secretName: own}",
        "webhook.url is set and certificates.caBundle is not",
    );
    refused(
        "certificates: {caBundle: bGl0dGxl}",
        "/certificates/caBundle",
    );
}

/// A certificate that were made while rendering would be another one in every rendering.
#[test]
fn two_renderings_are_the_same() {
    for mode in ["builtIn", "certManager"] {
        let values = format!("certificates: {{mode: {mode}}}");
        assert_eq!(with(&values).0, with(&values).0);
    }
}
