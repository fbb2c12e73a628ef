//! What fills the server's channels while it runs: files, looked at again and again.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use multinic_core::policy::Policy;
use tokio::sync::{oneshot, watch};

use super::super::{Error, parse_config, read_text};
use super::networks::Follow;
use crate::cert::{CaBundle, Files};
use crate::followed::Followed as FollowedFile;
use crate::metrics::{Metrics, What};
use crate::tls::ClientCa;

/// Everything that is followed.
pub(super) struct Followed {
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
    followed: FollowedFile<String>,
    publish: watch::Sender<Arc<Policy>>,
}

/// Files are looked at this often. A look at what did not change costs a few system calls.
const INTERVAL: Duration = Duration::from_secs(1);

impl Followed {
    /// On a thread of its own: a file system that hangs stops no review. The receiver hears of the
    /// end of the first look.
    pub(super) fn start(mut self) -> Result<oneshot::Receiver<()>, Error> {
        let (looked, first) = oneshot::channel();
        let run = move || {
            self.look();
            let _ = looked.send(());
            loop {
                thread::sleep(INTERVAL);
                self.look();
            }
        };
        let thread = thread::Builder::new().name("follow".to_owned());
        thread.spawn(run).map_err(|source| Error::Io {
            path: "thread".to_owned(),
            source,
        })?;
        Ok(first)
    }

    fn look(&mut self) {
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
    /// Reads the file, and what it holds; later states are published.
    pub(super) fn open(path: PathBuf) -> Result<(Self, watch::Receiver<Arc<Policy>>), Error> {
        let text = read_text(&path)?;
        let (publish, config) = watch::channel(Arc::new(parse_config(&path, &text)?));
        let file = Self {
            path,
            followed: FollowedFile::new(What::Config, text),
            publish,
        };
        Ok((file, config))
    }

    /// Publishes the configuration if it is new and good; else the old one stays.
    fn check(&mut self, metrics: &Metrics) {
        let (path, publish) = (&self.path, &self.publish);
        self.followed.publish(read_text(path), metrics, |text| {
            publish.send_replace(Arc::new(parse_config(path, &text)?));
            Ok(())
        });
    }
}
