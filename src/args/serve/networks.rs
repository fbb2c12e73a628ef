//! The networks of a folder, followed while the server runs: changed files are read again. A file
//! that becomes unreadable keeps its last valid networks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use multinic_core::text::escape;
use tokio::sync::watch;

use super::super::problems::problems;
use crate::cluster::folder::{self, Error, File};
use crate::error::chain;
use crate::metrics::{Metrics, Reloaded};

/// A folder that is followed.
#[derive(Debug)]
pub struct Follow {
    folder: PathBuf,
    files: BTreeMap<PathBuf, FollowedFile>,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    config: watch::Receiver<Arc<Policy>>,
    /// Whether it was reported that the folder cannot be listed.
    unlistable: bool,
    /// The problems of single networks that were reported.
    reported: BTreeSet<String>,
}

/// How many problems of networks are reported at a time; further ones are counted.
const REPORTED: usize = 10;

#[derive(Debug)]
struct FollowedFile {
    stamp: Stamp,
    /// What the file held when it could last be read.
    valid: File,
}

/// What differs after a file changed: length, inode, and the times of its last change of content
/// and of inode (seconds and nanoseconds).
type Stamp = Option<(u64, u64, i64, i64, i64, i64)>;

impl Follow {
    /// Follows a folder; nothing is read before the first [`Self::check`].
    pub fn new(
        folder: &Path,
        publish: watch::Sender<Option<Arc<Snapshot>>>,
        config: watch::Receiver<Arc<Policy>>,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            files: BTreeMap::new(),
            publish,
            config,
            unlistable: false,
            reported: BTreeSet::new(),
        }
    }

    /// Reads the files that changed, and publishes the networks if there are others now.
    pub fn check(&mut self, metrics: &Metrics) {
        let first = self.publish.borrow().is_none();
        let paths = match folder::paths(&self.folder) {
            Ok(paths) => paths,
            Err(error) => {
                if !self.unlistable {
                    metrics.reload(Reloaded::Networks, false);
                    let error = chain(&error);
                    tracing::error!(error = &*escape(&error), "the known networks stay in force");
                }
                self.unlistable = true;
                return;
            }
        };
        self.unlistable = false;
        metrics.confirm_networks();
        let before = self.files.len();
        self.files.retain(|path, _| paths.contains(path));
        let mut changed = first || self.files.len() != before;
        for path in paths {
            // Taken before the content, so that what is written meanwhile is seen the next time.
            let stamp = stamp(&path);
            if self
                .files
                .get(&path)
                .is_some_and(|file| file.stamp == stamp)
            {
                continue;
            }
            let read = File::read(&path);
            metrics.reload(Reloaded::Networks, read.is_ok());
            changed |= read.is_ok();
            self.take(path, stamp, read);
        }
        if changed {
            self.publish(metrics);
        }
        // Another configuration may refuse other networks.
        if changed || self.config.has_changed().unwrap_or_default() {
            self.report_problems();
        }
    }

    fn take(&mut self, path: PathBuf, stamp: Stamp, read: Result<File, Error>) {
        let known = self.files.remove(&path).map(|file| file.valid);
        let valid = match read {
            Ok(file) => file,
            Err(error) => {
                let consequence = if known.is_some() {
                    "the file cannot be read: its last valid networks stay in force"
                } else {
                    "the file cannot be read: its networks are not known"
                };
                let error = chain(&error);
                tracing::error!(error = &*escape(&error), "{consequence}");
                known.unwrap_or_default()
            }
        };
        self.files.insert(path, FollowedFile { stamp, valid });
    }

    fn publish(&self, metrics: &Metrics) {
        let mut snapshot = Snapshot::default();
        let mut others = 0;
        for file in self.files.values() {
            others += file.valid.others;
            for (namespace, name, network) in &file.valid.networks {
                snapshot.insert(namespace, name, Arc::clone(network));
            }
        }
        let (files, networks) = (self.files.len(), snapshot.len());
        metrics.known(networks);
        let folder = self.folder.display();
        if networks == 0 {
            tracing::warn!(
                %folder, files, networks, others,
                "the folder contains no NetworkAttachmentDefinition: only its own .yaml, .yml and \
                 .json files are read, not those of folders in it"
            );
        } else {
            tracing::info!(%folder, files, networks, others, "networks loaded");
        }
        self.publish.send_replace(Some(Arc::new(snapshot)));
    }

    /// Reports new problems of single networks.
    fn report_problems(&mut self) {
        let Some(snapshot) = self.publish.borrow().clone() else {
            return;
        };
        let config = Arc::clone(&self.config.borrow_and_update());
        let files = self.files.iter();
        let files = files.map(|(path, file)| (&**path, &file.valid));
        let problems = problems(files, &snapshot, &config);
        let mut new = problems.difference(&self.reported);
        for line in new.by_ref().take(REPORTED) {
            tracing::warn!("{}", escape(line));
        }
        let more = new.count();
        if more > 0 {
            tracing::warn!(more, "further networks are refused or defined twice");
        }
        self.reported = problems;
    }
}

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((
        data.len(),
        data.ino(),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec(),
    ))
}
