//! `NetworkAttachmentDefinition`s that are made to cost.

use std::sync::LazyLock;

use multinic_core::network::Snapshot;
use multinic_core::selector::NODE_SELECTOR;

use crate::measure::{Case, bounded};
use crate::{LARGEST_ANNOTATIONS, LARGEST_OBJECT, fill, list};

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(Snapshot::default);

fn review(selector: &str, config: &str, is_update: bool) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let object = |selector: &str, config: &str| {
        format!(
            r#"{{"metadata":{{"name":"net","annotations":{{"{NODE_SELECTOR}":{}}}}},"spec":{{"config":{}}}}}"#,
            quoted(selector),
            quoted(config),
        )
    };
    let (operation, old) = if is_update {
        (
            "UPDATE",
            object(&format!("zone,{selector}"), &format!(" {config}")),
        )
    } else {
        ("CREATE", "null".to_owned())
    };
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"k8s.cni.cncf.io","version":"v1","kind":"NetworkAttachmentDefinition"}},"resource":{{"group":"k8s.cni.cncf.io","version":"v1","resource":"network-attachment-definitions"}},"name":"net","namespace":"team-a","operation":"{operation}","object":{},"oldObject":{old}}}}}"#,
        object(selector, config),
    )
}

fn case(name: &str, selector: &str, config: &str) -> [Case<'static>; 2] {
    [false, true].map(|is_update| Case {
        name: format!("NAD, {name}{}", if is_update { ", UPDATE" } else { "" }),
        body: review(selector, config, is_update),
        snapshot: &SNAPSHOT,
    })
}

#[test]
fn selectors() {
    let mut all = Vec::new();
    for length in [
        863,
        5_000,
        50_000,
        LARGEST_ANNOTATIONS - 1000,
        LARGEST_OBJECT - 1000,
    ] {
        let values = list(length, |index| format!("v{index}"));
        for (name, selector) in [
            ("keys", list(length, |index| format!("k{index}"))),
            ("one key", list(length, |_| "k".to_owned())),
            ("equal", list(length, |index| format!("k{index}=v"))),
            (
                "one key, many values",
                list(length, |index| format!("k!=v{index}")),
            ),
            ("bounds", list(length, |index| format!("k>{index}"))),
            ("a set", format!("k in ({values})")),
            ("two sets", format!("k in ({values}),k in ({values})")),
            (
                "a set and others",
                format!(
                    "k in ({values}),{}",
                    list(length, |index| format!("k!=v{index}"))
                ),
            ),
            ("a set without one", format!("k notin ({values})")),
            ("sets", list(length, |_| "k in (a,b)".to_owned())),
            ("parentheses", fill("(", length)),
            ("commas", fill(",", length)),
            ("spaces", fill(" ", length)),
            ("signs", fill("!", length)),
            ("a long key", fill("a", length)),
            ("wide letters", fill("\u{e9}", length)),
            ("a set without end", format!("k in ({}", fill(",", length))),
        ] {
            all.extend(case(
                &format!("selector of {length}: {name}"),
                &selector,
                "",
            ));
        }
    }
    bounded(&all);
}

#[test]
fn configs() {
    let mut all = Vec::new();
    for length in [20_000, 200_000, LARGEST_OBJECT / 4, LARGEST_OBJECT / 2] {
        for (before, unit, after) in units() {
            let units = list(length, |index| unit.replace('#', &index.to_string()));
            let config = format!("{before}{units}{after}");
            let begin: String = config.chars().take(60).collect();
            all.extend(case(
                &format!("config of {length}: {begin}"),
                "zone=a",
                &config,
            ));
        }
    }
    bounded(&all);
}

