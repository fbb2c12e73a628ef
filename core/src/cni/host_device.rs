//! host-device: moves an interface of the node into the Pod.
//!
//! `plugins/main/host-device/host-device.go` of containernetworking/plugins v1.9.1.

use super::attachment::{Link, LinkUse};
use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::link;
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::address::Mac;
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "host-device",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "host-device",
    go: "NetConf",
    keys: &[
        // One of these four, or a device plugin's ID; :105. The first that is set is taken;
        // getLink.
        key("device", Takes::Text, Sink::Device, "none"),
        key("hwaddr", Takes::Text, Sink::Device, "none"),
        key("kernelpath", Takes::Text, Sink::Device, "none"),
        key("pciBusID", Takes::Text, Sink::Device, "none"),
        // A field that was not meant to be set: overwritten if there is a pciBusID.
        key("DPDKMode", Takes::Bool, Sink::Nothing, "false"),
        key("runtimeConfig", Takes::Object(&RUNTIME), Sink::Below, ""),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[
        ("master", "write \"device\""),
        ("interface", "write \"device\""),
        ("pciAddress", "write \"pciBusID\""),
        (
            "mac",
            "write \"hwaddr\" to find the device by its hardware address",
        ),
    ]),
};

static RUNTIME: Table = Table {
    plugin: "host-device",
    go: "NetConf",
    keys: &[key("deviceID", Takes::Text, Sink::Device, "")],
    unknown_keys: UnknownKeys::Allowed,
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if conf.check(report) {
        device(&conf, report);
    }
    interface_plugin::attach("host-device", raw, None, IpamNeed::Optional, chain, report);
}

/// Judges what the device is looked up by. If there is nothing, a device plugin may name one.
fn device(conf: &Decoded<'_>, report: &mut Report) {
    let set = |key| {
        let text = conf.text(key).filter(|text| !text.is_empty())?;
        Some((conf.value(key)?, text))
    };
    if let Some((place, name)) = set("device") {
        report.link = Some(Link {
            name: name.as_ref().into(),
            usage: LinkUse::Device,
        });
        let says = "failed to find host device: Link not found";
        if name == "lo" {
            report.refuse(
                place,
                "\"lo\" cannot leave the node's network namespace: name another interface \
                 (host-device: failed to move \"lo\" to tempNS: invalid argument)",
            );
        } else {
            link::name(place, &name, "host-device", says, report);
        }
    } else if let Some((place, text)) = set("hwaddr") {
        if Mac::parse(&text).is_none() {
            let text = shorten(&text);
            report.refuse(
                place,
                format!(
                    "\"{text}\" is not a valid hardware address: write six pairs of hexadecimal \
                     digits, as in \"02:00:00:00:00:01\" (host-device: failed to parse MAC \
                     address: address {text}: invalid MAC address)"
                ),
            );
        }
    } else if let Some((place, path)) = set("kernelpath")
        && !path.starts_with("/sys/devices/")
    {
        let path = shorten(&path);
        report.refuse(
            place,
            format!(
                "\"{path}\" is not the path of a device: write one that begins with \
                 /sys/devices/, without links (host-device: kernel device path \"{path}\" must be \
                 absolute and begin with /sys/devices/)"
            ),
        );
    }
}
