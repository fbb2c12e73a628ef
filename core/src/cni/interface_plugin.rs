//! What most interface plugins do when their own keys are read: ask the IPAM plugin, put its answer
//! on the interface, and hand the result on.

use super::chain::Chain;
use super::ipam;
use super::ipam_result::IpamOutcome;
use super::keys::Decoded;
use super::link;
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// Whether an interface plugin works without an IPAM plugin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ipam {
    /// It fails with these words.
    Required(&'static str),
    /// It makes an interface without addresses.
    Optional,
}

/// Asks the IPAM plugin of `raw`. A plugin that needs one and names none is refused.
pub(super) fn ask<'d>(
    raw: &RawPlugin<'d>,
    ipam: Ipam,
    chain: &Chain<'d>,
    report: &mut Report,
) -> IpamOutcome<'d> {
    let answer = ipam::ask(raw, chain, report);
    let (Ipam::Required(says), IpamOutcome::NoPlugin) = (ipam, &answer) else {
        return answer;
    };
    let plugin = &raw.kind;
    report.refuse(
        raw.ipam_or_kind(),
        format!(
            "{plugin} requires an IPAM plugin: name one in \"ipam\", as in \"ipam\": {{\"type\": \
             \"static\"}} ({plugin}: {says})"
        ),
    );
    IpamOutcome::Refused
}

/// Asks the IPAM plugin, configures the interface, and passes the result to the next plugin. `conf`
/// is the plugin's own configuration where it could be decoded.
pub(super) fn attach<'d>(
    plugin: &'static str,
    raw: &RawPlugin<'d>,
    conf: Option<&Decoded<'d>>,
    ipam: Ipam,
    chain: &mut Chain<'d>,
    report: &mut Report,
) {
    let answer = ask(raw, ipam, chain, report);
    if let Some(network) = answer.result() {
        if let Some(conf) = conf {
            link::mtu_for_ipv6(conf, network, report);
        }
        network.configure(report);
    }
    chain.interface(plugin, raw, answer, report);
}
