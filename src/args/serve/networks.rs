//! A folder of networks that is followed: what changed is read again, and of a file that broke the
//! last good state stays. What the rules refuse of it is said, for no Pod may use that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use multinic_core::finding::Level;
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::rules::decide;
use multinic_core::text::escape;
use multinic_core::view::{Define, Subject};
use multinic_core::world::World;
use tokio::sync::watch;

use crate::cluster::folder::{self, Error, File};
use crate::metrics::{Metrics, What};

/// A folder, and what of it is published.
#[derive(Debug)]
pub struct Follow {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Followed>,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    config: watch::Receiver<Arc<Policy>>,
    /// Said once, not at every look.
    unlistable: bool,
    /// What is wrong with single networks, said once each.
    said: BTreeSet<String>,
}

/// So many networks are named that are refused or defined twice; the others are counted.
const NAMED: usize = 10;

#[derive(Debug)]
struct Followed {
    stamp: Stamp,
    good: File,
}

/// What differs when a file changed: length, inode, and when content or inode changed (seconds and
/// nanoseconds).
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
            said: BTreeSet::new(),
        }
    }

    /// Looks at the folder, reads what changed and publishes what is known then.
    pub fn check(&mut self, metrics: &Metrics) {
        let first = self.publish.borrow().is_none();
        let paths = match folder::paths(&self.folder) {
            Ok(paths) => paths,
            Err(error) => {
                if !self.unlistable {
                    metrics.reload(What::Networks, false);
                    tracing::error!(%error, "the networks known so far stay");
                }
                self.unlistable = true;
                return;
            }
        };
        self.unlistable = false;
        let before = self.files.len();
        self.files.retain(|path, _| paths.contains(path));
        let mut changed = first || self.files.len() != before;
        for path in paths {
            // Before the content: what is written meanwhile is seen at the next look.
            let stamp = stamp(&path);
            if self
                .files
                .get(&path)
                .is_some_and(|file| file.stamp == stamp)
            {
                continue;
            }
            let read = File::read(&path);
            metrics.reload(What::Networks, read.is_ok());
            changed |= read.is_ok();
            self.take(path, stamp, read);
        }
        if changed {
            self.publish(metrics);
        }
        // Another configuration may refuse other networks.
        if changed || self.config.has_changed().unwrap_or_default() {
            self.say_what_is_wrong();
        }
    }

    fn take(&mut self, path: PathBuf, stamp: Stamp, read: Result<File, Error>) {
        let known = self.files.remove(&path).map(|file| file.good);
        let good = match read {
            Ok(file) => file,
            Err(error) => {
                let advice = if known.is_some() {
                    "its last good state stays"
                } else {
                    "its networks are not known"
                };
                let error = error.to_string();
                tracing::error!(error = %escape(&error), "{advice}");
                known.unwrap_or_default()
            }
        };
        self.files.insert(path, Followed { stamp, good });
    }

    fn publish(&self, metrics: &Metrics) {
        let mut snapshot = Snapshot::default();
        let mut passed_over = 0;
        for file in self.files.values() {
            passed_over += file.good.passed_over;
            for (namespace, name, network) in &file.good.networks {
                snapshot.insert(namespace, name, Arc::clone(network));
            }
        }
        metrics.known(snapshot.len());
        tracing::info!(
            folder = %self.folder.display(),
            files = self.files.len(),
            networks = snapshot.len(),
            passed_over,
            "networks loaded"
        );
        self.publish.send_replace(Some(Arc::new(snapshot)));
    }

    /// Says what is newly wrong: networks that no Pod may use, and such as are defined twice.
    fn say_what_is_wrong(&mut self) {
        let Some(snapshot) = self.publish.borrow().clone() else {
            return;
        };
        let config = Arc::clone(&self.config.borrow_and_update());
        let world = World {
            snapshot: &snapshot,
            fetched: &Fetched::default(),
            policy: &config,
            usage: None,
        };
        let mut networks = BTreeMap::new();
        let mut wrong = BTreeSet::new();
        for (path, file) in &self.files {
            for (namespace, name, network) in &file.good.networks {
                if let Some((first, _)) = networks.insert((namespace, name), (path, network)) {
                    wrong.insert(format!(
                        "{namespace}/{name} is defined twice: the one in {} counts, not that in {}",
                        path.display(),
                        first.display()
                    ));
                }
            }
        }
        for ((namespace, name), (_, network)) in networks {
            let define = Subject::Define(Define::stored(namespace, name, network));
            let mut findings = decide(&define, &world).into_iter();
            if let Some(finding) = findings.find(|one| one.level == Level::Deny) {
                wrong.insert(format!("refused: {}", finding.line()));
            }
        }
        let mut new = wrong.difference(&self.said);
        for line in new.by_ref().take(NAMED) {
            tracing::warn!("{}", escape(line));
        }
        let more = new.count();
        if more > 0 {
            tracing::warn!(more, "further networks are refused or defined twice");
        }
        self.said = wrong;
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
