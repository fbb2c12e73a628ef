//! What most interface plugins do after reading their own keys: call the IPAM plugin, configure the
//! interface with its result, and pass the result on.

use super::chain::Chain;
use super::ipam;
use super::ipam_result::IpamOutcome;
use super::keys::Decoded;
use super::link;
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// Whether an interface plugin works without an IPAM plugin.
#[derive(Clone, Copy, Debug)]
pub(super) enum IpamNeed {
    /// It fails with this message.
    Required(&'static str),
    /// It makes an interface without addresses.
    Optional,
}

/// Calls the IPAM plugin of `raw`. Refuses a plugin that needs one and names none.
pub(super) fn ask<'d>(
    raw: &RawPlugin<'d>,
    need: IpamNeed,
    chain: &Chain<'d>,
    report: &mut Report,
) -> IpamOutcome<'d> {
    let answer = ipam::ask(raw, chain, report);
    let (IpamNeed::Required(says), IpamOutcome::NoPlugin) = (need, &answer) else {
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

/// Calls the IPAM plugin, configures the interface, and passes the result to the next plugin.
/// `conf` is the plugin's own configuration, if it could be decoded.
pub(super) fn attach<'d>(
    plugin: &'static str,
    raw: &RawPlugin<'d>,
    conf: Option<&Decoded<'d>>,
    need: IpamNeed,
    chain: &mut Chain<'d>,
    report: &mut Report,
) {
    let answer = ask(raw, need, chain, report);
    configure(plugin, raw, conf, answer, chain, report);
}

/// Configures the interface with the result of the IPAM plugin, and passes it to the next plugin.
pub(super) fn configure<'d>(
    plugin: &'static str,
    raw: &RawPlugin<'d>,
    conf: Option<&Decoded<'d>>,
    answer: IpamOutcome<'d>,
    chain: &mut Chain<'d>,
    report: &mut Report,
) {
    if let Some(network) = answer.result() {
        if let Some(conf) = conf {
            link::mtu_for_ipv6(conf, network, report);
        }
        network.configure(report);
    }
    chain.interface(plugin, raw, answer, report);
}
