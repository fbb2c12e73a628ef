//! Bodies that nobody means well with: an answer to each, or the reason why there is none.

use std::fs;
use std::time::Duration;

use multinic_core::answer::Case;
use multinic_core::fault::MAX_FAULTS;
use multinic_core::limits::MAX_ATTACHMENTS;
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::view::networks::{DEFAULT_NETWORK, NETWORKS};
use multinic_core::world::World;
use proptest::prelude::*;
use proptest::sample::Index;
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde_json::{Value, json};

use crate::manifest::created;
use crate::reviews::{folder, networks};

/// Asks both webhooks. Whatever is answered is an AdmissionReview with the request's uid.
fn survive(body: &[u8], snapshot: &Snapshot) {
    let Ok(document) = review::read(body) else {
        return;
    };
    let Ok(request) = Request::of(&document) else {
        return;
    };
    let config = Policy::default();
    let fetched = Fetched::default();
    let world = World {
        snapshot,
        fetched: &fetched,
        policy: &config,
        usage: None,
    };
    let case = Case::of(&request, &config);
    let _ = case.unknown(&config, snapshot);
    for webhook in [Webhook::Mutate, Webhook::Validate] {
        let answer = case.answer(webhook, &world);
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["apiVersion"], review::API_VERSION);
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["response"]["uid"], *request.uid);
        assert!(answer["response"]["allowed"].is_boolean());
    }
}

fn recordings() -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder().join("recorded")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort_unstable();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// What may be done to a body.
#[derive(Clone, Debug)]
enum Harm {
    Flip(Index, u8),
    Cut(Index),
    /// The text between two quotes, exchanged with another.
    Swap(Index, Index),
    Insert(Index, &'static str),
}

fn harm() -> impl Strategy<Value = Harm> {
    let texts = [
        "\\ud800", "null", "[]", "{}", "\"", "\\u0000", "-1e999", "[[[[", "\u{202e}",
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Harm::Flip(at, byte)),
        any::<Index>().prop_map(Harm::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Harm::Swap(one, other)),
        (any::<Index>(), 0..texts.len()).prop_map(move |(at, text)| Harm::Insert(at, texts[text])),
    ]
}

fn harmed(mut body: Vec<u8>, harm: &Harm) -> Vec<u8> {
    if body.is_empty() {
        return body;
    }
    match harm {
        Harm::Flip(at, byte) => {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        Harm::Cut(at) => body.truncate(at.index(body.len())),
        Harm::Swap(one, other) => {
            let mut parts: Vec<&[u8]> = body.split(|byte| *byte == b'"').collect();
            let (one, other) = (one.index(parts.len()), other.index(parts.len()));
            parts.swap(one, other);
            body = parts.join(&b'"');
        }
        Harm::Insert(at, text) => {
            let at = at.index(body.len());
            body.splice(at..at, text.bytes());
        }
    }
    body
}

proptest! {
    #[test]
    fn no_bytes_make_the_pipeline_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        survive(&body, &Snapshot::default());
    }

    #[test]
    fn no_harmed_recording_makes_the_pipeline_panic(
        choice in any::<Index>(),
        harms in proptest::collection::vec(harm(), 1..4),
    ) {
        let recordings = recordings();
        let body = recordings[choice.index(recordings.len())].clone();
        survive(&harms.iter().fold(body, harmed), &networks(""));
    }

    #[test]
    fn no_text_of_ours_makes_the_pipeline_panic(text in "[\\PC\\x00-\\x1f\"\\[\\]{}:,@/=!<>()]{0,80}") {
        for body in bodies(&text) {
            survive(body.to_string().as_bytes(), &Snapshot::default());
        }
    }
}

/// A text more, at every byte of a Pod that is patched: then there may be no spec to patch.
#[test]
fn no_text_more_makes_the_pipeline_panic() {
    let recorded = folder().join("recorded/pod-dry-run.create-pods.mutate.json");
    let body = fs::read(recorded).unwrap();
    let snapshot = networks("");
    for at in 0..=body.len() {
        for text in ["null", "\"", "{}", ",\"spec\":[]"] {
            let mut harmed = body.clone();
            harmed.splice(at..at, text.bytes());
            survive(&harmed, &snapshot);
        }
    }
}

/// A text in every place in which a text is read for its meaning.
fn bodies(text: &str) -> [Value; 4] {
    let pod = |annotation: &str| {
        created(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "team-a", "annotations": {annotation: text}},
            "spec": {},
        }))
    };
    let network = |selector: &str, config: &str| {
        created(&json!({
            "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "n", "namespace": "team-a",
                "annotations": {"k8s.v1.cni.cncf.io/nodeSelector": selector}},
            "spec": {"config": config},
        }))
    };
    [
        pod(NETWORKS),
        pod(DEFAULT_NETWORK),
        network(text, ""),
        network("", text),
    ]
}

#[test]
fn depth_is_no_danger() {
    for depth in [10_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"plugins\":", "}]")] {
            for inner in ["1", ""] {
                let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
                survive(text.as_bytes(), &Snapshot::default());
                for body in bodies(&text) {
                    survive(body.to_string().as_bytes(), &Snapshot::default());
                }
                // As a part of the object, not as a text in it.
                let pod = created(&json!({"apiVersion": "v1", "kind": "Pod", "spec": "here"}));
                let deep = pod
                    .to_string()
                    .replace("\"here\"", &format!("{{\"affinity\":{text}}}"));
                survive(deep.as_bytes(), &Snapshot::default());
            }
        }
    }
}

