//! What the corpora do not have and random configurations brought to light, each with the verdict
//! of the real plugins on a fresh node.

use multinic_core::cni::Config;
use serde_json::{Value, json};

fn config(interface: &Value, ipam: &Value, meta: &[Value]) -> String {
    let mut first = interface.clone();
    first["ipam"] = ipam.clone();
    let mut plugins = vec![first];
    plugins.extend_from_slice(meta);
    json!({"cniVersion": "0.3.1", "name": "net", "plugins": plugins}).to_string()
}

fn fixed(addresses: &Value, routes: &Value) -> Value {
    json!({"type": "static", "addresses": addresses, "routes": routes})
}

#[test]
fn refused() {
    let macvlan = json!({"type": "macvlan", "master": "eth1"});
    let bridge = |key: &str| json!({"type": "bridge", key: true});
    let sbr = json!({"type": "sbr"});
    let v4 = json!([{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]);
    let v6 = json!([{"address": "fd00::5/48", "gateway": "fd00::1"}]);
    let numbered = |table: i64| json!({"type": "sbr", "table": table});
    let sysctl = json!({"type": "tuning", "sysctl": {"net.core.somaxconn": "99999999999"}});
    let wide = json!({"type": "whereabouts", "range": "fd00::/64"});
    let small = json!({"type": "macvlan", "master": "eth1", "mtu": 1279});
    let cases = [
        (
            config(&bridge("isDefaultGateway"), &wide, &[]),
            "the address that the Pod itself gets",
        ),
        (
            config(
                &macvlan,
                &json!({"type": "host-local", "subnet": "fd00::/64",
            "routes": [{"dst": "fd99::/64", "gw": "fd00::2"}]}),
                &[],
            ),
            "the address that the Pod itself gets",
        ),
        (
            config(
                &macvlan,
                &fixed(
                    &v6,
                    &json!([{"dst": "fd00::/64", "gw": "fd00:0:0:9::1"}, {"dst": "fd99::/64"}]),
                ),
                &[],
            ),
            "no route to host",
        ),
        (
            config(
                &macvlan,
                &fixed(&v6, &json!([{"dst": "fd00::1/128"}])),
                std::slice::from_ref(&sbr),
            ),
            "no route to host",
        ),
        (
            config(
                &macvlan,
                &fixed(&v4, &json!([{"dst": "0.0.0.0/0", "table": 100}])),
                std::slice::from_ref(&sbr),
            ),
            "file exists",
        ),
        (
            config(
                &macvlan,
                &fixed(&v6, &json!([])),
                &[numbered(4_294_967_296)],
            ),
            "failed to add rule",
        ),
        (
            config(&macvlan, &fixed(&v6, &json!([])), &[numbered(-1)]),
            "failed to add rule",
        ),
        (
            config(
                &macvlan,
                &json!({"type": "whereabouts", "range": "::/64"}),
                &[],
            ),
            "metadata.name",
        ),
        (
            config(&macvlan, &fixed(&v4, &json!([])), &[sysctl]),
            "invalid argument",
        ),
        (
            config(
                &bridge("isGateway"),
                &fixed(
                    &json!([{"address": "224.0.0.5/24"}]),
                    &json!([{"dst": "10.9.0.0/16"}]),
                ),
                &[],
            ),
            "network is unreachable",
        ),
        (
            config(
                &bridge("isGateway"),
                &fixed(&json!([{"address": "255.255.255.255/32"}]), &json!([])),
                &[],
            ),
            "makeslice",
        ),
        (
            config(&small, &fixed(&v4, &json!([{"dst": "fd99::/64"}])), &[]),
            "no such device",
        ),
        (
            config(
                &macvlan,
                &json!({"type": "whereabouts", "range": "10.1.0.0/24", "ipRanges": [{"range": "10.1.0.9/24"}]}),
                &[],
            ),
            "file exists",
        ),
    ];
    let host = json!([{"dst": "10.9.0.0/16", "gw": "10.1.0.5", "scope": 254}]);
    let own = json!([{"address": "10.1.0.5/24"}]);
    let through_itself = config(&json!({"type": "bridge"}), &fixed(&own, &host), &[]);
    let cases = cases
        .into_iter()
        .chain([(through_itself, "invalid argument")]);
    for (config, says) in cases {
        let refusals = Config::read("net", &config).invalid;
        assert!(
            refusals.iter().any(|fault| fault.message.contains(says)),
            "{config}\n{refusals:?}"
        );
    }
}

#[test]
fn accepted() {
    let macvlan = json!({"type": "macvlan", "master": "eth1"});
    let v4 = fixed(
        &json!([{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]),
        &json!([]),
    );
    let twice = vec![json!({"type": "sbr", "table": 100}); 2];
    let old = json!({"cniVersion": "0.2.0", "name": "net", "type": "macvlan", "master": "eth1",
        "ipam": {"type": "whereabouts", "range": "10.1.0.0/24", "ipRanges": [{"range": "10.1.0.0/24"}]}});
    let named = json!({"type": "whereabouts", "range": "::/64", "range_start": "::5", "network_name": "blue"});
    for config in [
        config(&macvlan, &v4, &twice),
        config(&macvlan, &named, &[]),
        old.to_string(),
        config(
            &json!({"type": "bridge", "isGateway": true}),
            &json!({"type": "whereabouts", "range": "10.1.0.0/24",
            "routes": [{"dst": "10.9.0.0/24", "scope": 253}]}),
            &[],
        ),
    ] {
        assert_eq!(Config::read("net", &config).invalid, [], "{config}");
    }
}
