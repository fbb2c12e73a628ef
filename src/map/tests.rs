use std::sync::Arc;

use super::*;

fn known() -> Known {
    let config =
        |master: &str| format!(r#"{{"cniVersion":"1.0.0","type":"macvlan","master":"{master}"}}"#);
    let mut known = Known::default();
    for (namespace, name, master, selector) in [
        ("default", "fast", "ens224", Some("nic=a")),
        ("team-a", "own", "ens256", None),
        ("team-b", "secret", "ens256", Some("nic=b")),
    ] {
        let network = Network::read(name, &config(master), selector);
        known.networks.insert(namespace, name, Arc::new(network));
    }
    let odd = Network::read(
        "odd",
        r#"{"cniVersion":"1.0.0","type":"nobody-s<b>"}"#,
        None,
    );
    known.networks.insert("team-b", "odd", Arc::new(odd));
    let labels = |nic: &str| [("nic".to_owned(), nic.to_owned())].into();
    let nodes = ["n1", "n2", "n3"].map(|name| (name.to_owned(), labels("a")));
    known.nodes = Some(
        nodes
            .into_iter()
            .chain([("n4".to_owned(), labels("b"))])
            .collect(),
    );
    let mut uses = |own: &str, namespace: &str, name: &str, pods| {
        let key = (own.to_owned(), namespace.to_owned(), name.to_owned());
        known.uses.insert(key, pods);
    };
    uses("team-a", "default", "fast", 3);
    uses("team-a", "team-b", "secret", 1);
    known
}

#[test]
fn the_graph_says_who_reaches_what() {
    let graph = graph(&known(), &Policy::default());
    let names: Vec<_> = graph.networks.iter().map(|own| &*own.name).collect();
    assert_eq!(
        names,
        ["default/fast", "team-a/own", "team-b/odd", "team-b/secret"]
    );
    let team_a = graph
        .namespaces
        .iter()
        .find(|own| own.name == "team-a")
        .expect("team-a");
    let reaches: Vec<_> = team_a
        .reaches
        .iter()
        .map(|own| (own.network, own.pods, own.by))
        .collect();
    assert_eq!(
        reaches,
        [(0, 3, By::Global), (1, 0, By::Own), (3, 1, By::Nothing)]
    );
    // Nodes with the same networks are one.
    let groups: Vec<_> = graph.groups.iter().map(|own| &*own.label).collect();
    assert_eq!(groups, ["n1 … n3 (3 nodes)", "n4"]);
    let of: Vec<_> = graph
        .networks
        .iter()
        .map(|own| own.groups.clone())
        .collect();
    assert_eq!(of, [vec![0], vec![0, 1], vec![0, 1], vec![1]]);
    assert_eq!(graph.interfaces, ["ens224", "ens256"]);
    assert!(
        graph.networks[2]
            .refused
            .as_ref()
            .is_some_and(|own| own.starts_with("unsupported-plugin"))
    );
}

#[test]
fn without_nodes_selectors_stand_for_them() {
    let graph = graph(
        &Known {
            nodes: None,
            ..known()
        },
        &Policy::default(),
    );
    let groups: Vec<_> = graph.groups.iter().map(|own| &*own.label).collect();
    assert_eq!(
        groups,
        ["every node", "nodes with nic=a", "nodes with nic=b"]
    );
    assert!(!graph.knows_nodes);
}

#[test]
fn graphs_are_drawn_for_graphviz_and_mermaid() {
    let graph = graph(&known(), &Policy::default());
    insta::assert_snapshot!("dot", Format::Dot.draw(&graph, "a \"cluster\""));
    insta::assert_snapshot!("mermaid", Format::Mermaid.draw(&graph, ""));
}

#[test]
fn a_text_of_others_is_a_text_everywhere() {
    let graph = graph(&known(), &Policy::default());
    let title = "<script>alert(1)</script>";
    let page = Format::Html.draw(&graph, title);
    // Those of the page itself.
    assert_eq!(page.matches("<script").count(), 2);
    assert!(page.contains("nobody-s\\u003cb>"));
    assert!(!page.contains("<!--"));
    let svg = Format::Svg.draw(&graph, title);
    assert!(!svg.contains("<script"));
    assert!(svg.contains("&lt;script&gt;"));
}

#[test]
fn manifests_say_the_same_as_a_cluster() {
    let text = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {nic: a}}}
- {apiVersion: v1, kind: Namespace, metadata: {name: idle}}
- apiVersion: k8s.cni.cncf.io/v1
  kind: NetworkAttachmentDefinition
  metadata: {name: fast, annotations: {k8s.v1.cni.cncf.io/nodeSelector: nic=a}}
  spec: {config: '{\"cniVersion\":\"1.0.0\",\"type\":\"macvlan\",\"master\":\"ens224\"}'}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: team-a}
spec: {template: {metadata: {annotations: {k8s.v1.cni.cncf.io/networks: 'default/fast,default/fast'}}}}
";
    let mut known = Known::default();
    manifests::add(&mut known, text, "default", &Policy::default()).expect("manifests");
    let graph = graph(&known, &Policy::default());
    let names: Vec<_> = graph.namespaces.iter().map(|own| &*own.name).collect();
    assert_eq!(names, ["default", "idle", "team-a"]);
    assert_eq!(graph.namespaces[2].reaches[0].pods, 1);
    assert_eq!(graph.groups[0].nodes, ["n1"]);
}
