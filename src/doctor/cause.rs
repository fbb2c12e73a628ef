//! The causes behind errors of the API server and of the connection to it.

/// A cause, and what to do about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cause {
    /// What is wrong.
    pub(super) what: &'static str,
    /// What to do.
    pub(super) remedy: &'static str,
}

/// Words of Go's and rustls' errors, and what they mean where the API server calls multinic. The
/// first that applies counts.
const OF_CALLS: [(&[&str], Cause); 12] = [
    (
        &["signed by unknown authority", "certificate signed by"],
        Cause {
            what: "caBundle does not contain the CA of the certificate that multinic serves",
            remedy: "compare `caBundle` with the certificate; docs/runbooks/MultinicCertificateRejected.md",
        },
    ),
    (
        &[
            "unable to load root certificates",
            "unable to parse bytes as PEM",
        ],
        Cause {
            what: "caBundle is not PEM",
            remedy: "write the CA in PEM, in base64, into `caBundle` of the webhook configuration",
        },
    ),
    (
        &[
            "certificate is valid for",
            "cannot validate certificate for",
            "doesn't contain any IP SANs",
        ],
        Cause {
            what: "the certificate is for another name than the one by which the API server calls",
            remedy: "issue it for SERVICE.NAMESPACE.svc, or for the host in webhook.url",
        },
    ),
    (
        &["has expired or is not yet valid"],
        Cause {
            what: "the certificate has expired or is not valid yet, or a clock is wrong",
            remedy: "renew it, and compare the clocks; docs/runbooks/MultinicCertificateExpiring.md",
        },
    ),
    (
        &["tls: "],
        Cause {
            what: "the TLS handshake fails",
            remedy: "where multinic asks for a client certificate (--client-ca), the API server must show one",
        },
    ),
    (
        &["no endpoints available"],
        Cause {
            what: "no replica is ready",
            remedy: "kubectl -n multinic-system get pods; docs/runbooks/MultinicDown.md",
        },
    ),
    (
        &["not found"],
        Cause {
            what: "the Service that the webhook configuration names does not exist",
            remedy: "install the release again, or delete the webhook configurations it left behind",
        },
    ),
    (
        &["connection refused"],
        Cause {
            what: "nothing listens on the port of the webhooks",
            remedy: "check that multinic runs, and that the port of the Service is the one it listens on",
        },
    ),
    (
        &["no route to host", "network is unreachable"],
        Cause {
            what: "the control plane has no route to multinic",
            remedy: "set hostNetwork: true in the chart, or let the control plane reach the Pod network",
        },
    ),
    (
        &["no such host", "server misbehaving"],
        Cause {
            what: "the API server cannot resolve the name in webhook.url",
            remedy: "use an address, or a name that the DNS of the control plane knows",
        },
    ),
    (
        &["i/o timeout"],
        Cause {
            what: "no connection in time: a firewall between the control plane and the nodes drops it",
            remedy: "open the port of the webhooks (10250 by default) from the control plane to the nodes",
        },
    ),
    (
        &["deadline exceeded", "Timeout exceeded", "request canceled"],
        Cause {
            what: "no answer in time: a firewall between the control plane and the nodes, or overload",
            remedy: "open the port of the webhooks (10250 by default) from the control plane to the \
                     nodes; docs/runbooks/MultinicSlow.md",
        },
    ),
];

