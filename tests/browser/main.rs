//! The page that `multinic map` draws, in a real browser: `cargo test --test browser`. Needs Chromium.
//!
//! A script that acts as somebody who uses the page is put behind it, and what it sees is read from the document that the
//! browser prints in the end.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use multinic::map::{Format, Known, graph};
use multinic_core::{network::Network, policy::Policy};

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn browser() -> Command {
    let program = env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let mut command = Command::new(program);
    let profile = folder().join(format!(
        "profile-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=4000", "--window-size=1400,900"]);
    command
}

/// Many networks of 40 namespaces, on 60 nodes.
fn known(networks: usize) -> Known {
    let mut known = Known::default();
    for n in 0..networks {
        let (team, link) = (n % 40, n % 5);
        let config = format!(
            r#"{{"cniVersion":"1.0.0","type":"macvlan","master":"ens{}","ipam":{{"type":"host-local","subnet":"10.{}.{}.0/24"}}}}"#,
            192 + 32 * link,
            n / 256,
            n % 256
        );
        let selector = (n % 3 != 0).then(|| format!("nic=ens{}", 192 + 32 * link));
        let network = Network::read(&format!("net-{n}"), &config, selector.as_deref());
        let namespace = if n % 25 == 0 {
            "default".to_owned()
        } else {
            format!("team-{team}")
        };
        known
            .networks
            .insert(&namespace, &format!("net-{n}"), Arc::new(network));
        if n % 2 == 0 {
            let key = (format!("team-{team}"), namespace, format!("net-{n}"));
            known.uses.insert(key, 1 + n % 4);
        }
    }
    let node = |n: usize| {
        let labels = [("nic".to_owned(), format!("ens{}", 192 + 32 * (n % 5)))];
        (format!("node-{n:02}"), BTreeMap::from(labels))
    };
    known.nodes = Some((0..60).map(node).collect());
    // One who uses what is not hers.
    known.uses.insert(
        ("team-7".to_owned(), "team-9".to_owned(), "net-9".to_owned()),
        2,
    );
    known
}

fn page(networks: usize) -> String {
    let graph = graph(&known(networks), &Policy::default());
    Format::Html.draw(&graph, "Networks of a test")
}

