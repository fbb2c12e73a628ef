//! What happens to the value of a key on the node, where plugins run as root.
//!
//! Every row of a table declares it. What can be judged by the declaration alone is judged here, so
//! that no plugin's file can forget it.

use super::super::node_use::{Access, Used};
use super::super::report::Report;
use super::conditions;
use super::{Decoded, Key, integer};
use crate::danger;
use crate::interface::name_fault;
use crate::json::{Kind, Value};
use crate::text::shorten;

/// What happens to a value.
#[derive(Debug)]
pub(in crate::cni) enum Sink {
    /// It is parsed into an IP address, a prefix or a hardware address, and only that is used.
    Address,
    /// Memory or time of others grows with the number: from 0 to this maximum, because of this.
    AtMost(i64, &'static str),
    /// An object, or a list of objects: the keys of its own table declare their sinks.
    Below,
    /// iptables jumps to the chain of this name.
    Chain,
    /// The words are added to a rule of iptables or nftables.
    Conditions,
    /// It picks a device of the node, by a PCI address or a name below `/sys`.
    Device,
    /// It names a link of the node.
    Interface(Interface),
    /// A part of the name of a file or of a Kubernetes object; the plugin's file judges it.
    Name,
    /// Nothing: it is not used, or only compared with words that the plugin knows.
    Nothing,
    /// A number that the plugin or the kernel checks, and that does not affect others.
    Number,
    /// A file or folder that is opened.
    Path(Access),
    /// The settings of the kernel for the Pod's network namespace that have these names.
    Sysctl,
    /// It is copied into a log, an error message or the result.
    Text,
}

/// The meaning of a key with the name of a link.
#[derive(Debug)]
pub(in crate::cni) struct Interface {
    /// What holds if the key is left out, or empty.
    pub(in crate::cni) absent: Absent,
    /// If the key of this name beside it is `true`, the link is one of the Pod.
    pub(in crate::cni) unless: Option<&'static str>,
}

/// The link that is used if none is named.
#[derive(Debug)]
pub(in crate::cni) enum Absent {
    /// The one of the node's default route.
    DefaultRoute,
    /// The one of this name.
    Named(&'static str),
    /// None.
    Nothing,
}

/// `bridge` of the plugins that make a bridge on the node.
pub(in crate::cni) const BRIDGE: Sink = Sink::Interface(Interface {
    absent: Absent::Named("cni0"),
    unless: None,
});

/// A link of the node that has to exist.
pub(in crate::cni) const LINK: Sink = Sink::Interface(Interface {
    absent: Absent::Nothing,
    unless: None,
});

/// `master` of the plugins that build on an interface of the node and require its name.
pub(in crate::cni) const REQUIRED_MASTER: Sink = Sink::Interface(Interface {
    absent: Absent::Nothing,
    unless: Some("linkInContainer"),
});

/// `master` of the plugins that build on an interface of the node.
pub(in crate::cni) const MASTER: Sink = Sink::Interface(Interface {
    absent: Absent::DefaultRoute,
    unless: Some("linkInContainer"),
});

impl Sink {
    /// Its name on the page `docs/sinks.md`.
    #[cfg(test)]
    pub(in crate::cni) fn name(&self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::AtMost(..) => "at most",
            Self::Below => "below",
            Self::Chain => "chain",
            Self::Conditions => "conditions",
            Self::Device => "device",
            Self::Interface(_) => "interface",
            Self::Name => "name",
            Self::Nothing => "nothing",
            Self::Number => "number",
            Self::Path(Access::Read) => "read",
            Self::Path(Access::Store) => "store",
            Self::Path(Access::Unknown | Access::Write) => "write",
            Self::Sysctl => "sysctl",
            Self::Text => "text",
        }
    }

