//! Asking the IPAM plugin that a plugin names.

use super::chain::{self, Chain};
use super::network::Network;
use super::part::Part;
use super::report::Report;
use super::{host_local, static_, whereabouts};
use crate::finding::shorten;

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer<'d> {
    /// Addresses and routes, as far as they can be told.
    Network(Network<'d>),
    /// No IPAM plugin is named.
    Nobody,
    /// The IPAM plugin refuses, and it was said why.
    Refusal,
}

impl<'d> Answer<'d> {
    /// The addresses and routes.
    pub(super) fn network(&self) -> Option<&Network<'d>> {
        match self {
            Self::Network(network) => Some(network),
            Self::Nobody | Self::Refusal => None,
        }
    }

    /// The addresses and routes, to add to.
    pub(super) fn network_mut(&mut self) -> Option<&mut Network<'d>> {
        match self {
            Self::Network(network) => Some(network),
            Self::Nobody | Self::Refusal => None,
        }
    }

    fn of(network: Option<Network<'d>>) -> Self {
        network.map_or(Self::Refusal, Self::Network)
    }
}

/// Asks the IPAM plugin of an interface plugin.
pub(super) fn ask<'d>(part: &Part<'d>, chain: &Chain<'_>, report: &mut Report) -> Answer<'d> {
    let Some((kind, place)) = part.ipam_kind() else {
        if let Some(ipam) = part.ipam().find(|ipam| ipam.members().next().is_some()) {
            report.warn(
                ipam,
                "\"ipam\" names no \"type\", so no IPAM plugin runs and the rest of it is ignored: add one, as in \"type\": \"static\"",
            );
        }
        return Answer::Nobody;
    };
    let plugin = &part.kind;
    let answer = match kind {
        "host-local" => Answer::of(host_local::answer(part, chain, report)),
        "static" => Answer::of(static_::answer(part, chain, report)),
        "whereabouts" => Answer::of(whereabouts::answer(part, chain, report)),
        "ipvlan" | "macvlan" | "bridge" => {
            report.refuse(
                place,
                format!(
                    "{kind} makes interfaces and gives no addresses: name host-local, static or whereabouts ({kind}: the interface of the Pod already exists)"
                ),
            );
            Answer::Refusal
        }
        "portmap" | "sbr" | "tuning" => {
            report.refuse(
                place,
                format!(
                    "{kind} changes an interface and gives no addresses: name host-local, static or whereabouts ({kind}: must be called as chained plugin)"
                ),
            );
            Answer::Refusal
        }
        _ if chain::refuse_type(kind, place, report) => Answer::Refusal,
        _ => Answer::Network(Network::default()),
    };
    match answer {
        Answer::Network(Network {
            leases: Some(leases),
            ..
        }) if leases.is_empty() => {
            report.refuse(
                part.ipam_or_kind(),
                format!(
                    "{} gives no address ({plugin}: IPAM plugin returned missing IP config)",
                    shorten(kind)
                ),
            );
            Answer::Refusal
        }
        Answer::Network(network) if chain.is_old() => Answer::Network(network.in_old_format()),
        answer => answer,
    }
}
