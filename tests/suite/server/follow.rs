//! Files that change while the server runs.

use std::fs;

use multinic::cert::{self, Certificate, development};
use multinic::cluster::follow::Follow;
use multinic::metrics::Metrics;
use tokio::sync::watch;

use super::Folder;

fn network(name: &str) -> String {
    format!(
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {{name: {name}}}\n\
         spec: {{config: '{{}}'}}\n"
    )
}

#[test]
fn a_broken_file_keeps_its_last_good_state() {
    let folder = Folder::new();
    let metrics = Metrics::new();
    let (sender, snapshot) = watch::channel(None);
    let mut follow = Follow::new(&folder.0, sender);
    let mut names = || {
        follow.check(&metrics);
        let snapshot = snapshot.borrow();
        let mut names: Vec<_> = snapshot
            .as_ref()
            .unwrap()
            .names("default")
            .map(str::to_owned)
            .collect();
        names.sort();
        names.join(" ")
    };
    let (a, b) = (folder.0.join("a.yaml"), folder.0.join("b.yaml"));
    fs::write(&a, network("one")).unwrap();
    assert_eq!(names(), "one");
    fs::write(&b, network("two")).unwrap();
    assert_eq!(names(), "one two");
    fs::write(&b, "kind: [").unwrap();
    assert_eq!(names(), "one two");
    fs::write(&b, network("three")).unwrap();
    assert_eq!(names(), "one three");
    fs::remove_file(&a).unwrap();
    assert_eq!(names(), "three");
    let metrics = metrics.write();
    let failed = r#"multinic_reloads_total{what="networks",result="error"} 1"#;
    assert!(metrics.contains(failed), "{metrics}");
}

#[test]
fn a_bad_pair_never_replaces_a_good_one() {
    let (folder, other) = (Folder::new(), Folder::new());
    development::ensure(&folder.0).unwrap();
    development::ensure(&other.0).unwrap();
    assert!(!development::ensure(&folder.0).unwrap(), "made again");
    let metrics = Metrics::new();
    let (sender, published) = watch::channel(None);
    let file = |name| folder.0.join(name);
    let (cert, key) = (file(development::CERT), file(development::KEY));
    let mut files = cert::Files::open(&cert, &key, sender, &metrics).unwrap();
    let mut leaf = || {
        files.check(&metrics);
        let published = published.borrow();
        published.as_ref().unwrap().key.cert[0].to_vec()
    };
    let first = leaf();
    fs::copy(other.0.join(development::CERT), &cert).unwrap();
    assert_eq!(leaf(), first, "the key is that of another certificate");
    fs::copy(other.0.join(development::KEY), &key).unwrap();
    let second = leaf();
    assert_ne!(second, first);
    fs::remove_file(&key).unwrap();
    assert_eq!(leaf(), second);
    let metrics = metrics.write();
    let certificate = |result, times| {
        let line =
            format!("multinic_reloads_total{{what=\"certificate\",result=\"{result}\"}} {times}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    };
    certificate("ok", 1);
    certificate("error", 2);
}

#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    development::ensure(&folder.0).unwrap();
    for key in ["ca.key", development::KEY] {
        let mode = fs::metadata(folder.0.join(key))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    assert!(Certificate::read(b"", b"").is_err());
}
