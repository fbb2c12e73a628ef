//! The certificate that a server shows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::crypto;

/// How long a server may take to show it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Returns the chain that the server of that name shows, its own certificate first.
///
/// # Errors
/// The reason, if it shows none within three seconds.
pub(super) async fn chain(host: &str, port: u16) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = timeout(PATIENCE, handshake(host, port)).await;
    shown.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}

async fn handshake(host: &str, port: u16) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = |error: &dyn std::error::Error| crate::error::chain(error);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| text(&error))?;
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| text(&error))?;
    let provider = crypto::provider();
    let looker = Arc::new(Looker {
        provider: Arc::clone(&provider),
        chain: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| text(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&looker) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    // Nothing is sent over the connection. Where a client certificate is asked for, the handshake
    // fails after the server has shown its own.
    let outcome = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let chain = looker
        .chain
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    match (chain.is_empty(), outcome) {
        (true, Err(error)) => Err(text(&error)),
        _ => Ok(chain),
    }
}

/// Accepts any certificate, to look at it: whether it is one to trust is decided afterwards, with the
/// caBundle of each entry.
#[derive(Debug)]
struct Looker {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = [leaf].into_iter().chain(others);
        let chain = all.map(|one| one.clone().into_owned()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
