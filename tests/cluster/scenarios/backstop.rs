//! The backstop beside the rule: what `isolated-network` refuses, the policy refuses inside the API server; what is written
//! in a well-formed way and multinic admits, the policy admits.
//!
//! multinic runs on a port that is not registered and is asked directly; the webhooks lead nowhere, under Ignore. So the API
//! server decides alone, as it does while no replica answers.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use crate::{
    Scenario,
    cluster::{Cluster, SYSTEM},
    http::{Client, Message},
    objects::{DEFAULT_NETWORK, NETWORKS, binding, plain_pod, pod},
    process::{eventually, free_port},
    programs,
    server::{Server, Settings},
};

/// These take multinic out of the cluster for a while.
pub(crate) const LAST: &[Scenario] = &[
    ("backstop_holds_the_law_over_all_corpora", law),
    ("backstop_stays_within_its_budget", budget),
    ("backstop_warns_where_multinic_would_warn", warns),
];

/// The policy as it names itself in a refusal.
const POLICY: &str = "ValidatingAdmissionPolicy 'isolation.multinic.dev'";

/// The Pods of the corpora are of this namespace.
const OWN: &str = "podns";

/// May store what the others may not.
const SEEDER: &str = "seeder";

fn config() -> Value {
    json!({
        "globalNamespaces": ["default", "shared"],
        "grants": [
            {"networks": "telecom/*", "namespaces": [OWN]},
            {"networks": "storage/ceph-*", "namespaces": ["pod*", "other"]},
            {"networks": "team-c/*", "namespaces": ["team-d"]},
        ],
        "exemptions": [{"rules": ["isolated-network"], "objects": ["exempt/*"], "reason": "for the test"}],
        // Whether a network exists is not what is compared here.
        "rules": {"missing-network": "off", "unusable-network": "off"},
    })
}

/// Installs the release with these values, for a server at the usual URL.
fn install(c: &Cluster, config: &Value) {
    let mut config = config.clone();
    let seeder = json!({"rules": ["isolated-network"], "users": [SEEDER], "reason": "stores what was there before"});
    match config["exemptions"].as_array_mut() {
        Some(exemptions) => exemptions.push(seeder),
        None => config["exemptions"] = json!([seeder]),
    }
    let values = json!({
        "webhook": {"url": c.url(), "failurePolicy": "Ignore"},
        "certificates": {"caBundle": fs::read_to_string(&c.settings().client_ca).expect("the CA")},
        "crds": {"install": true},
        "config": config,
    });
    let file = c.settings().folder.join("backstop-values.json");
    fs::write(&file, values.to_string()).expect("write the values");
    let (chart, file) = (
        programs::chart().display().to_string(),
        file.display().to_string(),
    );
    c.helm(&[
        "upgrade",
        "--install",
        "multinic",
        &chart,
        "-n",
        SYSTEM,
        "--force-conflicts",
        "-f",
        &file,
    ])
    .accepted();
}

/// Where the annotations come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Write {
    Create,
    Update,
    Status,
    Bind,
}

/// What somebody writes.
#[derive(Clone, Debug)]
struct Case {
    write: Write,
    namespace: String,
    old: Map<String, Value>,
    new: Map<String, Value>,
}

impl Case {
    fn created(new: &[(&str, &str)]) -> Self {
        Self::changed(&[], new, Write::Create)
    }

    fn changed(old: &[(&str, &str)], new: &[(&str, &str)], write: Write) -> Self {
        let map = |of: &[(&str, &str)]| {
            of.iter()
                .map(|(key, value)| ((*key).to_owned(), json!(value)))
                .collect()
        };
        Self {
            write,
            namespace: OWN.to_owned(),
            old: map(old),
            new: map(new),
        }
    }