/// A Pod costs its author 256 KiB, and must not cost the server hundreds of times as much.
#[test]
fn of_a_hundred_thousand_faults_some_are_told() {
    let many = |unit: &str| unit.repeat(100_000);
    let most = |unit: &str| [unit; MAX_ATTACHMENTS].join(",");
    for (text, is_read) in [
        (many("n,"), false),
        (format!("[{}1]", many("1,")), false),
        (most("n"), true),
        (most("x/n"), true),
        (most("n@////"), true),
        (format!("[{}]", most("1")), true),
        (
            format!("[{}]", most("{\"name\":\"n\",\"cni-args\":1}")),
            true,
        ),
        (
            format!("[{{\"name\":\"n\",\"ips\":[{}1]}}]", "1,".repeat(50_000)),
            true,
        ),
        (
            format!("[{{{}\"name\":\"n\"}}]", "\"Name\":1,".repeat(10_000)),
            true,
        ),
    ] {
        let [pod, ..] = bodies(&text);
        let body = pod.to_string().into_bytes();
        let document = review::read(&body).unwrap();
        let request = Request::of(&document).unwrap();
        let config = Policy::default();
        let world = World {
            snapshot: &Snapshot::default(),
            fetched: &Fetched::default(),
            policy: &config,
            usage: None,
        };
        let answer = Case::of(&request, &config).answer(Webhook::Validate, &world);
        let told = answer.findings.len();
        let begun = &text[..20];
        if !is_read {
            let rules: Vec<_> = answer.findings.iter().map(|finding| finding.rule).collect();
            assert_eq!(rules, ["beyond-limits"], "{begun}");
            continue;
        }
        assert!(
            (MAX_FAULTS..=6 * MAX_FAULTS).contains(&told),
            "{begun}: {told} findings"
        );
        assert!(
            answer.body.len() < 128 << 10,
            "{begun}: {} bytes",
            answer.body.len()
        );
        let answer = String::from_utf8(answer.body).unwrap();
        assert!(answer.contains("(and at least "), "{begun}: {answer}");
    }
}

#[test]
fn lone_surrogates_are_no_danger() {
    for surrogate in ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\udc00x"] {
        for body in bodies("here") {
            let body = body.to_string().replace("here", surrogate);
            survive(body.as_bytes(), &Snapshot::default());
        }
        let config = format!("{{\"type\":\"{surrogate}\"}}");
        for body in bodies(&config) {
            survive(body.to_string().as_bytes(), &Snapshot::default());
        }
        let pod = created(&json!({"apiVersion": "v1", "kind": "Pod", "spec": "here"}));
        let affinity = format!(r#"{{"affinity":{{"{surrogate}":"{surrogate}"}}}}"#);
        let body = pod.to_string().replace("\"here\"", &affinity);
        survive(body.as_bytes(), &Snapshot::default());
    }
}

/// How long this thread has run, without the time in which others did.
fn time_of_this_thread() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec.unsigned_abs(), u32::try_from(tv_nsec).unwrap())
}

/// Four times the text takes no more than some four times the time: what is quadratic takes sixteen.
#[test]
fn the_time_of_an_answer_grows_with_the_text() {
    const SMALL: usize = 32 << 10;
    const WORST_RATIO: f64 = 10.0;
    // Below this a ratio says nothing.
    const NOTHING: Duration = Duration::from_millis(20);
    const TRIES: usize = 8;
    let repeated = |unit: &str, length: usize| unit.repeat(length / unit.len());
    let mut slow = Vec::new();
    for unit in [
        "n,",
        "x/n@i,",
        ",",
        "a",
        "@",
        "/",
        "[",
        "{\"name\":\"n\"},",
        "a in (b),",
        "a!=b,",
        "a,",
        "(",
        "\\",
        "\u{202e}",
        "\n",
        "\"",
        "{\"type\":",
        "[{\"name\":\"a\",\"name\":\"b\"},",
        "{\"type\":\"bridge\"},",
        "\"a\":1,",
    ] {
        for (before, after) in [
            ("", ""),
            ("[", "]"),
            ("[", "{}]"),
            ("{", "\"z\":1}"),
            ("{\"plugins\":[", "{}]}"),
        ] {
            let bodies = [SMALL, 4 * SMALL].map(|length| {
                let text = format!("{before}{}{after}", repeated(unit, length));
                bodies(&text).map(|body| body.to_string())
            });
            let once = |bodies: &[String]| {
                let start = time_of_this_thread();
                for body in bodies {
                    survive(body.as_bytes(), &Snapshot::default());
                }
                time_of_this_thread().saturating_sub(start)
            };
            let [small, large] = &bodies;
            let (mut fast, mut longer) = (once(small), once(large));
            let ratio = |fast: Duration, slow: Duration| slow.as_secs_f64() / fast.as_secs_f64();
            let is_slow = |fast, slow| slow > NOTHING && ratio(fast, slow) > WORST_RATIO;
            // The best of some: the machine may be busy.
            for _ in 0..TRIES {
                if !is_slow(fast, longer) {
                    break;
                }
                fast = fast.min(once(small));
                longer = longer.min(once(large));
            }
            if is_slow(fast, longer) {
                let ratio = ratio(fast, longer);
                slow.push(format!(
                    "{before}{unit}…{after}: {fast:?}, {longer:?}, {ratio:.1}"
                ));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
