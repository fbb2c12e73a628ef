//! The files that are read again while the server runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use multinic_core::cluster_config::ClusterConfig;
use multinic_core::config;
use multinic_core::policy::Policy;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use tokio::sync::{oneshot, watch};

use super::super::{Error, parse_config, read_text};
use super::networks::Follow;
use crate::cert::{CaBundle, Files};
use crate::crypto;
use crate::followed::Followed as FollowedFile;
use crate::metrics::{Metrics, Reloaded, VERSION};
use crate::tls::ClientCa;

/// Everything that is read again.
pub(super) struct FollowedFiles {
    pub(super) config: Option<ConfigFile>,
    pub(super) certificate: Option<Files>,
    pub(super) ca_bundle: Option<CaBundle>,
    pub(super) client_ca: Option<ClientCa>,
    pub(super) folder: Option<Follow>,
    pub(super) metrics: Arc<Metrics>,
}

/// The file of the configuration.
pub(super) struct ConfigFile {
    path: PathBuf,
    cluster: Option<ClusterConfig>,
    followed: FollowedFile<String>,
    publish: watch::Sender<Arc<Policy>>,
}

/// How often the files are checked. A check of what did not change costs a few system calls.
const INTERVAL: Duration = Duration::from_secs(1);

impl FollowedFiles {
    /// Starts to check the files, on a dedicated thread, so that a file system that hangs blocks no
    /// review. The receiver resolves after the first check.
    pub(super) fn start(mut self) -> Result<oneshot::Receiver<()>, Error> {
        let (sender, checked) = oneshot::channel();
        let run = move || {
            self.check();
            let _ = sender.send(());
            loop {
                thread::sleep(INTERVAL);
                self.check();
            }
        };
        let thread = thread::Builder::new().name("follow".to_owned());
        thread.spawn(run).map_err(|source| Error::Start {
            what: "a thread",
            source,
        })?;
        Ok(checked)
    }

    fn check(&mut self) {
        if let Some(config) = &mut self.config {
            config.check(&self.metrics);
        }
        if let Some(folder) = &mut self.folder {
            folder.check(&self.metrics);
        }
        if let Some(certificate) = &mut self.certificate {
            certificate.check(&self.metrics);
        }
        if let Some(ca_bundle) = &mut self.ca_bundle {
            ca_bundle.check(&self.metrics);
        }
        if let Some(client_ca) = &mut self.client_ca {
            client_ca.check(&self.metrics);
        }
    }
}

impl ConfigFile {
    /// Reads the file. Later states are published to the receiver.
    pub(super) fn open(
        path: PathBuf,
        cluster: Option<ClusterConfig>,
        metrics: &Metrics,
    ) -> Result<(Self, watch::Receiver<Arc<Policy>>), Error> {
        let text = read_text(&path)?;
        let policy = Arc::new(in_cluster(parse_config(&path, &text)?, cluster.as_ref()));
        in_force(&policy, Some(&text), metrics);
        let (publish, config) = watch::channel(policy);
        let file = Self {
            path,
            cluster,
            followed: FollowedFile::new(Reloaded::Config, text),
            publish,
        };
        Ok((file, config))
    }

    /// Publishes the configuration if it has changed and is valid; otherwise the old one stays.
    fn check(&mut self, metrics: &Metrics) {
        let (path, publish, cluster) = (&self.path, &self.publish, self.cluster.as_ref());
        self.followed.publish(read_text(path), metrics, |text| {
            let policy = in_cluster(parse_config(path, &text)?, cluster);
            in_force(&policy, Some(&text), metrics);
            publish.send_replace(Arc::new(policy));
            Ok(())
        });
    }
}

/// A configuration with what the cluster configuration says.
pub(super) fn in_cluster(policy: Policy, cluster: Option<&ClusterConfig>) -> Policy {
    match cluster {
        Some(cluster) => policy.with_cluster(cluster),
        None => policy,
    }
}

/// Logs and counts the configuration that is in force from now on.
pub(super) fn in_force(policy: &Policy, text: Option<&str>, metrics: &Metrics) {
    let hash = text.map_or_else(|| "default".to_owned(), |text| fingerprint(text.as_bytes()));
    metrics.config(policy, &hash);
    tracing::info!(
        version = VERSION,
        enforcement = policy.enforcement.name(),
        hash,
        "configuration in force"
    );
    if policy.node_interfaces.is_empty() {
        tracing::info!(
            "nodeInterfaces is empty: networks may use any interface of the nodes, so whoever may write \
             NetworkAttachmentDefinitions is not isolated"
        );
    }
    for doubt in config::doubts(policy) {
        tracing::warn!("configuration: {doubt}");
    }
}

/// The first 12 hexadecimal digits of the SHA-256 of a file, as `sha256sum` prints them.
fn fingerprint(bytes: &[u8]) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13();
    let hash = suite.map(|suite| suite.common.hash_provider.hash(bytes));
    let hash = hash.as_ref().map(AsRef::as_ref).unwrap_or_default();
    crypto::hex(hash.iter().take(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_what_sha256sum_prints() {
        assert_eq!(fingerprint(b"abc"), "ba7816bf8f01");
    }
}