    /// A recorded review, where its object is a Pod or a Binding that carries annotations.
    fn recorded(review: &Value) -> Option<Self> {
        let request = &review["request"];
        let write = match (
            request["resource"]["resource"].as_str()?,
            request["subResource"].as_str(),
            request["operation"].as_str()?,
        ) {
            ("pods", None, "CREATE") => Write::Create,
            ("pods", None, "UPDATE") => Write::Update,
            ("pods", Some("status"), "UPDATE") => Write::Status,
            ("pods", Some("binding"), "CREATE") | ("bindings", None, "CREATE") => Write::Bind,
            _ => return None,
        };
        let annotations = |object: &Value| {
            let all = object["metadata"]["annotations"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            all.into_iter()
                .filter(|(key, _)| key == NETWORKS || key == DEFAULT_NETWORK)
                .collect()
        };
        let (old, new) = (
            annotations(&request["oldObject"]),
            annotations(&request["object"]),
        );
        let namespace = request["namespace"].as_str()?.to_owned();
        Some(Self {
            write,
            namespace,
            old,
            new,
        })
    }

    fn object(&self, name: &str, annotations: &Map<String, Value>) -> Value {
        let mut object = match self.write {
            Write::Bind => binding(&self.namespace, name, "node-1", &json!({})),
            _ => plain_pod(&self.namespace, name),
        };
        object["metadata"]["annotations"] = Value::Object(annotations.clone());
        object
    }

    /// The review that the API server would send.
    fn review(&self) -> Value {
        let (kind, sub) = match self.write {
            Write::Create | Write::Update => ("Pod", ""),
            Write::Status => ("Pod", "status"),
            Write::Bind => ("Binding", "binding"),
        };
        let created = matches!(self.write, Write::Create | Write::Bind);
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "00000000-0000-0000-0000-000000000000",
            "kind": {"group": "", "version": "v1", "kind": kind},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "subResource": sub,
            "requestKind": {"group": "", "version": "v1", "kind": kind},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "requestSubResource": sub,
            "name": "case", "namespace": self.namespace,
            "operation": if created { "CREATE" } else { "UPDATE" },
            "userInfo": {"username": "fast"},
            "object": self.object("case", &self.new),
            "oldObject": if created { Value::Null } else { self.object("case", &self.old) },
            "dryRun": true, "options": null,
        }})
    }

    /// Whether every annotation is one that the backstop promises to read.
    fn well_formed(&self) -> bool {
        self.new
            .values()
            .all(|value| value.as_str().is_some_and(well_formed))
    }
}

/// The short form; or an array of objects without backslashes, with at most three levels of objects below an element and
/// without a second "name" or "namespace" in it.
fn well_formed(annotation: &str) -> bool {
    fn depth(value: &Value) -> usize {
        match value {
            Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
            Value::Array(list) => list.iter().map(depth).max().unwrap_or_default(),
            _ => 0,
        }
    }
    fn named_inside(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.iter().any(|(key, value)| {
                ["name", "namespace"].contains(&key.to_lowercase().as_str()) || named_inside(value)
            }),
            Value::Array(list) => list.iter().any(named_inside),
            _ => false,
        }
    }
    if !annotation.contains(['[', '{', '"']) {
        return true;
    }
    let elements: Result<Vec<Map<String, Value>>, _> = serde_json::from_str(annotation);
    !annotation.contains('\\')
        && annotation.len() <= 65_536
        && elements.is_ok_and(|elements| {
            elements
                .iter()
                .flat_map(Map::values)
                .all(|value| depth(value) <= 3 && !named_inside(value))
        })
}

/// The two that decide.
struct Judges<'a> {
    cluster: &'a Cluster,
    api: Client,
    seeder: Client,
    multinic: Client,
    seeded: usize,
}

impl<'a> Judges<'a> {
    fn new(c: &'a Cluster, multinic: &Settings) -> Self {
        let client = |name: &str| {
            let plane = c.plane();
            let identity = plane
                .pki
                .client(name, name, Some("system:masters"))
                .expect("a certificate");
            Client::connect(plane.port(), &plane.pki.ca(), Some(&identity)).expect("the API server")
        };
        let caller = c.plane().caller();
        Self {
            cluster: c,
            api: client("fast"),
            seeder: client(SEEDER),
            multinic: Client::connect(multinic.port, &multinic.client_ca, Some(&caller))
                .expect("multinic"),
            seeded: 0,
        }
    }

