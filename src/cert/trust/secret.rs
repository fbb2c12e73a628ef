//! The Secret of the authorities: `1.crt` and `1.key`, `2.crt` and `2.key`, the oldest first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use rustls::pki_types::{CertificateDer, ServerName};

use super::super::sign::{Authority, Unusable};
use super::object::Secret;
use super::reading::is_older;
use crate::crypto;
use multinic_core::authority::{self, Certificate};

/// The Secret as it was read last, and the keys that were ever read in it.
pub(super) struct SecretState {
    target: Option<(Api<Secret>, String)>,
    seen: Seen,
    /// The authorities in it that this server can use.
    usable: BTreeSet<Certificate>,
    /// Pairs in it that are sound, and of use to servers with other names: they are kept.
    foreign: Vec<[String; 2]>,
    keys: BTreeMap<Certificate, Arc<Authority>>,
    /// What was found in a pair, by its digest: pairs are verified once.
    verified: BTreeMap<[u8; 32], Pair>,
    /// Labels and annotations, for a Secret that has to be made again.
    metadata: ObjectMeta,
}

enum Seen {
    Absent,
    Present(Box<Secret>),
    Unread,
}

#[derive(Clone)]
enum Pair {
    Usable(Arc<Authority>),
    Foreign,
    Garbage,
}

impl SecretState {
    pub(super) fn new(api: Api<Secret>, name: &str) -> Self {
        Self {
            target: Some((api, name.to_owned())),
            ..Self::none()
        }
    }

    /// For a mode that has no Secret.
    pub(super) fn none() -> Self {
        Self {
            target: None,
            seen: Seen::Unread,
            usable: BTreeSet::new(),
            foreign: Vec::new(),
            keys: BTreeMap::new(),
            verified: BTreeMap::new(),
            metadata: ObjectMeta::default(),
        }
    }

    pub(super) fn target(&self) -> Option<(Api<Secret>, String)> {
        self.target.clone()
    }

    /// Takes in the Secret as it was read; `None` if it does not exist.
    pub(super) fn see(&mut self, secret: Option<Secret>, names: &[ServerName<'static>]) {
        let Some(secret) = secret else {
            (self.seen, self.usable) = (Seen::Absent, BTreeSet::new());
            self.foreign.clear();
            return;
        };
        if let Seen::Present(seen) = &self.seen
            && is_older(
                secret.metadata.resource_version.as_deref(),
                seen.metadata.resource_version.as_deref(),
            )
        {
            return; // a watch that is late
        }
        let verified = std::mem::take(&mut self.verified);
        self.usable.clear();
        self.foreign.clear();
        for (field, certificate) in &secret.data {
            let Some(number) = field.strip_suffix(".crt") else {
                continue;
            };
            let key = secret.data.get(&format!("{number}.key"));
            let key = key.map(String::as_str).unwrap_or_default();
            let digest = crypto::sha256(format!("{certificate}\n{key}").as_bytes());
            let pair = match verified.get(&digest) {
                Some(pair) => pair.clone(),
                None => verify(field, certificate, key, names),
            };
            match &pair {
                Pair::Usable(authority) => {
                    self.usable.insert(authority.facts);
                    let known = self.keys.entry(authority.facts);
                    known.or_insert_with(|| Arc::clone(authority));
                }
                Pair::Foreign => self.foreign.push([certificate.clone(), key.to_owned()]),
                Pair::Garbage => {}
            }
            self.verified.insert(digest, pair);
        }
        self.metadata = ObjectMeta {
            name: secret.metadata.name.clone(),
            namespace: secret.metadata.namespace.clone(),
            labels: secret.metadata.labels.clone(),
            annotations: secret.metadata.annotations.clone(),
            ..ObjectMeta::default()
        };
        self.seen = Seen::Present(Box::new(secret));
    }

    pub(super) fn observed(&self) -> authority::Secret {
        match &self.seen {
            Seen::Absent => authority::Secret::Absent,
            Seen::Present(_) => authority::Secret::Present(self.usable.clone()),
            Seen::Unread => authority::Secret::Unread,
        }
    }

    pub(super) fn authority(&self, facts: &Certificate) -> Option<Arc<Authority>> {
        self.keys.get(facts).cloned()
    }

    pub(super) fn certificate(&self, facts: &Certificate) -> Option<&CertificateDer<'static>> {
        self.keys.get(facts).map(|authority| &authority.der)
    }

    /// The Secret with these authorities, to be written if it is still as it was read.
    pub(super) fn with(
        &self,
        authorities: &BTreeSet<Certificate>,
        minted: Option<&Authority>,
    ) -> Secret {
        let mut secret = match &self.seen {
            Seen::Present(secret) => (**secret).clone(),
            Seen::Absent | Seen::Unread => {
                let name = self.target.as_ref().map(|(_, name)| name.clone());
                let metadata = ObjectMeta {
                    name,
                    ..self.metadata.clone()
                };
                Secret {
                    metadata,
                    type_: Some("Opaque".to_owned()),
                    ..Secret::default()
                }
            }
        };
        // The API server keeps its own.
        secret.metadata.managed_fields = None;
        let known = authorities.iter().filter_map(|one| self.keys.get(one));
        let own = known.map(|one| &**one).chain(minted).map(|one| {
            let (certificate, key) = one.pem();
            [certificate, key].map(|pem| STANDARD.encode(pem))
        });
        let pairs = own.chain(self.foreign.iter().cloned());
        secret.data = pairs
            .enumerate()
            .flat_map(|(index, [certificate, key])| {
                let number = index + 1;
                [
                    (format!("{number}.crt"), certificate),
                    (format!("{number}.key"), key),
                ]
            })
            .collect();
        secret
    }
}

fn verify(field: &str, certificate: &str, key: &str, names: &[ServerName<'static>]) -> Pair {
    let decoded = (STANDARD.decode(certificate), STANDARD.decode(key));
    let (Ok(certificate), Ok(key)) = decoded else {
        return Pair::Garbage; // the API server lets in no such Secret
    };
    match Authority::read(&certificate, &key, names) {
        Ok(authority) => Pair::Usable(Arc::new(authority)),
        Err(why @ Unusable::Names(_)) => {
            tracing::warn!(field, %why, "the Secret of the authorities holds one of other servers");
            Pair::Foreign
        }
        Err(why) => {
            tracing::warn!(field, %why, "the Secret of the authorities holds one that is unusable");
            Pair::Garbage
        }
    }
}