/// The same where this program calls the API server.
const OF_CONNECTION: [(&[&str], Cause); 7] = [
    (
        &[
            "UnknownIssuer",
            "unknown authority",
            "invalid peer certificate",
        ],
        Cause {
            what: "the certificate of the API server is not signed by the CA in the kubeconfig",
            remedy: "renew the kubeconfig: it may be of a cluster that was created again",
        },
    ),
    (
        &["onnection refused"],
        Cause {
            what: "nothing listens there",
            remedy: "check the server in the kubeconfig, and whether the API server runs",
        },
    ),
    (
        &["dns error", "failed to lookup address"],
        Cause {
            what: "its name cannot be resolved",
            remedy: "check the server in the kubeconfig, and the VPN if the cluster needs one",
        },
    ),
    (
        &["deadline has elapsed", "deadline exceeded", "timed out"],
        Cause {
            what: "no answer in time: a firewall or a missing VPN drops the connection",
            remedy: "check whether this machine may reach the address",
        },
    ),
    (
        &["unreachable", "No route to host"],
        Cause {
            what: "there is no route to it",
            remedy: "check the network of this machine, and the VPN if the cluster needs one",
        },
    ),
    (
        &["auth exec", "exec-plugin", "auth error"],
        Cause {
            what: "the program in the kubeconfig that fetches credentials fails",
            remedy: "run it by hand; it is the `exec` entry of the user in the kubeconfig",
        },
    ),
    (
        &["CertificateRequired", "AccessDenied"],
        Cause {
            what: "the API server refuses the client certificate",
            remedy: "renew the kubeconfig",
        },
    ),
];

/// The cause behind an error with which the API server called multinic.
pub(super) fn of_call(message: &str) -> Option<Cause> {
    find(&OF_CALLS, message)
}

/// The cause behind an error of the connection to the API server.
pub(super) fn of_connection(message: &str) -> Option<Cause> {
    find(&OF_CONNECTION, message)
}

fn find(table: &[(&[&str], Cause)], message: &str) -> Option<Cause> {
    let found = table
        .iter()
        .find(|(words, _)| words.iter().any(|words| message.contains(words)));
    found.map(|(_, cause)| *cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_api_server_have_causes() {
        // Each as kube-apiserver 1.36 words it, after `failed to call webhook: Post "https://…": `.
        for (message, wanted) in [
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                "does not contain the CA",
            ),
            (
                "unable to load root certificates: unable to parse bytes as PEM block",
                "not PEM",
            ),
            (
                "tls: failed to verify certificate: x509: certificate is valid for a, not b",
                "another name",
            ),
            (
                "tls: failed to verify certificate: x509: certificate has expired or is not yet \
                 valid: current time 2026-01-01T00:00:00Z is after 2025-01-01T00:00:00Z",
                "has expired",
            ),
            ("remote error: tls: certificate required", "handshake"),
            (
                "no endpoints available for service \"multinic\"",
                "no replica is ready",
            ),
            ("service \"multinic\" not found", "does not exist"),
            (
                "dial tcp 10.0.0.1:10250: connect: connection refused",
                "nothing listens",
            ),
            (
                "dial tcp 10.0.0.1:10250: connect: no route to host",
                "no route",
            ),
            (
                "dial tcp: lookup x on 1.1.1.1:53: no such host",
                "cannot resolve",
            ),
            ("dial tcp 10.0.0.1:10250: i/o timeout", "firewall"),
            ("context deadline exceeded", "firewall"),
            (
                "net/http: request canceled while waiting for connection (Client.Timeout exceeded \
                 while awaiting headers)",
                "firewall",
            ),
        ] {
            let cause = of_call(message).unwrap_or_else(|| panic!("no cause: {message}"));
            assert!(cause.what.contains(wanted), "{message}: {}", cause.what);
            assert!(!cause.remedy.is_empty());
        }
        assert_eq!(of_call("EOF"), None);
    }

    #[test]
    fn errors_of_the_connection_have_causes() {
        for (message, wanted) in [
            ("invalid peer certificate: UnknownIssuer", "not signed by"),
            (
                "tcp connect error: Connection refused (os error 111)",
                "nothing listens",
            ),
            (
                "dns error: failed to lookup address information",
                "resolved",
            ),
            ("deadline has elapsed", "firewall"),
            ("Network is unreachable (os error 101)", "no route"),
        ] {
            let cause = of_connection(message).unwrap_or_else(|| panic!("no cause: {message}"));
            assert!(cause.what.contains(wanted), "{message}: {}", cause.what);
        }
    }
}
