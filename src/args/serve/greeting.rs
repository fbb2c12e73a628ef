//! What is logged once the server is ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A review that anyone who has the repository can send.
const EXAMPLE: &str = "examples/reviews/isolated-network.json";

/// Returns a command that sends a review to the server, as it can be pasted into a shell; `None` if
/// there is no example to send in the working directory.
pub(super) fn command(ca: &Path, listen: SocketAddr) -> Option<String> {
    Path::new(EXAMPLE).exists().then(|| curl(ca, listen))
}

fn curl(ca: &Path, listen: SocketAddr) -> String {
    let port = listen.port();
    let local: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    // The development certificate is valid for the local names of this machine only.
    let (to, host) = match listen.ip() {
        ip if ip.is_unspecified() => (String::new(), format!("localhost:{port}")),
        ip if local.contains(&ip) => (String::new(), listen.to_string()),
        _ => (
            format!("--connect-to localhost:{port}:{listen} "),
            format!("localhost:{port}"),
        ),
    };
    let mut ca = ca.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+".contains(letter);
    if !ca.chars().all(plain) {
        ca = format!("'{}'", ca.replace('\'', r"'\''"));
    }
    format!(
        "curl --cacert {ca} {to}-H 'Content-Type: application/json' --data-binary @{EXAMPLE} \
         https://{host}/validate"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_works_wherever_the_server_listens() {
        let line = |listen: &str, ca: &str| curl(Path::new(ca), listen.parse().unwrap());
        let plain = line("127.0.0.1:8443", "certs/ca.crt");
        assert!(plain.starts_with("curl --cacert certs/ca.crt -H "));
        assert!(plain.ends_with(" https://127.0.0.1:8443/validate"));
        assert!(plain.len() < 200, "{plain}");
        assert!(line("[::1]:1", "ca").ends_with(" https://[::1]:1/validate"));
        // No certificate is valid for 0.0.0.0.
        assert!(line("0.0.0.0:1", "ca").ends_with(" https://localhost:1/validate"));
        let far = line("192.0.2.1:8443", "ca");
        assert!(far.contains(" --connect-to localhost:8443:192.0.2.1:8443 "));
        assert!(far.ends_with(" https://localhost:8443/validate"));
        assert!(line("[::1]:1", "it's a/ca").contains(r"--cacert 'it'\''s a/ca' "));
        assert!(
            Path::new(EXAMPLE).exists(),
            "{EXAMPLE} is in the repository"
        );
    }
}
