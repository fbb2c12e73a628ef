//! Files that change while the server runs.

use std::fs;
use std::sync::Arc;

use multinic::args::serve::networks::Follow;
use multinic::cert::{self, Certificate, development};
use multinic::metrics::Metrics;
use multinic_core::policy::Policy;
use tokio::sync::watch;

use super::Folder;

fn network(name: &str) -> String {
    format!(
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {{name: {name}}}\n\
         spec: {{config: '{{}}'}}\n"
    )
}

fn default_config() -> watch::Receiver<Arc<Policy>> {
    watch::channel(Arc::default()).1
}

#[test]
fn a_broken_file_keeps_its_last_good_state() {
    let folder = Folder::new();
    let metrics = Metrics::new();
    let (sender, snapshot) = watch::channel(None);
    let mut follow = Follow::new(&folder.0, sender, default_config());
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
    let mut files = cert::Files::open(&cert, &key, Vec::new(), sender, &metrics).unwrap();
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
fn ten_thousand_networks_fit_into_one_file() {
    let folder = Folder::new();
    let documents: Vec<String> = (0..10_000).map(|n| network(&format!("n{n}"))).collect();
    fs::write(folder.0.join("many.yaml"), documents.join("---\n")).unwrap();
    let items: Vec<String> = (0..10_000)
        .map(|n| {
            format!(
                r#"{{"apiVersion":"k8s.cni.cncf.io/v1","kind":"NetworkAttachmentDefinition","metadata":{{"name":"n{n}","namespace":"listed"}},"spec":{{"config":"{{}}"}}}}"#
            )
        })
        .collect();
    let list = format!(
        r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#,
        items.join(",")
    );
    fs::write(folder.0.join("list.json"), list).unwrap();
    let (sender, snapshot) = watch::channel(None);
    Follow::new(&folder.0, sender, default_config()).check(&Metrics::new());
    assert_eq!(snapshot.borrow().as_ref().unwrap().len(), 20_000);
}

#[test]
fn a_certificate_of_somebody_else_is_not_overwritten() {
    let folder = Folder::new();
    fs::write(folder.0.join(development::CERT), "mine").unwrap();
    fs::write(folder.0.join(development::KEY), "mine too").unwrap();
    let error = development::ensure(&folder.0).unwrap_err().to_string();
    assert!(error.contains("--cert and --key"), "{error}");
    let kept = fs::read_to_string(folder.0.join(development::KEY)).unwrap();
    assert_eq!(kept, "mine too");
}

#[test]
fn a_leaf_of_another_ca_is_made_anew() {
    let (folder, other) = (Folder::new(), Folder::new());
    development::ensure(&folder.0).unwrap();
    development::ensure(&other.0).unwrap();
    for file in [development::CA, development::CA_KEY] {
        fs::copy(other.0.join(file), folder.0.join(file)).unwrap();
    }
    assert!(development::ensure(&folder.0).unwrap(), "kept");
    assert!(!development::ensure(&folder.0).unwrap(), "made again");
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
    let nowhere = folder.0.join("absent.pem");
    assert!(Certificate::read(&nowhere, &nowhere).is_err());
}