    /// Why the API server refuses it because of the policy.
    fn policy(&mut self, case: &Case) -> Option<String> {
        let said = |answer: Message| {
            let text = answer.text();
            (answer.status() >= 400 && text.contains("isolation.multinic.dev")).then_some(text)
        };
        let pods = format!("/api/v1/namespaces/{}/pods", case.namespace);
        if case.write == Write::Create {
            let pod = case.object("case", &case.new).to_string();
            return said(
                self.api
                    .post(&format!("{pods}?dryRun=All"), &pod)
                    .expect("an answer"),
            );
        }
        self.seeded += 1;
        let name = format!("seed-{}", self.seeded);
        let mut stored = plain_pod(&case.namespace, &name);
        stored["metadata"]["annotations"] = Value::Object(case.old.clone());
        let made = self
            .seeder
            .post(&pods, &stored.to_string())
            .expect("an answer");
        assert_eq!(made.status(), 201, "{case:?}: {}", made.text());
        if case.write == Write::Bind {
            let bind = case.object(&name, &case.new).to_string();
            return said(
                self.api
                    .post(&format!("{pods}/{name}/binding?dryRun=All"), &bind)
                    .expect("an answer"),
            );
        }
        let mut annotations = case.new.clone();
        for gone in case.old.keys().filter(|key| !case.new.contains_key(*key)) {
            annotations.insert(gone.clone(), Value::Null);
        }
        let patch = json!({"metadata": {"annotations": annotations}});
        let mut more = vec!["--dry-run=server"];
        if case.write == Write::Status {
            more.push("--subresource=status");
        }
        let outcome = self
            .cluster
            .patch(&case.namespace, "pod", &name, &patch, &more);
        (!outcome.accepted && outcome.stderr.contains("isolation.multinic.dev"))
            .then_some(outcome.stderr)
    }

    /// The verdict of multinic, and the rules that spoke.
    fn rule(&mut self, review: &Value) -> (bool, String) {
        let answer = self
            .multinic
            .post("/validate", &review.to_string())
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let response = &answer["response"];
        let rules = response["auditAnnotations"]["rules"]
            .as_str()
            .unwrap_or_default();
        (response["allowed"] == true, rules.to_owned())
    }
}

/// What became of the cases.
#[derive(Debug, Default)]
struct Tally {
    refused_by_both: usize,
    admitted_by_both: usize,
    /// Refused by the policy alone: malformed, ambiguous or odd.
    stricter: usize,
    broken: String,
}

impl Tally {
    fn count(&mut self, judges: &mut Judges<'_>, case: &Case, review: &Value) {
        let (allowed, rules) = judges.rule(review);
        let isolated = rules
            .split(',')
            .any(|rule| rule.trim() == "isolated-network");
        let refused = judges.policy(case);
        let fault = match (isolated, allowed, &refused) {
            (true, _, None) => "multinic isolates it and the policy admits it",
            (_, true, Some(_)) if case.well_formed() => {
                "multinic admits it and the policy refuses it"
            }
            _ => "",
        };
        if !fault.is_empty() {
            writeln!(
                self.broken,
                "{fault}: {case:?}\n  rules: {rules:?}\n  policy: {refused:?}"
            )
            .expect("a string");
        }
        match (isolated, refused.is_some()) {
            (true, true) => self.refused_by_both += 1,
            (false, false) => self.admitted_by_both += 1,
            (_, true) => self.stricter += 1,
            (true, false) => {}
        }
    }
}

fn oracle(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle")
        .join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The annotations of which the real parser of Multus gave its verdict.
fn corpora() -> Vec<String> {
    let input = |case: &Value| case["input"].as_str().expect("an input").to_owned();
    let cases: Value = serde_json::from_str(&oracle("annotations.json")).expect("JSON");
    let mut all: Vec<_> = cases["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .map(input)
        .collect();
    let fuzz = oracle("fuzz_networks.jsonl");
    all.extend(
        fuzz.lines()
            .map(|line| input(&serde_json::from_str(line).expect("JSON"))),
    );
    all
}

/// A generator of which every run makes the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.roll(all.len())]
    }
}

const NAMESPACES: [&str; 10] = [
    OWN,
    OWN,
    "default",
    "shared",
    "telecom",
    "storage",
    "team-b",
    "team-c",
    "kube-system",
    "",
];
const NAMES: [&str; 6] = ["a", "ceph-1", "sriov", "x.y", "b/c", "team-b"];

