//! `multinic why`: from a Pod, or a workload, to its networks.

use std::path::PathBuf;
use std::process::ExitCode;

use super::connection::{Connection, runtime};
use super::output::TextOrJson;
use super::{Error, NOT_CHECKED, print, read_config};
use crate::cluster::reader::Unread;
use crate::why::{explain, read};

/// Explain the networks of a Pod or a workload
///
/// What it asks for, which network each element is, which nodes are left, what Multus reports of each
/// interface, and the events in plain words. Exit codes: 0 nothing is wrong, 1 something is, 2 usage,
/// 3 something could not be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind: pod, deployment, statefulset, daemonset, job, cronjob, ...; or KIND/NAME
    #[arg(value_name = "KIND")]
    kind: String,
    /// The object: NAME, or NAMESPACE/NAME
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The namespace; without it, that of the object's name or of the context
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The configuration of multinic; `multinic config` prints the default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The format of the output
    #[arg(long, short, value_enum, default_value_t = TextOrJson::Text)]
    output: TextOrJson,
    #[command(flatten)]
    connection: Connection,
}

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let (kind, name) = match (&self.name, self.kind.split_once('/')) {
            (Some(name), _) => (&*self.kind, &**name),
            (None, Some((kind, name))) => (kind, name),
            (None, None) => {
                return Err(Error::Usage(format!(
                    "expected a kind and a name, as in: {} why pod team-a/web",
                    super::program()
                )));
            }
        };
        let Some(kind) = read::kind(kind) else {
            return Err(Error::Usage(format!(
                "\"{kind}\" is not a kind that asks for networks; expected pod, deployment, \
                 statefulset, daemonset, replicaset, job, cronjob, replicationcontroller, resourceclaim, \
                 resourceclaimtemplate, virtualmachine or virtualmachineinstance"
            )));
        };
        let (own, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name),
        };
        let policy = read_config(self.config.as_deref())?;
        let why = runtime()?.block_on(async {
            let site = self.connection.open(None).await?;
            let namespace = own.or(self.namespace.as_deref());
            let namespace = namespace.unwrap_or(&site.namespace);
            let facts = read::read(&site.reader, kind, namespace, name, policy).await;
            let facts = facts.map_err(|error| unreadable(kind.kind, namespace, name, error))?;
            Ok::<_, Error>(explain(&facts))
        })?;
        match self.output {
            TextOrJson::Text => print(why.text(super::program()).as_bytes())?,
            TextOrJson::Json => {
                let text = serde_json::to_string_pretty(&why).unwrap_or_default();
                print((text + "\n").as_bytes())?;
            }
        }
        Ok(if why.is_incomplete() {
            ExitCode::from(NOT_CHECKED)
        } else {
            ExitCode::from(u8::from(why.has_problems()))
        })
    }
}

fn unreadable(kind: &str, namespace: &str, name: &str, error: Unread) -> Error {
    match error {
        Unread::Absent(_) => Error::Usage(format!(
            "there is no {kind} {namespace}/{name}; write NAMESPACE/NAME, or use --namespace"
        )),
        error => Error::NotChecked(format!("{kind} {namespace}/{name} cannot be read: {error}")),
    }
}