/// What a script that is run in the page returns.
fn run(networks: usize, script: &str) -> serde_json::Value {
    let page = page(networks);
    // The page forbids everything but scripts of its own, of which this is one.
    let acts = format!(
        "<script>addEventListener('load', () => setTimeout(async () => {{
           const all = (selector) => [...document.querySelectorAll(selector)];
           const shown = (column) => all('#c' + column + ' li').filter((row) => !row.hidden).map((row) => row.innerText.trim());
           const item = (column, label) => all('#c' + column + ' button').find((own) => own.title === label);
           const type = (text) => {{ const own = document.getElementById('filter'); own.value = text; own.dispatchEvent(new Event('input')); }};
           const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key, bubbles: true }}));
           const edges = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(all('#edges path').length))));
           let seen;
           try {{ seen = await (async () => {{ {script} }})(); }} catch (error) {{ seen = {{ error: String(error) }}; }}
           const out = document.createElement('pre');
           out.id = 'seen';
           out.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(seen))));
           document.body.append(out);
         }}, 50));</script></body>"
    );
    let page = page.replace("</body>", &acts);
    let path = folder().join(format!("page-{:?}.html", std::thread::current().id()));
    fs::write(&path, page).expect("a page");
    let output = browser()
        .arg("--dump-dom")
        .arg(format!("file://{}", path.display()))
        .output()
        .expect("Chromium: install it, or name it in $CHROMIUM");
    let printed = String::from_utf8_lossy(&output.stdout);
    let seen = printed
        .split_once("<pre id=\"seen\">")
        .and_then(|(_, rest)| rest.split_once("</pre>"));
    let (seen, _) = seen.unwrap_or_else(|| {
        panic!(
            "nothing was seen:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    let json =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, seen).expect("base64");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
fn everything_is_listed_and_a_filter_narrows_it() {
    let seen = run(
        500,
        "const before = [0, 1, 2, 3].map((column) => shown(column).length);
         type('net-499');
         const after = [0, 1, 2, 3].map((column) => shown(column));
         type('nobody has this');
         const none = shown(1).length;
         press('Escape');
         return { before, after, none, again: shown(1).length, count: document.querySelector('#h1').innerText };",
    );
    assert_eq!(seen["before"], serde_json::json!([41, 500, 5, 5]), "{seen}");
    assert_eq!(
        seen["after"][1],
        serde_json::json!(["team-19/net-499"]),
        "{seen}"
    );
    assert_eq!(seen["after"][0], serde_json::json!(["team-19"]), "{seen}");
    assert_eq!(seen["after"][2], serde_json::json!(["ens320"]), "{seen}");
    assert_eq!(
        (&seen["none"], &seen["again"]),
        (&0.into(), &500.into()),
        "{seen}"
    );
    assert_eq!(seen["count"], "Networks 500", "{seen}");
}

#[test]
fn a_click_leads_from_a_namespace_to_its_networks_and_their_nodes() {
    let seen = run(
        500,
        "item(0, 'team-7').click();
         const networks = shown(1);
         item(1, 'team-9/net-9').click();
         const nodes = shown(3);
         const detail = document.getElementById('detail').innerText;
         const drawn = await edges();
         const bad = all('#edges path.bad').length;
         const hash = location.hash;
         document.getElementById('clear').click();
         return { networks, nodes, detail, drawn, bad, hash, after: shown(1).length };",
    );
    let networks = seen["networks"].as_array().expect("networks");
    // Its own, the global ones, and the one that is not hers.
    assert!(networks.contains(&"team-7/net-7".into()), "{seen}");
    assert!(networks.contains(&"default/net-25 global".into()), "{seen}");
    assert!(networks.contains(&"team-9/net-9".into()), "{seen}");
    assert!(!networks.contains(&"team-8/net-8".into()), "{seen}");
    // net-9 has no selector: every node has it.
    assert_eq!(seen["nodes"].as_array().map(Vec::len), Some(5), "{seen}");
    assert!(
        seen["detail"]
            .as_str()
            .is_some_and(|own| own.contains("team-7 (2, refused)")),
        "{seen}"
    );
    assert_eq!(
        (&seen["bad"], &seen["after"]),
        (&1.into(), &500.into()),
        "{seen}"
    );
    assert!(seen["drawn"].as_u64().is_some_and(|own| own > 0), "{seen}");
    assert!(
        seen["hash"].as_str().is_some_and(|own| own.contains(",n")),
        "{seen}"
    );
}

#[test]
fn the_page_is_usable_with_keys_alone() {
    let seen = run(
        50,
        "document.body.focus();
         press('/');
         const focused = document.activeElement.id;
         press('ArrowDown');
         const first = document.activeElement.title;
         press('ArrowDown');
         const second = document.activeElement.title;
         press('ArrowRight');
         const beside = document.activeElement.title;
         press('End');
         const last = document.activeElement.title;
         document.activeElement.click();
         const pressed = document.activeElement.getAttribute('aria-pressed');
         press('Escape');
         const stops = all('#c1 button').filter((own) => own.tabIndex === 0).length;
         return { focused, first, second, beside, last, pressed, left: all('[aria-pressed=true]').length, stops };",
    );
    assert_eq!(seen["focused"], "filter", "{seen}");
    assert_eq!(seen["first"], "default", "{seen}");
    assert_eq!(seen["second"], "team-0", "{seen}");
    assert!(
        seen["beside"]
            .as_str()
            .is_some_and(|own| own.contains("/net-")),
        "{seen}"
    );
    assert_eq!(seen["pressed"], "true", "{seen}");
    assert_eq!(
        (&seen["left"], &seen["stops"]),
        (&0.into(), &1.into()),
        "{seen}"
    );
}

#[test]
fn both_themes_are_legible() {
    // The contrast of text and its ground, as WCAG computes it.
    let seen = run(
        5,
        "const channel = (value) => { const own = value / 255; return own <= .03928 ? own / 12.92 : ((own + .055) / 1.055) ** 2.4; };
         const light = (colour) => { const [r, g, b] = colour.match(/[0-9.]+/g).map(Number); return .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b); };
         const contrast = (own) => {
           const style = getComputedStyle(own);
           let ground = own;
           while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
           const [one, other] = [light(style.color), light(getComputedStyle(ground || document.body).backgroundColor)];
           return (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
         };
         const root = document.documentElement.classList;
         const lowest = [];
         item(1, 'team-1/net-1').click();
         for (const dark of [false, true]) {
           root.toggle('dark', dark);
           lowest.push(Math.min(...all('h1, h2, label, p, li button, li small, dt, dd, h3').map(contrast)));
         }
         document.getElementById('theme').click();
         return { lowest, toggled: !root.contains('dark') };",
    );
    for theme in seen["lowest"].as_array().expect("two themes") {
        assert!(theme.as_f64().is_some_and(|own| own >= 4.5), "{seen}");
    }
    assert_eq!(seen["toggled"], true, "{seen}");
}

/// A picture to look at: target/tmp/browser/map.png.
#[test]
fn a_picture_is_taken() {
    let path = folder().join("picture.html");
    fs::write(&path, page(500)).expect("a page");
    let picture = folder().join("map.png");
    let _ = fs::remove_file(&picture);
    let output = browser()
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .expect("Chromium");
    let size = fs::metadata(&picture).map_or(0, |data| data.len());
    assert!(
        size > 20_000,
        "{size} bytes: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
