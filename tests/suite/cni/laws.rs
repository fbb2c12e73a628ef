//! What holds of every configuration: valid ones changed key by key, and any bytes at all.

use multinic_core::cni::Config;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Configurations that the plugins accept, which between them use most keys.
fn valid() -> Vec<Value> {
    let bridge = |rest: Value| {
        let mut chain = vec![json!({
            "type": "bridge", "bridge": "br-x", "isGateway": true, "mtu": 1400, "hairpinMode": true,
            "vlan": 10, "vlanTrunk": [{"id": 20}, {"minID": 30, "maxID": 40}], "ipMasq": true,
            "ipMasqBackend": "nftables",
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24",
                "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.20", "gateway": "10.1.0.1"}]],
                "routes": [{"dst": "10.99.0.0/16", "gw": "10.1.0.254", "priority": 5}]}
        })];
        chain.extend(rest.as_array().unwrap().clone());
        json!({"cniVersion": "0.3.1", "name": "net", "plugins": chain})
    };
    vec![
        bridge(json!([
            {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true,
                "markMasqBit": 13, "backend": "iptables", "conditionsV4": ["-d", "192.0.2.0/24"]},
            {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "mtu": 1400,
                "mac": "02:00:00:00:00:01", "promisc": true},
            {"type": "sbr"}
        ])),
        json!({"cniVersion": "1.0.0", "name": "net", "type": "ipvlan", "master": "eth1", "mode": "l3",
            "mtu": 1500, "linkInContainer": false, "ipam": {"type": "static",
            "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "fd00::5/64"}],
            "routes": [{"dst": "10.99.0.0/16", "table": 100}], "dns": {"nameservers": ["10.1.0.1"]}}}),
        json!({"cniVersion": "0.3.1", "name": "net", "type": "macvlan", "master": "eth1",
            "mode": "bridge", "mac": "02:00:00:00:00:01", "bcqueuelen": 1000, "ipam": {
            "type": "whereabouts", "range": "10.1.0.0/24", "range_start": "10.1.0.10",
            "range_end": "10.1.0.20", "exclude": ["10.1.0.12/31"], "gateway": "10.1.0.1",
            "network_name": "blue", "leader_lease_duration": 1500,
            "ipRanges": [{"range": "fd00::/64", "exclude": ["fd00::1"]}]}}),
    ]
}

/// Paths to every value but the whole, as JSON pointers.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                out.push(at.clone());
                pointers(value, &at, out);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                let at = format!("{at}/{index}");
                out.push(at.clone());
                pointers(value, &at, out);
            }
        }
        _ => {}
    }
}

/// The object that holds what `pointer` leads to, and its key there.
fn parent<'v>(value: &'v mut Value, pointer: &str) -> Option<(&'v mut Map<String, Value>, String)> {
    let (parent, key) = pointer.rsplit_once('/')?;
    let key = key.replace("~1", "/").replace("~0", "~");
    Some((value.pointer_mut(parent)?.as_object_mut()?, key))
}

fn is_refused(config: &str) -> bool {
    let config = Config::read("net", config);
    config.malformed.is_some() || !config.invalid.is_empty()
}

/// One change of a configuration, at the place that `choice` picks.
fn changed(choice: usize, how: usize) -> (Value, Value, String) {
    let all = valid();
    let original = all[choice % all.len()].clone();
    let mut places = Vec::new();
    pointers(&original, "", &mut places);
    let place = places[choice / all.len() % places.len()].clone();
    let mut mutant = original.clone();
    let value = mutant.pointer_mut(&place).unwrap();
    *value = match (how % 9, value.clone()) {
        (0, _) => Value::Null,
        (1, _) => json!(true),
        (2, _) => json!([]),
        (3, _) => json!({}),
        (4, Value::Number(number)) => json!(number.as_i64().unwrap() + 1),
        (5, Value::Number(number)) => json!(number.as_i64().unwrap() - 1),
        (4, _) => json!("banana"),
        (5, Value::String(text)) => json!(text.to_uppercase()),
        (6, Value::Number(number)) => json!(number.to_string()),
        (6, _) => json!(1e300),
        (7, _) => json!(-1),
        (_, other) => json!([other]),
    };
    (original, mutant, place)
}

#[test]
fn the_configurations_are_valid_and_raise_no_warning() {
    for config in valid() {
        let config = Config::read("net", &config.to_string());
        assert_eq!((config.malformed, config.invalid), (None, Vec::new()));
        assert_eq!(config.suspicious, Vec::new());
        assert_eq!(config.ambiguous, Vec::new());
    }
}

