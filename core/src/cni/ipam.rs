//! Calling the IPAM plugin that a plugin names.

use super::attachment::Addresses;
use super::chain::{Chain, Role};
use super::ipam_result::{IpamOutcome, IpamResult};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::text::shorten;

/// Runs the IPAM plugin of an interface plugin.
pub(super) fn ask<'d>(
    raw: &RawPlugin<'d>,
    chain: &Chain<'d>,
    report: &mut Report,
) -> IpamOutcome<'d> {
    let Some((kind, place)) = raw.ipam_kind() else {
        report.addresses = Addresses::Ignored;
        if let Some(ipam) = raw.ipam().find(|ipam| ipam.members().next().is_some()) {
            report.warn(
                ipam,
                "\"ipam\" has no \"type\", so no IPAM plugin runs and the rest of it is ignored: \
                 add one, as in \"type\": \"static\"",
            );
        }
        return IpamOutcome::NoPlugin;
    };
    let plugin = &raw.kind;
    let outcome = match chain.find(kind).map(|plugin| &plugin.role) {
        Some(Role::Ipam(answer)) => IpamOutcome::of(answer(raw, chain, report)),
        Some(Role::Interface(_)) => {
            report.refuse(
                place,
                format!(
                    "{kind} makes interfaces and does not assign addresses: use host-local, \
                     static or whereabouts ({kind}: the interface of the Pod already exists)"
                ),
            );
            IpamOutcome::Refused
        }
        Some(Role::Meta(_)) => {
            report.refuse(
                place,
                format!(
                    "{kind} changes interfaces and does not assign addresses: use host-local, \
                     static or whereabouts ({kind}: must be called as chained plugin)"
                ),
            );
            IpamOutcome::Refused
        }
        None if chain.refuse_type(kind, place, report) => IpamOutcome::Refused,
        None => IpamOutcome::Result(IpamResult::default()),
    };
    match outcome {
        IpamOutcome::Result(IpamResult {
            leases: Some(leases),
            ..
        }) if leases.is_empty() => {
            report.refuse(
                raw.ipam_or_kind(),
                format!(
                    "{} does not assign an address ({plugin}: IPAM plugin returned missing IP \
                     config)",
                    shorten(kind)
                ),
            );
            IpamOutcome::Refused
        }
        IpamOutcome::Result(result) if chain.is_old() => {
            IpamOutcome::Result(result.in_old_format())
        }
        outcome => outcome,
    }
}
