//! What the scenarios of the commands that read a cluster have in common.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    process::{eventually, free_port},
    programs,
};

/// Runs the program: its exit code, what it prints, and what it says beside that.
pub(crate) fn run(kubeconfig: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(programs::multinic())
        .args(args)
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .output()
        .expect("multinic");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A kubeconfig for a `ServiceAccount`.
pub(crate) fn service_account(c: &Cluster, namespace: &str, name: &str) -> PathBuf {
    let token = c
        .kubectl(&["-n", namespace, "create", "token", name], None)
        .accepted();
    let user = json!({"token": token.stdout.trim()});
    let file = format!("tools-{namespace}-{name}");
    c.plane()
        .write_kubeconfig(&file, &user)
        .expect("a kubeconfig")
}

/// A kubeconfig that names a port where nothing listens.
pub(crate) fn nowhere(c: &Cluster) -> PathBuf {
    let text = std::fs::read_to_string(c.admin()).expect("a kubeconfig");
    let url = format!("https://127.0.0.1:{}", free_port());
    file(c, "nowhere", &text.replace(&c.plane().url(), &url))
}

/// A file in the folder of the cluster.
pub(crate) fn file(c: &Cluster, name: &str, text: &str) -> PathBuf {
    let path = c.admin().with_file_name(format!("tools-{name}"));
    std::fs::write(&path, text).expect("a file");
    path
}

/// Stores objects that multinic would refuse: while it does not run, and is not called.
pub(crate) fn store_unjudged(c: &Cluster, objects: &[Value]) {
    c.kill_server();
    for kind in ["validating", "mutating"] {
        let of = format!("{kind}webhookconfiguration");
        c.kubectl(&["delete", &of, "--all"], None).accepted();
    }
    for object in objects {
        eventually("an object to be stored", || {
            let outcome = c.apply(object);
            if outcome.accepted {
                return Ok(());
            }
            Err(outcome.to_string())
        });
    }
    c.install(&[]);
    c.start_server("{}");
}

/// What a page shows below a command, which follows `$ `.
#[track_caller]
pub(crate) fn session(page: &str, command: &str) -> String {
    let path = programs::root().join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{page}: {e}"));
    let mut blocks = text.split("```");
    let shown = blocks.find_map(|block| {
        let (first, rest) = block.strip_prefix("console\n")?.split_once('\n')?;
        (first == format!("$ {command}")).then(|| rest.to_owned())
    });
    shown.unwrap_or_else(|| panic!("{page} does not show {command:?}"))
}

/// A text with every number in place of which another run has another one: ports, versions, times.
pub(crate) fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        if letter != '0' || !out.ends_with('0') {
            out.push(letter);
        }
    }
    out
}

/// What a page shows is what the command prints.
#[track_caller]
pub(crate) fn assert_shown(page: &str, command: &str, printed: &str) {
    let shown = session(page, command);
    assert_eq!(
        without_numbers(printed),
        without_numbers(&shown),
        "{page} shows something else than {command} prints:\n{printed}"
    );
}