/// Annotations about namespaces: sound ones, and every way known to hide one.
fn adversarial(dice: &mut Dice) -> String {
    let elements = 1 + dice.roll(3);
    if dice.roll(3) == 0 {
        let element = |dice: &mut Dice| {
            let namespace = dice.of(&NAMESPACES);
            let slash = if namespace.is_empty() && dice.roll(2) == 0 {
                ""
            } else {
                "/"
            };
            let (space, interface) = (
                dice.of(&["", "", " ", "\t", "\n", "\u{a0}"]),
                dice.of(&["", "@eth1", " @ eth1", "@"]),
            );
            format!(
                "{space}{namespace}{space}{slash}{space}{}{interface}",
                dice.of(&NAMES)
            )
        };
        return (0..elements)
            .map(|_| element(dice))
            .collect::<Vec<_>>()
            .join(",");
    }
    let pair = |dice: &mut Dice, keys: &[&str], value: String| {
        let (before, after) = (dice.of(&["", "", " ", "\n  "]), dice.of(&["", " ", "\t"]));
        format!("{before}\"{}\"{after}:{after}{value}", dice.of(keys))
    };
    let element = |dice: &mut Dice| {
        let mut pairs = Vec::new();
        let name = format!("\"{}\"", dice.of(&NAMES));
        pairs.push(pair(
            dice,
            &["name", "name", "name", "Name", "n\\u0061me"],
            name,
        ));
        for _ in 0..dice.roll(4).min(2) {
            let value = match dice.roll(8) {
                0 => "null".to_owned(),
                1 => "7".to_owned(),
                2 => format!("\"{}\"", "te\\u0061m-b"),
                _ => format!("\"{}\"", dice.of(&NAMESPACES)),
            };
            let keys = [
                "namespace",
                "namespace",
                "namespace",
                "Namespace",
                "NAMESPACE",
                "name\u{17f}pace",
                "name\\u0073pace",
                "namespace ",
            ];
            pairs.push(pair(dice, &keys, value));
        }
        match dice.roll(6) {
            0 => pairs.push(r#""cni-args":{"a":{"b":"}"}}"#.to_owned()),
            1 => pairs.push(r#""cni-args":{"namespace":"team-b","name":"x"}"#.to_owned()),
            2 => pairs.push(r#""portMappings":[{"hostPort":1,"containerPort":2}]"#.to_owned()),
            3 => pairs.push(r#""mac":"}],[{""#.to_owned()),
            _ => {}
        }
        let first = dice.roll(pairs.len());
        pairs.rotate_left(first);
        format!(
            "{{{}{}",
            pairs.join(","),
            dice.of(&["}", "}", "}", "}", ",}", ""])
        )
    };
    let body = (0..elements)
        .map(|_| element(dice))
        .collect::<Vec<_>>()
        .join(dice.of(&[",", ",", " ,\n", " "]));
    format!(
        "{}[{body}{}",
        dice.of(&["", "", " \n"]),
        dice.of(&["]", "]", "]", "] ", "", "]x"])
    )
}

/// Starts multinic where nobody calls it, and installs the policy while the webhooks lead nowhere.
fn stage(c: &Cluster) -> (Server, Settings) {
    for namespace in [OWN, "exempt"] {
        c.namespace(namespace);
    }
    c.kill_server();
    install(c, &config());
    let aside = Settings {
        port: free_port(),
        admin_port: free_port(),
        ..c.settings().clone()
    };
    let mut server = Server::start(&aside, &config().to_string());
    server.wait_until_ready();
    eventually("the policy to be in force", || {
        let probe = c.kubectl(
            &["create", "--dry-run=server", "-f", "-"],
            Some(&pod(OWN, "probe", "team-b/x")),
        );
        if !probe.accepted && probe.stderr.contains(POLICY) {
            Ok(())
        } else {
            Err(probe.to_string())
        }
    });
    (server, aside)
}

fn leave(c: &Cluster) {
    for namespace in [OWN, "exempt"] {
        c.delete_namespace(namespace).accepted();
    }
    c.install(&[]);
    c.start_server("{}");
}

fn law(c: &Cluster) {
    let (server, aside) = stage(c);
    let mut judges = Judges::new(c, &aside);
    let mut tally = Tally::default();

    // Everything that was recorded: created, updated, status, Bindings.
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reviews/recorded");
    let mut files: Vec<_> = fs::read_dir(recorded)
        .expect("recordings")
        .flatten()
        .map(|file| file.path())
        .collect();
    files.sort();
    let mut replayed = 0;
    for file in files
        .iter()
        .filter(|file| file.to_string_lossy().ends_with(".validate.json"))
    {
        let review: Value =
            serde_json::from_slice(&fs::read(file).expect("a review")).expect("JSON");
        let Some(case) = Case::recorded(&review) else {
            continue;
        };
        if !["default", "team-a", "team-b"].contains(&case.namespace.as_str()) {
            continue; // kube-system is not judged, and others are gone.
        }
        tally.count(&mut judges, &case, &review);
        replayed += 1;
    }
    assert!(replayed > 25, "{replayed} recordings were replayed");

    // What Multus itself was asked, as networks and as a default network.
    for input in corpora() {
        for annotation in [NETWORKS, DEFAULT_NETWORK] {
            let case = Case::created(&[(annotation, &input)]);
            let review = case.review();
            tally.count(&mut judges, &case, &review);
        }
    }

    let mut dice = Dice(14);
    for _ in 0..1_500 {
        let annotation = [NETWORKS, NETWORKS, NETWORKS, DEFAULT_NETWORK][dice.roll(4)];
        let case = Case::created(&[(annotation, &adversarial(&mut dice))]);
        let review = case.review();
        tally.count(&mut judges, &case, &review);
    }

    // Stored before, and changed now.
    for case in changes() {
        let review = case.review();
        tally.count(&mut judges, &case, &review);
    }
    // An exemption by namespace.
    let mut case = Case::created(&[(NETWORKS, "team-b/x")]);
    case.namespace = "exempt".to_owned();
    assert_eq!(judges.policy(&case), None);
    assert_eq!(judges.rule(&case.review()), (true, String::new()));

    assert!(tally.broken.is_empty(), "{}", tally.broken);
    // None of this would be worth anything if one of the two always said the same.
    assert!(
        tally.refused_by_both > 500 && tally.admitted_by_both > 1_000 && tally.stricter > 100,
        "{tally:?}"
    );
    drop(server);
    leave(c);
}

/// Changes of a stored Pod: removals, additions, both annotations, other forms.
fn changes() -> Vec<Case> {
    let json = |elements: &[&str]| format!("[{}]", elements.join(", "));
    let (foreign, own, other) = (
        r#"{"name":"x","namespace":"team-b","portMappings":[{"hostPort":1}]}"#,
        r#"{"name":"mine"}"#,
        r#"{"name":"y","namespace":"team-b"}"#,
    );
    let texts = [
        ("team-b/x,mine".to_owned(), "team-b/x".to_owned()),
        ("team-b/x,mine".to_owned(), "mine, team-b/x".to_owned()),
        ("team-b/x,mine".to_owned(), "team-b/x,team-b/x".to_owned()),
        (
            "team-b/x,team-b/x,mine".to_owned(),
            "team-b/x,team-b/x".to_owned(),
        ),
        ("team-b/x".to_owned(), "team-b/x,mine".to_owned()),
        ("team-b/x".to_owned(), "team-b/y".to_owned()),
        ("mine".to_owned(), "team-b/x".to_owned()),
        ("team-b/x".to_owned(), "mine".to_owned()),
        (json(&[foreign, own]), json(&[foreign])),
        (json(&[foreign, own]), json(&[own])),
        (json(&[foreign, own]), json(&[own, foreign])),
        (json(&[foreign]), json(&[foreign, foreign])),
        (json(&[foreign]), json(&[other])),
        (json(&[foreign, other]), json(&[other])),
    ];
    let mut all = Vec::new();
    for (old, new) in &texts {
        for write in [Write::Update, Write::Status] {
            for annotation in [NETWORKS, DEFAULT_NETWORK] {
                all.push(Case::changed(
                    &[(annotation, old)],
                    &[(annotation, new)],
                    write,
                ));
            }
        }
        all.push(Case::changed(&[], &[(NETWORKS, new)], Write::Bind));
    }
    // One annotation changes, and the other one is as it was.
    all.push(Case::changed(
        &[(NETWORKS, "team-b/x")],
        &[(NETWORKS, "team-b/x"), (DEFAULT_NETWORK, "default/y")],
        Write::Update,
    ));
    all.push(Case::changed(
        &[(NETWORKS, "mine")],
        &[(NETWORKS, "mine"), (DEFAULT_NETWORK, "team-b/y")],
        Write::Update,
    ));
    all.push(Case::changed(&[(NETWORKS, "team-b/x")], &[], Write::Update));
    all
}

/// What people could ask for in earnest, and what fits into an annotation at all.
fn budget(c: &Cluster) {
    let (server, aside) = stage(c);
    let mut judges = Judges::new(c, &aside);
    let short = |count: usize, namespace: &str| {
        (0..count)
            .map(|n| format!("{namespace}/net-{n}@net{n}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let element = |n: usize, namespace: &str| {
        format!(
            r#"{{"name": "net-{n}", "namespace": "{namespace}", "ips": ["10.0.0.{n}/24"], "mac": "02:00:00:00:00:01", "portMappings": [{{"hostPort": 1, "containerPort": 2}}]}}"#
        )
    };
    let long = |count: usize, namespace: &str| {
        format!(
            "[{}]",
            (0..count)
                .map(|n| element(n, namespace))
                .collect::<Vec<_>>()
                .join(",\n")
        )
    };
    let mut timed = |text: &str| {
        let began = Instant::now();
        let refused = judges.policy(&Case::created(&[(NETWORKS, text)]));
        // Seconds are for a machine that does much else.
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{} bytes: {:?}",
            text.len(),
            began.elapsed()
        );
        refused
    };
    // More than a Pod can have interfaces.
    for text in [
        short(100, "default"),
        long(100, "default"),
        short(100, "telecom"),
        long(100, "telecom"),
    ] {
        assert_eq!(timed(&text), None, "{} bytes", text.len());
    }
    for text in [short(100, "team-b"), long(100, "team-b")] {
        let refused = timed(&text).unwrap_or_default();
        assert!(
            refused.contains("may not use network \\\"team-b/net-0\\\""),
            "{refused}"
        );
    }
    // Beyond the bounds it is refused at once: CEL would take half a minute for 9,000 elements.
    let keys = |before: &str, after: &str| {
        format!(
            "[{{{before}{}{after}\"name\":\"a\"}}]",
            "\"namespace\":\"\",".repeat(3_800)
        )
    };
    for text in [
        short(101, "default"),
        long(101, "default"),
        short(9_000, "default"),
        long(1_000, "default"),
        ",".repeat(250_000),
        "/".repeat(250_000),
        "[".repeat(250_000),
        "{\"a\":".repeat(40_000),
        format!("[{{\"name\":\"{}\"}}]", "{".repeat(250_000)),
        keys("", ""),
        keys("\"namespace\":\"team-b\",", ""),
        keys("", "\"namespace\":\"team-b\","),
    ] {
        assert!(text.len() < 256 * 1024, "{}", text.len());
        assert!(timed(&text).is_some(), "{} bytes", text.len());
    }
    drop(server);
    leave(c);
}

fn warns(c: &Cluster) {
    c.namespace(OWN);
    c.kill_server();
    install(c, &json!({"enforcement": "warn"}));
    let foreign = pod(OWN, "foreign", "team-b/x");
    eventually("the policy to warn", || {
        let probe = c.kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&foreign));
        let words =
            "isolated-network: a Pod of namespace \"podns\" may not use network \"team-b/x\"";
        if probe.accepted && probe.stderr.contains("Warning: ") && probe.stderr.contains(words) {
            Ok(())
        } else {
            Err(probe.to_string())
        }
    });
    c.create(&pod(OWN, "own", "mine")).accepted().unwarned();
    // The rule off: nothing is said.
    install(c, &json!({"rules": {"isolated-network": "off"}}));
    assert!(!c.exists(
        "default",
        "validatingadmissionpolicy",
        "isolation.multinic.dev"
    ));
    eventually("the policy to be gone", || {
        let probe = c.kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&foreign));
        if probe.accepted && !probe.stderr.contains("Warning: ") {
            Ok(())
        } else {
            Err(probe.to_string())
        }
    });
    c.delete_namespace(OWN).accepted();
    c.install(&[]);
    c.start_server("{}");
}
