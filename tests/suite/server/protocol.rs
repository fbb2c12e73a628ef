//! What a well-behaved client may do, and what it is answered.

use std::io::Write;

use super::{REVIEW, Running, answer, limits, post};

const LARGEST: usize = 8 << 20;

#[test]
fn one_connection_serves_many_reviews_in_order() {
    let server = Running::start(limits());
    let mut stream = server.tls();
    for path in ["/validate", "/mutate", "/validate?timeout=2s"] {
        stream.write_all(&post(path, REVIEW)).unwrap();
        assert_eq!(answer(&mut stream).unwrap().status, 200, "{path}");
    }
    let pipelined = [post("/validate", REVIEW), post("/mutate", REVIEW)].concat();
    stream.write_all(&pipelined).unwrap();
    assert!(
        answer(&mut stream)
            .unwrap()
            .body
            .contains(r#""allowed":false"#)
    );
    assert!(
        answer(&mut stream)
            .unwrap()
            .body
            .contains(r#""allowed":true"#)
    );
}

#[test]
fn a_body_may_come_in_chunks() {
    let server = Running::start(limits());
    let mut stream = server.tls();
    stream
        .write_all(
            b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; \
              charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .unwrap();
    for chunk in REVIEW.chunks(1000) {
        write!(stream, "{:x}\r\n", chunk.len()).unwrap();
        stream.write_all(chunk).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(answer(&mut stream).unwrap().status, 200);
}

#[test]
fn eight_mebibytes_and_not_a_byte_more() {
    let server = Running::start(limits());
    for (length, status) in [(LARGEST, 200), (LARGEST + 1, 413)] {
        let mut body = REVIEW.to_vec();
        body.resize(length, b' ');
        let mut stream = server.tls();
        stream.write_all(&post("/validate", &body)).unwrap();
        assert_eq!(answer(&mut stream).unwrap().status, status, "{length}");
    }
    server.proves_alive();
}

#[test]
fn what_is_no_review_is_refused_as_such() {
    let server = Running::start(limits());
    let get = b"GET /validate HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let form = String::from_utf8(post("/validate", b"{}")).unwrap();
    let form = form.replace("application/json", "application/x-www-form-urlencoded");
    let deep = "[".repeat(1_000_000).into_bytes();
    for (request, status) in [
        (get, 405),
        (post("/", REVIEW), 404),
        (form.into_bytes(), 415),
        (post("/validate", b""), 400),
        (post("/validate", b"{}"), 400),
        (post("/validate", b"\xff\xfe"), 400),
        (post("/validate", &deep), 400),
        (
            post("/mutate", br#"{"apiVersion":"admission.k8s.io/v1beta1"}"#),
            400,
        ),
    ] {
        let mut stream = server.tls();
        stream.write_all(&request).unwrap();
        let answer = answer(&mut stream).unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }
    server.proves_alive();
}

#[test]
fn absurd_timeouts_are_none() {
    let server = Running::start(limits());
    let mut stream = server.tls();
    for timeout in [
        "",
        "0s",
        "-5s",
        "1e9h",
        "99999999999999999999999h",
        "x",
        "%00",
    ] {
        let path = format!("/validate?timeout={timeout}");
        stream.write_all(&post(&path, REVIEW)).unwrap();
        assert_eq!(answer(&mut stream).unwrap().status, 200, "{timeout}");
    }
}

#[test]
fn a_request_may_have_no_name() {
    let server = Running::start(limits());
    let review =
        include_bytes!("../../reviews/recorded/pod-generate-name.create-pods.validate.json");
    let mut stream = server.tls();
    stream.write_all(&post("/validate", review)).unwrap();
    assert_eq!(answer(&mut stream).unwrap().status, 200);
}

#[test]
fn nothing_is_decided_before_the_networks_are_known() {
    let server = Running::start(limits());
    assert_eq!(server.admin("/readyz").status, 200);
    server.networks.send_replace(None);
    assert_eq!(server.admin("/readyz").status, 503);
    assert_eq!(server.admin("/healthz").status, 200);
    let mut stream = server.tls();
    stream.write_all(&post("/validate", REVIEW)).unwrap();
    let answer = answer(&mut stream).unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
}

#[test]
fn reviews_are_counted() {
    let server = Running::start(limits());
    server.proves_alive();
    let metrics = server.admin("/metrics").body;
    for line in [
        r#"multinic_reviews_total{webhook="validate",kind="Pod",verdict="deny"} 1"#,
        r#"multinic_findings_total{rule="isolated-network",level="deny"} 1"#,
        "multinic_review_duration_seconds_count 1",
        "multinic_reviews_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}
