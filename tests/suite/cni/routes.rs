//! The networks of `examples/routes`, which `docs/routes.md` explains.

use std::fs;
use std::path::Path;

use multinic_core::cni::Config;

use crate::manifest::documents;

#[test]
fn the_examples_are_accepted_and_only_the_default_route_is_warned_of() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/routes.md")).unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(root.join("examples/routes")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        assert!(page.contains(file), "docs/routes.md does not show {file}");
        for object in documents(&fs::read_to_string(&path).unwrap()) {
            let name = object["metadata"]["name"].as_str().unwrap();
            let config = Config::read(name, object["spec"]["config"].as_str().unwrap());
            assert_eq!(config.malformed, None, "{file}");
            assert_eq!(
                (config.invalid, config.ambiguous),
                Default::default(),
                "{file}"
            );
            let warnings: Vec<_> = config
                .suspicious
                .iter()
                .chain(&config.default_routes)
                .map(|fault| &*fault.message)
                .collect();
            if file == "default-route.yaml" {
                assert_eq!(warnings.len(), 1);
                assert!(warnings[0].contains("sends the traffic of every Pod on this network"));
            } else {
                assert_eq!(warnings, [""; 0], "{file}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}