    /// Judges one value of a key, whether or not it is the one that counts in the end.
    pub(super) fn check(&self, value: Value<'_>, report: &mut Report) {
        match self {
            Self::AtMost(most, why) => at_most(value, *most, why, report),
            Self::Chain => chain(value, report),
            Self::Conditions => conditions::check(value, report),
            Self::Device => device(value, report),
            Self::Path(access) => {
                for path in texts(value) {
                    let text = path.str().unwrap_or_default();
                    if !text.is_empty() {
                        report.uses(path, Used::path(*access, &text));
                    }
                }
            }
            // Judged by `Decoded::interfaces`, for which the keys beside it count too.
            Self::Interface(_)
            // Nothing that can be judged without knowing the plugin.
            | Self::Address
            | Self::Below
            | Self::Name
            | Self::Nothing
            | Self::Number
            | Self::Sysctl
            | Self::Text => {}
        }
    }
}

fn device(value: Value<'_>, report: &mut Report) {
    let text = value.str().unwrap_or_default();
    if text.is_empty() {
        return;
    }
    report.uses(value, Used::interface(&text));
    if let Some(problem) = danger::device(&text) {
        report.danger(value, format!("the value {problem}"));
    }
}

impl Decoded<'_> {
    /// Judges the keys that name links of the node, and notes which are used.
    pub(super) fn interfaces(&self, report: &mut Report) {
        for row in self.table.keys {
            if let Key {
                sink: Sink::Interface(interface),
                ..
            } = row
            {
                self.interface(row.name, interface, report);
            }
        }
    }

    fn interface(&self, key: &str, interface: &Interface, report: &mut Report) {
        let is_of_the_pod = interface.unless.is_some_and(|key| self.is_true(key));
        let mut named = false;
        for name in self.value(key).into_iter().flat_map(texts) {
            let text = name.str().unwrap_or_default();
            if text.is_empty() {
                continue;
            }
            named = true;
            // A name that no interface can have is refused elsewhere.
            let problem = name_fault(&text)
                .is_none()
                .then(|| danger::interface_name(&text));
            if let Some(problem) = problem.flatten() {
                report.danger(name, problem);
            }
            if !is_of_the_pod {
                report.uses(name, Used::interface(&text));
            }
        }
        let Some(object) = self.object.filter(|_| !named && !is_of_the_pod) else {
            return;
        };
        let place = self.value(key).unwrap_or(object);
        match interface.absent {
            Absent::DefaultRoute => report.uses(place, Used::Interface(None)),
            Absent::Named(name) => report.uses(place, Used::interface(name)),
            Absent::Nothing => {}
        }
    }
}

/// A string, or the strings of a list.
fn texts(value: Value<'_>) -> Vec<Value<'_>> {
    let of_list = value.elements();
    let all = [value].into_iter().chain(of_list);
    all.filter(|value| value.kind() == Kind::String).collect()
}

fn at_most(value: Value<'_>, most: i64, why: &str, report: &mut Report) {
    let Some(number) = integer(value).filter(|number| !(0..=most).contains(number)) else {
        return;
    };
    let allowed = if most == 0 {
        "0".to_owned()
    } else {
        format!("0 to {most}")
    };
    report.danger(
        value,
        format!("{number} is out of range: write {allowed}, because {why}"),
    );
}

/// Judges the name of a chain of iptables, which has to set a mark. Those of Kubernetes and of the
/// plugin itself have the word in their names; other chains lead anywhere, such as to the ports of
/// other Pods.
fn chain(value: Value<'_>, report: &mut Report) {
    // iptables: XT_EXTENSION_MAXNAMELEN without its NUL.
    const MAX_LENGTH: usize = 28;
    let Some(name) = value.str().filter(|name| !name.is_empty()) else {
        return;
    };
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let is_name = name.len() <= MAX_LENGTH && name.chars().all(is_plain) && !name.starts_with('-');
    if is_name && name.to_ascii_uppercase().contains("MARK") {
        return;
    }
    let shown = shorten(&name);
    let problem = if is_name {
        "is not known to be a chain that sets a mark, and iptables would jump to it"
    } else {
        "is not the name of a chain"
    };
    report.danger(
        value,
        format!(
            "\"{shown}\" {problem}: use \"KUBE-MARK-MASQ\" or \"CNI-HOSTPORT-SETMARK\", or remove \
             the key"
        ),
    );
}
