//! Certificates in files, which are followed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::sync::watch;

use super::{Certificate, Error, Pair, development, now, read};
use crate::crypto;
use crate::followed::Followed;
use crate::metrics::{Metrics, Reloaded};

type Publish = watch::Sender<Option<Arc<Certificate>>>;

/// The files of a certificate and of its key.
#[derive(Debug)]
pub struct Files {
    pair: Pair,
    /// The names that the certificate must be valid for.
    names: Vec<ServerName<'static>>,
    followed: Followed<(Vec<u8>, Vec<u8>)>,
    /// Reloaded the files hold, while something better is served.
    candidate: Option<Certificate>,
    /// Why the candidate is not served, as it was logged.
    reported: Option<String>,
    publish: Publish,
    /// The folder, where they are of our own making and are renewed here.
    made_in: Option<PathBuf>,
    /// That they cannot be renewed was logged.
    unrenewed: bool,
}

/// The file of the CA certificates that the API server is to trust.
#[derive(Debug)]
pub struct CaBundle {
    path: PathBuf,
    followed: Followed<Vec<u8>>,
    publish: watch::Sender<Arc<Vec<u8>>>,
}

impl Files {
    /// Reads the files and publishes what they hold. A certificate that should not be served is
    /// published with its fault, because there is no better one.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be read or does not hold what it should, or if they
    /// do not belong together.
    pub fn open(
        cert: &Path,
        key: &Path,
        names: Vec<ServerName<'static>>,
        publish: Publish,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let pair = Pair {
            cert: cert.to_owned(),
            key: key.to_owned(),
        };
        let first = pair.read()?;
        let mut files = Self {
            candidate: Some(pair.parse(&first)?),
            pair,
            names,
            followed: Followed::new(Reloaded::Certificate, first),
            reported: None,
            publish,
            made_in: None,
            unrenewed: false,
        };
        files.offer(metrics);
        Ok(files)
    }

    /// Makes a development certificate in the folder unless there is one, and publishes it. It is
    /// renewed before it expires.
    ///
    /// # Errors
    /// Returns an error if it cannot be made, or would replace one that is not of this program's
    /// making.
    pub fn development(folder: &Path, publish: Publish, metrics: &Metrics) -> Result<Self, Error> {
        if development::ensure(folder)? {
            tracing::info!(folder = %folder.display(), "made a development certificate");
        }
        let file = |name| folder.join(name);
        let (cert, key) = (file(development::CERT), file(development::KEY));
        Ok(Self {
            made_in: Some(folder.to_owned()),
            ..Self::open(&cert, &key, Vec::new(), publish, metrics)?
        })
    }

    /// Publishes what the files hold if it is new and good; otherwise the old pair stays.
    pub fn check(&mut self, metrics: &Metrics) {
        self.renew(metrics);
        match self.followed.changed(self.pair.read()) {
            None => {}
            Some(read) => match read.and_then(|pem| self.pair.parse(&pem)) {
                Ok(candidate) => (self.candidate, self.reported) = (Some(candidate), None),
                Err(error) => self.followed.report(Err(error), metrics),
            },
        }
        self.offer(metrics);
    }

    /// Publishes the candidate if it is better than what is served.
    fn offer(&mut self, metrics: &Metrics) {
        let now = now();
        let served = self.publish.borrow().clone();
        let good = |one: &Certificate| one.check(&self.names, now).is_ok();
        let served_is_good = served.as_deref().is_some_and(good);
        let Some(candidate) = self.candidate.take() else {
            // Reloaded was not valid yet is valid now.
            if let Some(served) = served.filter(|one| served_is_good && one.fault.is_some()) {
                let fault = None;
                self.publish(
                    Certificate {
                        fault,
                        ..(*served).clone()
                    },
                    metrics,
                );
            }
            return;
        };
        let path = self.pair.cert.display();
        let checked = candidate.check(&self.names, now);
        let checked = checked.map_err(|fault| format!("{path}: {fault}"));
        let first = served.is_none();
        match checked {
            Ok(()) if candidate.settled(now) || !served_is_good => {
                self.publish(candidate, metrics);
                if !first {
                    self.followed.report(Ok::<_, Error>(()), metrics);
                }
            }
            Ok(()) => {
                if self.reported.take().is_none() {
                    tracing::info!(
                        "{path}: the certificate has only just become valid, and the clocks of others \
                         may be behind: the old one stays a little longer"
                    );
                }
                self.reported = Some(String::new());
                self.candidate = Some(candidate);
            }
            Err(fault) if served.is_none_or(|one| one.fault.is_some()) => {
                tracing::error!(
                    error = fault,
                    "served anyway, because there is no better one"
                );
                let fault = Some(fault);
                self.publish(Certificate { fault, ..candidate }, metrics);
                if !first {
                    metrics.reload(Reloaded::Certificate, false);
                }
            }
            Err(fault) => {
                if self.reported.as_ref() != Some(&fault) {
                    self.followed.report(Err(fault.as_str()), metrics);
                }
                self.reported = Some(fault);
                self.candidate = Some(candidate);
            }
        }
    }

    fn renew(&mut self, metrics: &Metrics) {
        let published = self.publish.borrow().clone();
        let lasts = published.is_some_and(|one| development::lasts(&one));
        let Some(folder) = self.made_in.as_ref().filter(|_| !lasts) else {
            return;
        };
        match development::ensure(folder) {
            Ok(_) => self.unrenewed = false, // `check` reads it now
            Err(_) if self.unrenewed => {}
            Err(error) => {
                self.unrenewed = true;
                metrics.reload(Reloaded::Certificate, false);
                tracing::error!(%error, "the development certificate cannot be renewed");
            }
        }
    }

    fn publish(&self, certificate: Certificate, metrics: &Metrics) {
        metrics.certificates.published(certificate.not_after);
        self.publish.send_replace(Some(Arc::new(certificate)));
    }
}

/// The CA certificates of the moment, in PEM.
pub(crate) type Published = watch::Receiver<Arc<Vec<u8>>>;

impl CaBundle {
    /// Reads the file; the CA certificates that it holds, in PEM, are published whenever they
    /// change.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or does not hold certificates.
    pub fn open(path: &Path) -> Result<(Self, Published), Error> {
        let pem = read(path)?;
        checked(path, &pem)?;
        let (publish, published) = watch::channel(Arc::new(pem.clone()));
        let bundle = Self {
            path: path.to_owned(),
            followed: Followed::new(Reloaded::CaBundle, pem),
            publish,
        };
        Ok((bundle, published))
    }

    /// Publishes what the file holds if it is new and good; otherwise the old CA stays.
    pub fn check(&mut self, metrics: &Metrics) {
        let (path, publish) = (&self.path, &self.publish);
        self.followed.publish(read(path), metrics, |pem| {
            checked(path, &pem)?;
            publish.send_replace(Arc::new(pem));
            Ok(())
        });
    }
}

fn checked(path: &Path, pem: &[u8]) -> Result<(), Error> {
    let roots = crypto::roots(pem).map_err(|error| super::fault(path, error.to_string()));
    roots.map(|_| ())
}

impl Pair {
    fn read(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        Ok((read(&self.cert)?, read(&self.key)?))
    }

    fn parse(&self, (cert, key): &(Vec<u8>, Vec<u8>)) -> Result<Certificate, Error> {
        Certificate::parse((&self.cert, cert), (&self.key, key))
    }
}
