//! What the program says, to whom, and what it never says.

use std::io::Write;
use std::time::Duration;

use super::process::Process;
use super::{Folder, REVIEW, answer, post};

/// A value that stands in the environment of a container.
const SECRET: &str = "hunter2-of-the-environment";

fn reviewed(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| line.contains("micros"))
}

#[test]
fn a_review_is_one_line_and_says_nothing_of_what_a_pod_holds() {
    let server = Process::start(Folder::new(), &["--log-format=json"]);
    let text = String::from_utf8(REVIEW.to_vec()).unwrap();
    let recorded: serde_json::Value = serde_json::from_str(&text).unwrap();
    let uid = recorded["request"]["uid"].as_str().unwrap();
    let container = &recorded["request"]["object"]["spec"]["containers"][0];
    let image = format!(r#""image":{}"#, container["image"]);
    let env = format!(r#"{image},"env":[{{"name":"PASSWORD","value":"{SECRET}"}}]"#);
    let secret = text.replacen(&image, &env, 1);
    assert_ne!(secret, text);
    assert_eq!(server.ask(secret.as_bytes()).status, 200);
    // Broken in many ways, near the value too.
    let at = secret.find(SECRET).unwrap();
    let quoted = format!("\"{SECRET}\"");
    let in_place_of = |key: &str| {
        let text = format!(r#""{key}":"{SECRET}","x":{{"#);
        secret.replacen(&format!(r#""{key}":{{"#), &text, 1)
    };
    let broken = [
        secret.replacen(&quoted, SECRET, 1),
        secret.replacen(&quoted, &quoted[..=SECRET.len()], 1),
        secret[..at + SECRET.len()].to_owned(),
        in_place_of("request"),
        in_place_of("object"),
        in_place_of("metadata"),
        in_place_of("annotations"),
        in_place_of("spec"),
    ];
    for body in &broken {
        assert_ne!(*body, secret);
        server.ask(body.as_bytes());
    }
    server.hears("micros");
    let log = server.log();
    let line = reviewed(&log).next().unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    for (key, value) in [
        ("webhook", "validate"),
        ("uid", uid),
        ("kind", "Pod"),
        ("namespace", "team-a"),
        ("name", "foreign"),
        (
            "user",
            recorded["request"]["userInfo"]["username"]
                .as_str()
                .unwrap(),
        ),
        ("networks", "team-b/secret"),
        ("verdict", "deny"),
        ("rules", "isolated-network"),
        ("level", "WARN"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert!(line["micros"].is_u64(), "{line}");
    std::thread::sleep(Duration::from_millis(200));
    let log = server.log();
    assert!(!log.contains(SECRET), "{log}");
    assert!(!log.contains(container["image"].as_str().unwrap()), "{log}");
    assert!(log.contains("review not answered"), "{log}");
}

#[test]
fn names_without_end_are_cut_and_kinds_without_number_are_one() {
    let server = Process::start(Folder::new(), &[]);
    let text = String::from_utf8(REVIEW.to_vec()).unwrap();
    let uid = format!(r#""uid":"{}"#, "u".repeat(100_000));
    for number in 0..50 {
        let kind = format!(r#""kind":"K{number}""#);
        let body = text.replacen(r#""uid":""#, &uid, 1);
        let body = body.replacen(r#""kind":"Pod""#, &kind, 1);
        assert_eq!(server.ask(body.as_bytes()).status, 200);
    }
    server.until("lines", || reviewed(&server.log()).count() == 50);
    let longest = server.log().lines().map(str::len).max().unwrap();
    assert!(longest < 2_000, "{longest}");
    let metrics = server.metrics();
    let series = metrics
        .lines()
        .filter(|line| line.starts_with("multinic_reviews_total"));
    assert_eq!(series.count(), 1, "{metrics}");
    assert!(metrics.contains(r#"kind="other""#), "{metrics}");
}

#[test]
fn a_log_that_nobody_reads_stops_no_review_and_its_lines_are_counted() {
    let mut server = Process::start(Folder::new(), &[]);
    server.turn_deaf();
    let mut stream = server.tls();
    let lost = |server: &Process| {
        let metrics = server.metrics();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("multinic_log_lines_lost_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let request = post("/validate", REVIEW).repeat(100);
    let mut sent = 0;
    // The pipe takes 64 KiB and the buffer 1 MiB.
    while lost(&server) == 0 {
        assert!(sent < 20_000, "nothing is lost, and nobody reads");
        stream.write_all(&request).unwrap();
        for _ in 0..100 {
            assert_eq!(answer(&mut stream).unwrap().status, 200);
        }
        sent += 100;
    }
    assert!(sent > 2_000, "{sent}: lost too early");
    server.signal("TERM");
    let (status, took) = server.ends();
    assert!(status.success());
    assert!(took < Duration::from_secs(5), "{took:?}");
}
