//! As much HTTP/1.1 over TLS as the tests need: one message, with its body, at a time.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::pki::Identity;

/// Head and body of one message.
#[derive(Debug)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) start: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads the next message; none where the connection has ended.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let start = line(from)?;
        if start.is_empty() {
            return Ok(None);
        }
        let (mut length, mut chunked) = (0, false);
        loop {
            let header = line(from)?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            chunked |= header == "transfer-encoding: chunked";
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size = usize::from_str_radix(&line(from)?, 16).map_err(io::Error::other)?;
                from.take(size as u64).read_to_end(&mut body)?;
                line(from)?;
                if size == 0 {
                    break;
                }
            }
        } else {
            from.take(length).read_to_end(&mut body)?;
        }
        Ok(Some(Self { start, body }))
    }

    /// The status code of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.start
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// One kept connection to a server on this machine.
pub(crate) struct Client {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Client {
    /// Connects, with a client certificate or without.
    pub(crate) fn connect(port: u16, ca: &Path, identity: Option<&Identity>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for cert in certs(ca)? {
            roots.add(cert).map_err(io::Error::other)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
        let config = match identity {
            Some(it) => config
                .with_client_auth_cert(certs(&it.cert)?, key(&it.key)?)
                .map_err(io::Error::other)?,
            None => config.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let tcp = TcpStream::connect(("127.0.0.1", port))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self {
            stream: BufReader::new(StreamOwned::new(tls, tcp)),
        })
    }

    /// Sends a JSON body and reads the answer.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> io::Result<Message> {
        self.ask("POST", path, "application/json", body)
    }

    /// Sends a body, which may be empty, and reads the answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        media_type: &str,
        body: &str,
    ) -> io::Result<Message> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        Message::read(&mut self.stream)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// How a server on this machine shows itself.
pub(crate) fn server_config(identity: &Identity) -> io::Result<Arc<ServerConfig>> {
    let config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(io::Error::other)?
    .with_no_client_auth()
    .with_single_cert(certs(&identity.cert)?, key(&identity.key)?)
    .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

fn certs(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(&fs::read(file)?)
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

fn key(file: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&fs::read(file)?).map_err(io::Error::other)
}
