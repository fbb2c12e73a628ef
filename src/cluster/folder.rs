//! Networks from the files of a folder.
//!
//! The files are YAML or JSON, with any number of documents, and may contain `List`s. Objects other
//! than NetworkAttachmentDefinitions are counted and otherwise ignored. A network without a
//! namespace is in `default`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use multinic_core::network::{Network, RESOURCE_NAME, Snapshot};
use multinic_core::selector::NODE_SELECTOR;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

/// The content of a folder.
#[derive(Debug, Default)]
pub struct Folder {
    /// The content of each file, in the order of the names.
    pub files: BTreeMap<PathBuf, Result<File, Error>>,
}

/// The content of a file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Namespace, name and content of its networks.
    pub networks: Vec<(String, String, Arc<Network>)>,
    /// The number of objects of other kinds.
    pub others: usize,
}

/// Why the networks of a folder or a file are not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or the file cannot be read.
    #[error("cannot read networks from {path}")]
    Read {
        /// The folder or the file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file is not valid YAML, or contains a network without a name.
    #[error("{path}: {problem}")]
    Shape {
        /// The file.
        path: String,
        /// What is wrong, and where.
        problem: String,
    },
}

/// The fields of a manifest that describe a network.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default, rename = "apiVersion")]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    spec: Option<serde_json::Value>,
    #[serde(default)]
    items: Option<Vec<Spanned<Self>>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Option<String>>>,
}

impl Folder {
    /// Reads every `.yaml`, `.yml` and `.json` file of a folder, but not of folders in it.
    ///
    /// # Errors
    /// If the folder cannot be listed. A file that cannot be read is an error in [`Self::files`].
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Ok(Self {
            files: paths(folder)?
                .into_iter()
                .map(|path| (path.clone(), File::read(&path)))
                .collect(),
        })
    }

    /// Returns the networks of all files; of two with the same name the later one.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for file in self.files.values().flatten() {
            for (namespace, name, network) in &file.networks {
                snapshot.insert(namespace, name, Arc::clone(network));
            }
        }
        snapshot
    }

    /// Returns the number of objects of other kinds in all files.
    pub fn others(&self) -> usize {
        self.files.values().flatten().map(|file| file.others).sum()
    }

    /// Returns the errors of the files that cannot be read.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.files.values().filter_map(|file| file.as_ref().err())
    }
}

/// Returns the files of a folder that may contain networks.
///
/// # Errors
/// If the folder cannot be listed.
pub fn paths(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fault = |source| Error::Read {
        path: folder.display().to_string(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let kind = path.extension().and_then(|extension| extension.to_str());
        if matches!(kind, Some("yaml" | "yml" | "json")) && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// If the file cannot be read, or does not contain manifests.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let display = || path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| Error::Read {
            path: display(),
            source,
        })?;
        Self::parse(&text).map_err(|problem| Error::Shape {
            path: display(),
            problem,
        })
    }

    /// Reads the manifests of a text.
    ///
    /// # Errors
    /// What is wrong with the text, with its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut file = Self::default();
        // The default limits of the library are for untrusted texts. Here, what grows with the text
        // alone is limited by its length: files with ten thousand networks exist.
        let limit = 2 * text.len() + 1024;
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_documents: limit,
                max_events: limit,
                max_nodes: limit,
                max_total_scalar_bytes: limit,
            },
            with_snippet: false,
        };
        let manifests: Vec<Spanned<Option<Manifest>>> =
            serde_saphyr::from_multiple_with_options(text, options)
                .map_err(|error| error.to_string())?;
        for Spanned {
            value, referenced, ..
        } in manifests
        {
            if let Some(manifest) = value {
                file.add(manifest, referenced)?;
            }
        }
        Ok(file)
    }

    fn add(&mut self, manifest: Manifest, at: Location) -> Result<(), String> {
        let Manifest {
            api_version,
            kind,
            metadata,
            spec,
            items,
        } = manifest;
        let kind = kind.unwrap_or_default();
        if let Some(items) = items.filter(|_| kind.ends_with("List")) {
            return items
                .into_iter()
                .try_for_each(|item| self.add(item.value, item.referenced));
        }
        let group = api_version
            .as_deref()
            .and_then(|version| version.split_once('/'));
        let ours = group.is_some_and(|(group, _)| group == "k8s.cni.cncf.io");
        if kind != "NetworkAttachmentDefinition" || !ours {
            self.others += 1;
            return Ok(());
        }
        let Metadata {
            name,
            namespace,
            annotations,
        } = metadata.unwrap_or_default();
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(format!(
                "line {}: a NetworkAttachmentDefinition without metadata.name",
                at.line()
            ));
        };
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        let config = spec.as_ref().and_then(|spec| spec.get("config"));
        let config = match config {
            None | Some(serde_json::Value::Null) => "",
            Some(serde_json::Value::String(text)) => text,
            Some(_) => {
                return Err(format!(
                    "line {}: {namespace}/{name}: spec.config is not a string; write the JSON as a \
                     block scalar (config: |)",
                    at.line()
                ));
            }
        };
        let annotation = |name| annotations.as_ref()?.get(name)?.as_deref();
        let network = Network::read(&name, config, annotation(NODE_SELECTOR))
            .with_resource(annotation(RESOURCE_NAME));
        self.networks.push((namespace, name, Arc::new(network)));
        Ok(())
    }
}
