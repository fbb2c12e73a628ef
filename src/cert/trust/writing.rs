//! Writes the Secret and the bundles that a plan asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::objects::{Change, Failure};
use super::{Authority, Seen, Trust, bundle, objects, short};
use multinic_core::authority::{self, WriteBundle};

impl Trust {
    /// Returns whether something was written or read again, so that another plan is needed.
    pub(super) async fn write_secret(
        &mut self,
        write: authority::WriteSecret,
        look: &mut Duration,
    ) -> bool {
        let Some((api, name)) = self.secret.target() else {
            return false;
        };
        let action = format!("cannot write the Secret {name}");
        if let Some(until) = self.reports.pause(&action, self.start.elapsed()) {
            *look = until.min(*look);
            return false;
        }
        let minted = if write.mint {
            let (names, now) = (self.settings.names.clone(), self.wall());
            let terms = self.settings.terms;
            let minted = tokio::task::spawn_blocking(move || Authority::mint(&names, &terms, now));
            match minted.await {
                Ok(Ok(minted)) => Some(minted),
                Ok(Err(error)) => {
                    let failure = Failure::Other(error.to_string());
                    let at = self.start.elapsed();
                    self.reports.failed("cannot make an authority", failure, at);
                    return false;
                }
                Err(_) => return false,
            }
        } else {
            None
        };
        let secret = self.secret.with(&write.authorities, minted.as_ref());
        match objects::put(&api, &name, &secret).await {
            Ok(secret) => {
                self.reports.done(&action);
                if let Some(one) = &minted {
                    tracing::info!(
                        authority = short(&one.facts),
                        "made an authority and stored it in the Secret {name}"
                    );
                } else {
                    tracing::warn!("restored authorities that the Secret {name} had lost");
                }
                self.see_secret(Some(secret));
                true
            }
            Err(Failure::Changed) if self.reports.conflict(&action) => {
                self.look_at_secret().await;
                true
            }
            Err(failure) => {
                self.reports.failed(&action, failure, self.start.elapsed());
                if let Some(until) = self.reports.pause(&action, self.start.elapsed()) {
                    *look = until.min(*look);
                }
                false
            }
        }
    }

    pub(super) async fn write_bundles(
        &mut self,
        writes: Vec<WriteBundle>,
        look: &mut Duration,
    ) -> bool {
        let mut by_configuration: BTreeMap<usize, Vec<WriteBundle>> = BTreeMap::new();
        for write in writes {
            by_configuration
                .entry(write.configuration)
                .or_default()
                .push(write);
        }
        let mut wrote = false;
        for (index, writes) in by_configuration {
            wrote |= self.write_bundle(index, &writes, look).await;
        }
        wrote
    }

    async fn write_bundle(
        &mut self,
        index: usize,
        writes: &[WriteBundle],
        look: &mut Duration,
    ) -> bool {
        let one = &self.registrations[index];
        let what = one.reference.to_string();
        let action = format!("cannot write caBundle of the webhook configuration {what}");
        if let Some(until) = self.reports.pause(&action, self.start.elapsed()) {
            *look = until.min(*look);
            return false;
        }
        let Some(Seen {
            object: Some((object, bundles)),
            ..
        }) = &one.seen
        else {
            return false;
        };
        let entries = object.webhooks.iter().zip(bundles).enumerate();
        let changes: Vec<Change<'_>> = entries
            .filter_map(|(index, (webhook, old))| {
                let write = writes.iter().find(|write| write.entry == webhook.name)?;
                let new = write.certificates.iter().map(|one| self.certificate(one));
                let new = new.collect::<Option<Vec<_>>>()?;
                Some(Change {
                    index,
                    name: &webhook.name,
                    old,
                    new: bundle::write(new),
                })
            })
            .collect();
        if changes.is_empty() {
            return false;
        }
        match objects::patch(&one.api, &one.reference.name, &changes).await {
            Ok(object) => {
                self.reports.done(&action);
                let repairs = writes.iter().filter(|write| write.repair).count();
                self.metrics.certificates.repaired(repairs);
                if repairs > 0 {
                    let entries = names(writes);
                    tracing::warn!(configuration = what, entries, "restored a changed caBundle");
                } else {
                    let entries = names(writes);
                    tracing::info!(configuration = what, entries, "wrote caBundle");
                }
                self.see_registration(index, Some(object));
                true
            }
            Err(Failure::Changed) if self.reports.conflict(&action) => {
                self.look_at_registration(index).await;
                true
            }
            Err(failure) => {
                self.reports.failed(&action, failure, self.start.elapsed());
                if let Some(until) = self.reports.pause(&action, self.start.elapsed()) {
                    *look = until.min(*look);
                }
                false
            }
        }
    }
}

fn names(writes: &[WriteBundle]) -> String {
    let names: Vec<_> = writes.iter().map(|write| &*write.entry).collect();
    names.join(", ")
}
