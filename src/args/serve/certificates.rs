//! Which certificate is served, and what makes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::sync::watch;

use super::super::Error;
use crate::cert::trust::{Mode, Reference, Settings};
use crate::cert::{CaBundle, Certificate, Files};
use crate::crypto;
use crate::duration;
use crate::metrics::Metrics;
use multinic_core::authority::Terms;

/// Where the certificate comes from: a folder of the developer, files, or this program itself.
#[derive(Debug, clap::Args)]
pub(super) struct CertificateArgs {
    /// A folder with a development certificate, made if it is missing, and renewed
    #[arg(
        long,
        value_name = "DIR",
        default_value = "certs",
        conflicts_with_all = ["cert", "certificates_secret"]
    )]
    certs: PathBuf,
    /// The certificate with its chain, in PEM; a new one is picked up
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        conflicts_with = "certificates_secret"
    )]
    cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Make and renew certificates, and keep their authorities in this Secret
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        value_parser = secret,
        conflicts_with = "networks",
        requires_all = ["server_name", "webhook_configuration"]
    )]
    certificates_secret: Option<(String, String)>,
    /// A name by which the API server calls this server: SERVICE.NAMESPACE.svc, or the host of the
    /// URL in a webhook configuration. Certificates must be valid for all of them
    #[arg(long, value_name = "NAME", value_parser = name)]
    server_name: Vec<ServerName<'static>>,
    /// A webhook configuration by which this server is called: mutating/NAME or validating/NAME.
    /// The server is ready once the API server trusts its certificate
    #[arg(long, value_name = "KIND/NAME", conflicts_with = "networks")]
    webhook_configuration: Vec<Reference>,
    /// CA certificates, in PEM, to write into the webhook configurations; new ones are picked up
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["cert", "webhook_configuration"]
    )]
    ca_bundle_from: Option<PathBuf>,
    #[command(flatten)]
    test: TestArgs,
}

/// Short lives, so that tests see certificates replaced.
#[expect(
    clippy::struct_field_names,
    reason = "the fields are the names of the flags"
)]
#[derive(Debug, clap::Args)]
struct TestArgs {
    #[arg(long, hide = true, value_parser = duration::flag)]
    test_authority_life: Option<Duration>,
    #[arg(long, hide = true, value_parser = duration::flag)]
    test_leaf_life: Option<Duration>,
    #[arg(long, hide = true, value_parser = duration::flag)]
    test_hold: Option<Duration>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    test_clock_offset: Option<i64>,
}

/// What is followed, and what is kept in the cluster.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) files: Option<Files>,
    pub(super) ca_bundle: Option<CaBundle>,
    pub(super) trust: Trust,
}

/// What is to be kept in the cluster, once there is a way to it.
#[derive(Debug)]
pub(super) struct Trust {
    mode: Mode,
    configurations: Vec<Reference>,
    names: Vec<ServerName<'static>>,
    terms: Terms,
    clock_offset: i64,
}

impl CertificateArgs {
    /// The folder of the development certificate, where that is served.
    pub(super) fn development(&self) -> Option<&Path> {
        let other = self.cert.is_some() || self.certificates_secret.is_some();
        (!other).then_some(&self.certs)
    }

    /// Reads what is in files, and publishes it.
    pub(super) fn open(
        &self,
        publish: watch::Sender<Option<Arc<Certificate>>>,
        metrics: &Metrics,
    ) -> Result<Sources, Error> {
        let mut sources = Sources {
            files: None,
            ca_bundle: None,
            trust: Trust {
                mode: Mode::Watched,
                configurations: self.webhook_configuration.clone(),
                names: self.server_name.clone(),
                terms: self.test.terms(),
                clock_offset: self.test.test_clock_offset.unwrap_or(0),
            },
        };
        if let Some((namespace, secret)) = self.certificates_secret.clone() {
            sources.trust.mode = Mode::BuiltIn {
                namespace,
                secret,
                publish,
            };
            return Ok(sources);
        }
        let files = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                Files::open(cert, key, self.server_name.clone(), publish, metrics)
            }
            _ => Files::development(&self.certs, publish, metrics),
        };
        sources.files = Some(files?);
        if let Some(path) = &self.ca_bundle_from {
            let (ca_bundle, ca) = CaBundle::open(path)?;
            sources.ca_bundle = Some(ca_bundle);
            sources.trust.mode = Mode::Supplied { ca };
        }
        Ok(sources)
    }
}

impl Trust {
    /// What is to be kept, and why the API server does not trust the certificate yet; `None` where
    /// no webhook configuration is known.
    pub(super) fn settings(
        self,
        certificate: &watch::Receiver<Option<Arc<Certificate>>>,
    ) -> Option<(Settings, watch::Receiver<Option<String>>)> {
        if self.configurations.is_empty() {
            return None;
        }
        let why = "the webhook configurations are not read yet".to_owned();
        let (distrusted, gate) = watch::channel(Some(why));
        let settings = Settings {
            mode: self.mode,
            configurations: self.configurations,
            names: self.names,
            certificate: certificate.clone(),
            distrusted,
            terms: self.terms,
            clock_offset: self.clock_offset,
        };
        Some((settings, gate))
    }
}

impl TestArgs {
    fn terms(&self) -> Terms {
        let mut terms = Terms::new(crypto::random());
        let seconds = |life: Duration| i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        if let Some(life) = self.test_authority_life {
            terms.authority_life = seconds(life);
            // Otherwise every authority that expired in a test would still be published.
            terms.grace = terms.authority_life / 10;
        }
        if let Some(life) = self.test_leaf_life {
            terms.leaf_life = seconds(life);
        }
        if let Some(hold) = self.test_hold {
            terms.hold = hold;
        }
        terms
    }
}

fn name(text: &str) -> Result<ServerName<'static>, String> {
    let name = ServerName::try_from(text.to_owned());
    name.map_err(|_| "is not a valid DNS name or IP address".to_owned())
}

fn secret(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name))
            if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
        {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("expected NAMESPACE/NAME".to_owned()),
    }
}