/// What stands around a list of units, and the unit; `#` is its number.
fn units() -> Vec<(String, &'static str, String)> {
    let top = |key: &str| {
        (
            format!(r#"{{"cniVersion":"1.0.0","name":"n","type":"bridge","{key}":["#),
            "]}".to_owned(),
        )
    };
    let ipam = |kind: &str, key: &str| {
        (
            format!(
                r#"{{"cniVersion":"1.0.0","name":"n","type":"macvlan","master":"eth1","ipam":{{"type":"{kind}","{key}":["#
            ),
            "]}}".to_owned(),
        )
    };
    let meta = |kind: &str, key: &str, open: &str, close: &str| {
        (
            format!(
                r#"{{"cniVersion":"1.0.0","name":"n","plugins":[{{"type":"bridge"}},{{"type":"{kind}","{key}":{open}"#
            ),
            format!("{close}}}]}}"),
        )
    };
    let mut units = Vec::new();
    let mut add = |(before, after): (String, String), unit| units.push((before, unit, after));
    let plain = |before: &str, after: &str| (before.to_owned(), after.to_owned());
    add(
        plain(r#"{"cniVersion":"1.0.0","name":"n","plugins":["#, "]}"),
        r#"{"type":"bridge"}"#,
    );
    add(
        plain(r#"{"cniVersion":"1.0.0","name":"n","plugins":["#, "]}"),
        r#"{"type":"tuning"}"#,
    );
    add(
        plain(r#"{"cniVersion":"1.0.0","name":"n","plugins":["#, "]}"),
        r#"{"type":"unknown#"}"#,
    );
    add(
        plain(r#"{"cniVersion":"1.0.0","name":"n","plugins":["#, "]}"),
        r#"{"type":"macvlan","ipam":{"type":"whereabouts","range":"10.0.0.0/8"}}"#,
    );
    add(
        plain(r#"{"cniVersion":"1.0.0","name":"n","plugins":["#, "]}"),
        r#"{"type":"portmap","capabilities":{"c#":true}}"#,
    );
    add(
        plain(r#"{"cniVersion":"1.0.0","name":"n","plugins":["#, "]}"),
        "{}",
    );
    add(plain("{", r#","type":"bridge"}"#), r#""k#":0"#);
    add(plain("{", r#","type":"bridge"}"#), r#""typ#":0"#);
    add(plain("{", r#","type":"bridge"}"#), r#""Type":"a""#);
    add(
        plain("{", r#","type":"bridge"}"#),
        r#""ipam":{"type":"static"}"#,
    );
    add(
        plain("{", r#","type":"bridge"}"#),
        r#""capabilities":{"c#":true}"#,
    );
    add(
        plain(
            r#"{"cniVersion":"1.0.0","type":"bridge","capabilities":{"#,
            "}}",
        ),
        r#""c#":true"#,
    );
    add(
        plain(
            r#"{"cniVersion":"1.0.0","type":"bridge","args":{"cni":{"#,
            "}}}",
        ),
        r#""k#":true"#,
    );
    add(
        plain(r#"{"cniVersion":"1.0.0","type":"bridge","x":["#, "]}"),
        "0",
    );
    add(
        plain(r#"{"cniVersion":"1.0.0","type":"bridge","x":["#, "]}"),
        "[]",
    );
    add(
        plain(r#"{"cniVersion":"1.0.0","type":"bridge","x":["#, "]}"),
        r#"{"a":1,"A":2}"#,
    );
    add(plain("[", "]"), "[");
    add(plain("", ""), "a");
    add(plain("# ", ""), "\n");
    add(top("vlanTrunk"), r#"{"minID":1,"maxID":4094}"#);
    add(top("vlanTrunk"), r#"{"id":#}"#);
    for kind in ["host-local", "static", "whereabouts"] {
        add(ipam(kind, "routes"), r#"{"dst":"10.#.0.0/16"}"#);
        add(
            ipam(kind, "routes"),
            r#"{"dst":"10.1.0.0/16","gw":"10.0.0.1"}"#,
        );
        add(ipam(kind, "routes"), r#"{"dst":"0.0.0.0/0"}"#);
        add(ipam(kind, "ranges"), r#"[{"subnet":"10.0.0.0/24"}]"#);
        add(ipam(kind, "addresses"), r#"{"address":"10.0.0.1/24"}"#);
        add(
            ipam(kind, "addresses"),
            r#"{"address":"10.0.0.1/24","gateway":"10.0.0.2"}"#,
        );
        add(ipam(kind, "exclude"), "\"10.0.0.0/30\"");
        add(ipam(kind, "ipRanges"), r#"{"range":"10.0.0.0/24"}"#);
        add(ipam(kind, "k"), "0");
    }
    add(
        (
            r#"{"cniVersion":"1.0.0","name":"n","type":"macvlan","master":"eth1","ipam":{"type":"host-local","ranges":[["#.to_string(),
            "]]}}".to_owned(),
        ),
        r#"{"subnet":"10.#.0.0/24"}"#,
    );
    add(
        (
            r#"{"cniVersion":"1.0.0","name":"n","type":"macvlan","master":"eth1","ipam":{"type":"host-local","ranges":[["#.to_string(),
            "]]}}".to_owned(),
        ),
        r#"{"subnet":"fd00:#::/64"}"#,
    );
    add(meta("portmap", "conditionsV4", "[", "]"), "\"a\"");
    add(
        meta("portmap", "runtimeConfig", "{\"portMappings\":[", "]}"),
        r#"{"hostPort":#,"containerPort":1,"protocol":"tcp"}"#,
    );
    add(
        meta("tuning", "sysctl", "{", "}"),
        r#""net.ipv4.conf.#":"1""#,
    );
    add(meta("tuning", "allowList", "[", "]"), "\"a\"");
    add(meta("sbr", "table", "[", "]"), "1");
    units
}
