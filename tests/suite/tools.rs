//! The commands that read a cluster, as far as they can be run without one; the plugin of kubectl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn multinic(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_multinic"))
        .args(arguments)
        .current_dir(root())
        .env_remove("KUBECONFIG")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_page_about_maps_shows_what_is_drawn() {
    let page = fs::read_to_string(root().join("docs/map.md")).unwrap();
    let mut blocks = page.split("```");
    let session = blocks
        .find_map(|block| block.strip_prefix("console\n$ multinic "))
        .unwrap();
    let (command, shown) = session.split_once('\n').unwrap();
    let drawn = multinic(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(text(&drawn.stdout), shown, "{}", text(&drawn.stderr));
    assert_eq!(drawn.status.code(), Some(0));
}

#[test]
fn every_format_of_a_map_is_drawn_from_manifests() {
    for (format, mark) in [
        ("html", "<!doctype html>"),
        ("svg", "<svg "),
        ("mermaid", "flowchart LR"),
        ("dot", "digraph multinic {"),
        ("json", "{\n"),
    ] {
        let drawn = multinic(&["map", "examples", "--format", format]);
        assert_eq!(drawn.status.code(), Some(0), "{}", text(&drawn.stderr));
        let drawn = text(&drawn.stdout);
        assert!(
            drawn.starts_with(mark) && drawn.contains("default/fast"),
            "{format}"
        );
    }
    let unreadable = multinic(&["map", "README.md"]);
    assert_eq!(unreadable.status.code(), Some(2));
    let absent = multinic(&["map", "nowhere.yaml"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(text(&absent.stderr).contains("cannot read nowhere.yaml"));
}

#[test]
fn without_a_cluster_a_command_says_how_to_name_one() {
    for arguments in [
        &["audit"][..],
        &["doctor"],
        &["map"],
        &["why", "pod", "a/b"],
    ] {
        let output = multinic(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(
            error.contains("no cluster is configured; use --kubeconfig FILE, or set KUBECONFIG"),
            "{error}"
        );
    }
}

#[test]
fn the_plugin_says_how_it_is_called() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugin");
    fs::create_dir_all(&folder).unwrap();
    let plugin = folder.join("kubectl-multinic");
    let _ = fs::remove_file(&plugin);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_multinic"), &plugin).unwrap();
    let help = |arguments: &[&str]| {
        let output = Command::new(&plugin).args(arguments).output().unwrap();
        text(&output.stdout)
    };
    let own = help(&["--help"]);
    assert!(own.contains("Usage: kubectl multinic <COMMAND>"), "{own}");
    assert!(own.contains("\n  kubectl multinic audit  "), "{own}");
    for command in ["audit", "check", "doctor", "map", "why"] {
        let own = help(&[command, "--help"]);
        assert!(
            own.contains(&format!("Usage: kubectl multinic {command} ")),
            "{own}"
        );
    }
    let plain = text(&multinic(&["--help"]).stdout);
    assert!(
        plain.contains("Usage: multinic <COMMAND>") && !plain.contains("kubectl"),
        "{plain}"
    );
}

#[test]
fn the_usual_flags_of_kubectl_are_taken() {
    for (command, flags) in [
        (
            "audit",
            &["--kubeconfig", "--context", "-n,", "-A,", "-o,", "-l,"][..],
        ),
        (
            "map",
            &["--kubeconfig", "--context", "-n,", "-A,", "-o,", "-l,"],
        ),
        ("doctor", &["--kubeconfig", "--context", "-n,", "-o,"]),
        ("why", &["--kubeconfig", "--context", "-n,", "-o,"]),
    ] {
        let help = text(&multinic(&[command, "--help"]).stdout);
        for flag in flags {
            assert!(help.contains(flag), "{command}: {flag}\n{help}");
        }
    }
}

#[test]
fn shells_take_the_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        let script = multinic(&["completion", shell]);
        assert_eq!(script.status.code(), Some(0));
        let script = text(&script.stdout);
        assert!(
            script.contains("doctor") && script.contains("multinic"),
            "{shell}"
        );
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("completion.{shell}"));
        fs::write(&path, script).unwrap();
        match Command::new(shell).arg("-n").arg(&path).status() {
            Ok(status) => assert!(status.success(), "{shell}"),
            // The others are seldom installed; their scripts are clap's own as well.
            Err(error) => assert_ne!(shell, "bash", "{error}"),
        }
    }
    let choices = text(&multinic(&["complete", "--", "map", "--format", "s"]).stdout);
    assert_eq!(choices, "svg\n:4\n");
}

/// <https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/>
#[test]
fn krew_finds_what_it_requires() {
    let mut manifest = fs::read_to_string(root().join(".krew.yaml")).unwrap();
    // As krew-release-bot fills it in.
    while let Some(start) = manifest.find("{{addURIAndSha \"") {
        let end = start + manifest[start..].find(" .TagName }}\n").unwrap();
        let uri = manifest[start..end].split('"').nth(1).unwrap().to_owned();
        let sha = "ab".repeat(32);
        let filled = format!("uri: {uri}\n      sha256: {sha}\n");
        manifest.replace_range(start..end + " .TagName }}\n".len(), &filled);
    }
    let manifest = manifest.replace("{{ .TagName }}", "v0.1.0");
    let plugin: Value = serde_saphyr::from_str(&manifest).unwrap();
    assert_eq!(
        plugin["apiVersion"],
        "krew.googlecontainertools.github.com/v1alpha2"
    );
    assert_eq!(plugin["kind"], "Plugin");
    assert_eq!(plugin["metadata"]["name"], "multinic");
    let spec = &plugin["spec"];
    assert_eq!(spec["version"], "v0.1.0");
    let short = spec["shortDescription"].as_str().unwrap();
    assert!(short.len() <= 50 && !short.ends_with('.'), "{short}");
    assert!(spec["homepage"].as_str().unwrap().starts_with("https://"));
    for platform in spec["platforms"].as_array().unwrap() {
        let uri = platform["uri"].as_str().unwrap();
        assert!(uri.ends_with(".tar.gz") && !uri.contains("{{"), "{uri}");
        assert_eq!(platform["sha256"].as_str().unwrap().len(), 64);
        let bin = &platform["bin"];
        let files = platform["files"].as_array().unwrap();
        assert!(files.iter().any(|file| file["from"] == *bin), "{platform}");
        assert!(platform["selector"]["matchLabels"]["os"].is_string());
    }
    assert!(spec["platforms"].as_array().unwrap().len() >= 2);
}
