//! Container images without a container builder: OCI layouts in a tar, as `ctr images import` reads
//! them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use aws_lc_rs::digest;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// An image of one layer.
#[derive(Debug)]
pub(crate) struct Image {
    /// The whole reference, with the tag.
    pub(crate) name: String,
    /// What the containers of this image run, and as whom: the `config` of the OCI image
    /// specification.
    pub(crate) config: Value,
    /// Programs, by their path in the image.
    pub(crate) programs: BTreeMap<String, PathBuf>,
}

impl Image {
    /// Writes the image. The same programs give the same bytes.
    pub(crate) fn write(&self, to: &Path) -> io::Result<()> {
        let layer = self.layer()?;
        let mut blobs = Blobs::default();
        // Not compressed, so one digest names both the layer and what is in it.
        let layer = blobs.add("application/vnd.oci.image.layer.v1.tar", layer);
        let config = json!({
            "architecture": architecture(), "os": "linux", "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        });
        let config = blobs.add("application/vnd.oci.image.config.v1+json", bytes(&config));
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
        let mut manifest = blobs.add(kind, bytes(&manifest));
        manifest["annotations"] = json!({"io.containerd.image.name": self.name});
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        let mut tar = Builder::new(File::create(to)?);
        file(
            &mut tar,
            "oci-layout",
            0o644,
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        file(&mut tar, "index.json", 0o644, &bytes(&index))?;
        for (digest, content) in &blobs.0 {
            file(&mut tar, &format!("blobs/sha256/{digest}"), 0o644, content)?;
        }
        tar.finish()
    }

    fn layer(&self) -> io::Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        let mut folders = Vec::new();
        for (path, source) in &self.programs {
            let path = path.trim_start_matches('/');
            for (end, _) in path.match_indices('/') {
                let folder = &path[..=end];
                if !folders.contains(&folder) {
                    let mut header = header(0o755, 0);
                    header.set_entry_type(EntryType::Directory);
                    tar.append_data(&mut header, folder, io::empty())?;
                    folders.push(folder);
                }
            }
            file(&mut tar, path, 0o755, &fs::read(source)?)?;
        }
        tar.into_inner()
    }
}

/// The contents of an image, by the SHA-256 of each.
#[derive(Debug, Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Keeps a content and returns its descriptor.
    fn add(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let digest = digest::digest(&digest::SHA256, &content);
        let hex = digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let descriptor = json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": content.len()});
        self.0.insert(hex, content);
        descriptor
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// The header of an entry that belongs to root and is of no time.
fn header(mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size as u64);
    header
}

fn file(
    tar: &mut Builder<impl io::Write>,
    path: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    tar.append_data(&mut header(mode, content.len()), path, content)
}

/// This machine's architecture, as Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The libraries that a program loads, by their path; none for a static one.
pub(crate) fn libraries(program: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let output = Command::new("ldd").arg(program).output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/') && !word.ends_with(':'));
    paths
        .map(|path| Ok((path.to_owned(), fs::canonicalize(path)?)))
        .collect()
}
