//! Whether the API server trusts what is served, as readiness, metrics and log lines.

use super::{Mode, Seen, Trust};
use crate::crypto;
use multinic_core::authority;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

impl Trust {
    /// Declares this replica ready as soon as every entry trusts it.
    pub(super) fn admit(&mut self, plan: &authority::Plan) {
        if !self.ready {
            let why = self.distrust(plan);
            self.ready = why.is_none();
            let sender = &self.settings.distrusted;
            sender.send_if_modified(|old| {
                let new = *old != why;
                *old = why;
                new
            });
        }
        if let (true, Some(leaf)) = (self.ready, &self.leaf) {
            self.memory.served(leaf.by);
        }
    }

    /// Which entry does not trust the certificate that is served.
    fn distrust(&self, plan: &authority::Plan) -> Option<String> {
        let certificate = self.settings.certificate.borrow().clone();
        let Some(certificate) = certificate else {
            return Some("there is no certificate yet".to_owned());
        };
        for one in &self.registrations {
            let name = &one.reference;
            match &one.seen {
                None => return Some(format!("{name} could not be read yet")),
                Some(seen) => {
                    if let Some((entry, why)) = self.rejection(seen, &certificate.key.cert) {
                        return Some(format!(
                            "the API server would not trust this server for {entry} of {name}: \
                             with its caBundle the certificate {why}"
                        ));
                    }
                }
            }
        }
        let built_in = matches!(self.settings.mode, Mode::BuiltIn { .. });
        (built_in && !plan.published).then(|| "the authority is not published yet".to_owned())
    }

    /// The first entry whose bundle does not verify the chain, and why.
    fn rejection(
        &self,
        seen: &Seen,
        chain: &[CertificateDer<'static>],
    ) -> Option<(String, String)> {
        let (object, bundles) = seen.object.as_ref()?;
        let now = self.wall();
        object
            .webhooks
            .iter()
            .zip(bundles)
            .find_map(|(webhook, bundle)| {
                let mut roots = RootCertStore::empty();
                for (_, der) in &bundle.certificates {
                    // Go's clients trust a certificate that is in the bundle itself, of whatever
                    // kind.
                    if Some(der) == chain.first() {
                        return None;
                    }
                    let _ = roots.add(der.clone());
                }
                let why = crypto::verify(chain, &roots, now).err()?;
                Some((webhook.name.clone(), why.to_string()))
            })
    }

    pub(super) fn report(&mut self, plan: &authority::Plan) {
        let now = self.wall();
        if matches!(self.settings.mode, Mode::BuiltIn { .. }) {
            let known: Vec<_> = self
                .memory
                .known()
                .filter(|one| one.not_after > now)
                .collect();
            self.metrics
                .certificates
                .authorities(known.len(), known.last().map(|one| one.not_after));
        }
        let certificate = self.settings.certificate.borrow().clone();
        for (one, in_sync) in self.registrations.iter().zip(&plan.in_sync) {
            let in_sync = match self.settings.mode {
                Mode::Watched => one.seen.as_ref().is_some_and(|seen| {
                    let chain = certificate.as_ref().map(|one| &*one.key.cert);
                    seen.object.is_some()
                        && self.rejection(seen, chain.unwrap_or_default()).is_none()
                }),
                Mode::BuiltIn { .. } | Mode::Supplied { .. } => *in_sync,
            };
            self.metrics
                .certificates
                .in_sync(&one.reference.to_string(), in_sync);
        }
        self.metrics.certificates.disputed(plan.disputed);
        if plan.disputed {
            self.report_dispute();
        }
    }

    fn report_dispute(&mut self) {
        for (index, entry) in self.memory.disputed() {
            let Some(one) = self.registrations.get(index) else {
                continue;
            };
            let seen = one.seen.as_ref().and_then(|seen| seen.object.as_ref());
            let writer = seen.and_then(|(object, _)| object.writer(entry));
            let writer = writer.unwrap_or("unknown").to_owned();
            let what = format!("{entry} of the webhook configuration {}", one.reference);
            let text = format!(
                "another client (field manager {writer}) repeatedly changes caBundle of {what}, \
                 so it is restored only once a minute: stop one of the two writers"
            );
            self.reports.remind(&what, &text, self.start.elapsed());
        }
    }
}