/// Struct fields that `null` leaves as they were: all but the two with a decoder of their own, the
/// elements of arrays, and what libcni wants to be a string.
#[test]
fn null_is_as_good_as_absent() {
    for original in valid() {
        let mut places = Vec::new();
        pointers(&original, "", &mut places);
        for place in places {
            let (mut with_null, mut without) = (original.clone(), original.clone());
            let Some((object, key)) = parent(&mut without, &place) else {
                continue;
            };
            if matches!(key.as_str(), "subnet" | "dst")
                || matches!(place.as_str(), "/name" | "/cniVersion" | "/plugins")
            {
                continue;
            }
            // In a map, as sysctl is one, null is an empty text.
            if place.contains("/sysctl/") {
                continue;
            }
            object.remove(&key);
            *with_null.pointer_mut(&place).unwrap() = Value::Null;
            let read = |config: &Value| is_refused(&config.to_string());
            assert_eq!(read(&with_null), read(&without), "{place} of {original}");
        }
    }
}

proptest! {
    /// A key in another case is the same key, for Go.
    #[test]
    fn case_changes_no_verdict(choice in 0usize..10_000, how in 0usize..9) {
        let (_, mut mutant, place) = changed(choice, how);
        let before = is_refused(&mutant.to_string());
        // libcni wants the keys of a list spelled exactly, a map takes every key as it is, and this
        // is the one key with two fields.
        let exact = ["/name", "/cniVersion", "/plugins"].contains(&place.as_str())
            || place.contains("/sysctl/")
            || place.contains("/capabilities/")
            || (place.contains("/addresses/") && place.ends_with("/address"));
        if let (false, Some((object, key))) = (exact, parent(&mut mutant, &place)) {
            let value = object.remove(&key).unwrap();
            object.insert(key.to_uppercase(), value);
        }
        prop_assert_eq!(before, is_refused(&mutant.to_string()), "{}", mutant);
    }

    #[test]
    fn layout_and_order_change_no_verdict(choice in 0usize..10_000, how in 0usize..9) {
        let (_, mutant, _) = changed(choice, how);
        let config = Config::read("net", &mutant.to_string());
        let pretty = Config::read("net", &format!("\n  {mutant:#}\t\n"));
        let reversed = Config::read("net", &reversed(&mutant));
        let messages = |config: &Config| {
            let faults = config.invalid.iter().chain(&config.malformed);
            let mut all: Vec<_> = faults.map(|fault| (fault.at.path.clone(), fault.message.clone())).collect();
            all.sort();
            all
        };
        prop_assert_eq!(messages(&config).len(), messages(&pretty).len());
        prop_assert_eq!(messages(&config).is_empty(), messages(&reversed).is_empty(), "{}", mutant);
    }

    /// A change never panics, and every message is one line that says where.
    #[test]
    fn messages_are_one_line_with_a_place(choice in 0usize..10_000, how in 0usize..9) {
        let (_, mutant, _) = changed(choice, how);
        let config = Config::read("net", &mutant.to_string());
        let faults = config.invalid.iter().chain(&config.suspicious).chain(&config.malformed);
        for fault in faults {
            prop_assert!(!fault.message.contains('\n'));
            prop_assert!(fault.at.line == 1 && fault.at.column > 0);
            prop_assert!(fault.message.len() < 1_000, "{}", fault.message);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        Config::read("net", &text);
    }

    /// JSON of any shape under the keys that the plugins read.
    #[test]
    fn no_json_panics(kind in 0usize..9, ipam in 0usize..3, value in any_json(), other in any_json()) {
        const KINDS: [&str; 9] = ["ipvlan", "macvlan", "bridge", "portmap", "sbr", "tuning", "host-local", "static", "whereabouts"];
        const IPAM: [&str; 3] = ["host-local", "static", "whereabouts"];
        const KEYS: [&str; 12] = ["subnet", "ranges", "routes", "addresses", "range", "ipRanges", "exclude", "gateway", "master", "mtu", "vlanTrunk", "sysctl"];
        for key in KEYS {
            let plugin = json!({"type": KINDS[kind], key: value, "ipam": {"type": IPAM[ipam], key: value, "routes": other}});
            Config::read("net", &json!({"plugins": [{"type": "bridge"}, plugin.clone()]}).to_string());
            Config::read("net", &plugin.to_string());
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9a-f.:/-]{0,20}".prop_map(Value::from),
        ".{0,10}".prop_map(Value::from),
        Just(json!("10.1.0.0/24")),
        Just(json!("::/0")),
        Just(json!("255.255.255.255/32")),
        Just(json!({"dst": "0.0.0.0/0", "gw": "255.255.255.255"})),
        Just(json!({"address": "ffff::ffff/128", "gateway": "::"})),
        Just(json!({"subnet": "255.255.255.252/30", "rangeStart": "255.255.255.255"})),
        Just(json!({"range": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124", "exclude": ["::/0"]})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(
                ("subnet|dst|gw|address|range|id|minID|rangeEnd", inner),
                0..4
            )
            .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// The same value with the members of every object in reverse.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<_> = members
                .iter()
                .rev()
                .map(|(key, value)| format!("{}:{}", json!(key), reversed(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(reversed).collect();
            format!("[{}]", elements.join(","))
        }
        other => other.to_string(),
    }
}
