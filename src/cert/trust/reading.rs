//! What was read of the Secret and of the webhook configurations.

use super::bundle::{self, Bundle};
use super::object::{self, Registration, Secret};
use super::{Event, Mode, RegistrationState, Seen, Trust, objects};
use crate::cluster;
use kube::runtime::watcher;
use multinic_core::authority::{Configuration, Entry, Observed};

impl Trust {
    pub(super) async fn take(&mut self, event: Event) {
        match event {
            Event::Secret(Ok(Some(secret))) => self.see_secret(Some(secret)),
            // A deleted object may exist again, so it is read.
            Event::Secret(Ok(None)) => self.look_at_secret().await,
            Event::Secret(Err(error)) => self.cannot_watch("the Secret of the authorities", &error),
            Event::Registration(index, Ok(Some(object))) => {
                self.see_registration(index, Some(object));
            }
            Event::Registration(index, Ok(None)) => self.look_at_registration(index).await,
            Event::Registration(index, Err(error)) => {
                let reference = &self.registrations[index].reference;
                let what = format!("the webhook configuration {reference}");
                self.cannot_watch(&what, &error);
            }
        }
    }

    fn cannot_watch(&mut self, what: &str, error: &watcher::Error) {
        let error = cluster::watch::cause(error)
            .map_or_else(|| error.to_string(), cluster::watch::described);
        let text = format!("cannot watch {what}, which is still read once a minute: {error}");
        self.reports.remind(what, &text, self.start.elapsed());
    }

    /// Reads everything.
    pub(super) async fn look(&mut self) {
        self.look_at_secret().await;
        for index in 0..self.registrations.len() {
            self.look_at_registration(index).await;
        }
    }

    pub(super) async fn look_at_secret(&mut self) {
        let Some((api, name)) = self.secret.target() else {
            return;
        };
        let action = format!("cannot read the Secret {name}");
        match objects::get(&api, &name).await {
            Ok(secret) => {
                self.reports.done(&action);
                self.see_secret(secret);
            }
            Err(failure) => self.reports.failed(&action, failure, self.start.elapsed()),
        }
    }

    pub(super) async fn look_at_registration(&mut self, index: usize) {
        let one = &self.registrations[index];
        let action = format!("cannot read the webhook configuration {}", one.reference);
        match objects::get(&one.api, &one.reference.name).await {
            Ok(object) => {
                self.reports.done(&action);
                self.see_registration(index, object);
            }
            Err(failure) => self.reports.failed(&action, failure, self.start.elapsed()),
        }
    }

    pub(super) fn see_secret(&mut self, secret: Option<Secret>) {
        self.secret.see(secret, &self.settings.names);
        self.note();
    }

    pub(super) fn see_registration(&mut self, index: usize, object: Option<Registration>) {
        let at = self.uptime();
        let one = &mut self.registrations[index];
        if let (
            Some(object),
            Some(Seen {
                object: Some((seen, _)),
                ..
            }),
        ) = (&object, &one.seen)
            && is_older(
                object.metadata.resource_version.as_deref(),
                seen.metadata.resource_version.as_deref(),
            )
        {
            return; // a late watch event
        }
        let object = object.map(|object| {
            let text = |one: &object::Webhook| one.client_config.ca_bundle.clone();
            let texts = object.webhooks.iter().map(text);
            let bundles = texts.map(Bundle::read).collect();
            (object, bundles)
        });
        one.seen = Some(Seen { at, object });
        self.note();
    }

    /// Every read is noted, so that no interruption is missed.
    pub(super) fn note(&mut self) {
        if let Mode::Supplied { ca } = &self.settings.mode {
            self.supplied = bundle::parse(&ca.borrow());
            let supplied = self.supplied.iter().map(|one| one.0);
            self.memory.supply(supplied);
        }
        let observed = self.observed();
        self.memory.note(&observed, &self.settings.terms);
    }

    pub(super) fn observed(&self) -> Observed {
        let configuration = |one: &RegistrationState| match &one.seen {
            None => Configuration::Unread,
            Some(Seen { at, object: None }) => Configuration::Absent { at: *at },
            Some(Seen {
                at,
                object: Some((object, bundles)),
            }) => {
                let entries = object.webhooks.iter().zip(bundles);
                let entries = entries.map(|(webhook, bundle)| Entry {
                    name: webhook.name.clone(),
                    certificates: bundle.certificates.iter().map(|one| one.0).collect(),
                    tidy: bundle.tidy,
                });
                Configuration::Present {
                    at: *at,
                    entries: entries.collect(),
                }
            }
        };
        Observed {
            now: self.now(),
            secret: self.secret.observed(),
            configurations: self.registrations.iter().map(configuration).collect(),
        }
    }
}

/// Versions are opaque, but numbers on every API server. A version that is not a number is not
/// older.
pub(super) fn is_older(this: Option<&str>, that: Option<&str>) -> bool {
    let number = |version: Option<&str>| version?.parse::<u64>().ok();
    matches!((number(this), number(that)), (Some(this), Some(that)) if this < that)
}
