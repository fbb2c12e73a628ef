//! The addresses of the listeners.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::super::Error;

/// Parses the value of a flag.
///
/// # Errors
/// If it is not an address with a port; the error is what to write instead.
pub(super) fn flag(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().unwrap_or_default();
        let port = if port.parse::<u16>().is_ok() { port } else { "8443" };
        let host = text.strip_suffix(port).unwrap_or_default();
        match host.strip_suffix(':').unwrap_or(host) {
            "" => format!(
                "expected an IP address and a port; write 127.0.0.1:{port} for this machine only, or \
                 [::]:{port} for all addresses"
            ),
            "localhost" => format!("expected an IP address; write 127.0.0.1:{port} or [::1]:{port}"),
            _ => format!("expected an IP address and a port, such as 127.0.0.1:{port} or [::1]:{port}"),
        }
    })
}

/// Opens the listener of an address.
///
/// # Errors
/// If the address is not available.
pub(super) async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Listen {
        address,
        flag,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_refused_with_a_right_one() {
        assert!(flag("127.0.0.1:0").is_ok());
        assert!(flag("[::]:8443").is_ok());
        for (text, wanted) in [
            ("8443", "127.0.0.1:8443 for this machine only"),
            (":9443", "[::]:9443 for all addresses"),
            ("localhost:8443", "write 127.0.0.1:8443 or [::1]:8443"),
            ("localhost", "write 127.0.0.1:8443 for this machine only"),
            ("example.com:1", "such as 127.0.0.1:1 or [::1]:1"),
            ("127.0.0.1", "127.0.0.1:8443 for this machine only"),
        ] {
            let error = flag(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
