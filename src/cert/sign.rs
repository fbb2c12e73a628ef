//! Authorities and what they sign, for built-in certificates.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PublicKeyData as _, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use super::{Certificate, x509};
use crate::crypto;
use multinic_core::authority::{self, BACKDATE, Terms};

/// A CA certificate with its key.
pub(super) struct Authority {
    /// The authority as the plan sees it.
    pub(super) facts: authority::Certificate,
    /// The certificate.
    pub(super) der: CertificateDer<'static>,
    key: KeyPair,
}

/// Why a certificate and a key in the Secret are not an authority that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the certificate: {0}")]
    Certificate(#[from] crypto::Error),
    #[error("the key is not a private key in PEM (PKCS #8)")]
    Key,
    #[error("the key does not belong to the certificate")]
    Mismatch,
    #[error("the certificate is not that of a CA with a common name")]
    NotCa,
    /// Sound, and of no use to this server: others may have other names.
    #[error("it cannot sign for this server: {0}")]
    Names(String),
}

impl Authority {
    /// Makes an authority for a server with these names, at this moment in seconds since 1970.
    pub(super) fn mint(
        names: &[ServerName<'static>],
        terms: &Terms,
        now: i64,
    ) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let digest = crypto::sha256(key.der_bytes());
        let serial = crypto::hex(digest.iter().take(8));
        // The number lets people distinguish two of them.
        let mut params = ca(&format!("multinic CA {serial}"), 1);
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: names.iter().filter_map(subtree).collect(),
            excluded_subtrees: Vec::new(),
        });
        valid(&mut params, now - BACKDATE, now + terms.authority_life);
        let der = params.self_signed(&key)?.der().clone();
        let facts = x509::facts(&der).ok_or(rcgen::Error::CouldNotParseCertificate)?;
        Ok(Self { facts, der, key })
    }

    /// Reads a certificate and a key in PEM that can sign for a server with these names.
    pub(super) fn read(
        certificate: &[u8],
        key: &[u8],
        names: &[ServerName<'static>],
    ) -> Result<Self, Unusable> {
        let Ok([der]) = <[_; 1]>::try_from(crypto::certificates(certificate)?) else {
            return Err(Unusable::NotCa);
        };
        let key = std::str::from_utf8(key).map_err(|_| Unusable::Key)?;
        let key = KeyPair::from_pem(key).map_err(|_| Unusable::Key)?;
        let (_, public) = x509::ca(&der).ok_or(Unusable::NotCa)?;
        if public != key.der_bytes() {
            return Err(Unusable::Mismatch);
        }
        let facts = x509::facts(&der).ok_or(Unusable::NotCa)?;
        let authority = Self { facts, der, key };
        // Errors in it surface where it is used.
        let now = facts.not_before + (facts.not_after - facts.not_before) / 2;
        authority
            .leaf(None, names, (now - 1, facts.not_after))
            .map_err(|error| Unusable::Names(error.to_string()))
            .and_then(|leaf| {
                let trusted = authority.trusts(&leaf.key.cert, now);
                trusted.map_err(|error| Unusable::Names(error.to_string()))
            })?;
        Ok(authority)
    }

    /// Certificate and key in PEM, as they are stored.
    pub(super) fn pem(&self) -> (String, String) {
        (pem(&self.der), self.key.serialize_pem())
    }

    /// A certificate for a server with these names, valid between these moments in seconds since
    /// 1970. With a predecessor, its clients accept the certificate too.
    pub(super) fn leaf(
        &self,
        predecessor: Option<&Self>,
        names: &[ServerName<'static>],
        (from, until): (i64, i64),
    ) -> Result<Certificate, rcgen::Error> {
        let until = until.min(self.facts.not_after);
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "multinic");
        for name in names {
            params.subject_alt_names.push(match name {
                ServerName::IpAddress(ip) => SanType::IpAddress(IpAddr::from(*ip)),
                other => SanType::DnsName(other.to_str().into_owned().try_into()?),
            });
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, from, until);
        let key = KeyPair::generate()?;
        let der = params.signed_by(&key, &self.issuer()?)?.der().clone();
        let mut chain = vec![der];
        if let Some(bridge) = predecessor.and_then(|one| self.bridge(one)) {
            chain.push(bridge);
        }
        let private = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let key = CertifiedKey::from_der(chain, private, &crypto::provider())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(Certificate {
            key: Arc::new(key),
            not_before: from,
            not_after: until,
            fault: None,
        })
    }

    /// Its certificate, signed by an earlier authority: a client that trusts only that one trusts
    /// this one too. `None` if it cannot be made, or if it would not be accepted.
    fn bridge(&self, predecessor: &Self) -> Option<CertificateDer<'static>> {
        let (name, _) = x509::ca(&self.der)?;
        let mut params = ca(&name, 0);
        let from = self.facts.not_before.max(predecessor.facts.not_before);
        let until = self.facts.not_after.min(predecessor.facts.not_after);
        valid(&mut params, from, until);
        let signed = params.signed_by(&self.key, &predecessor.issuer().ok()?);
        Some(signed.ok()?.der().clone())
    }

    /// Whether a client that knows only this authority trusts a server with this chain.
    pub(super) fn trusts(
        &self,
        chain: &[CertificateDer<'_>],
        now: i64,
    ) -> Result<(), crypto::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        crypto::verify(chain, &roots, now)
    }

    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_der(&self.der, &self.key)
    }
}

/// Never the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.facts;
        f.debug_struct("Authority")
            .field("facts", facts)
            .finish_non_exhaustive()
    }
}

/// A certificate in PEM. One way of writing it, so that the same certificates make the same bytes.
pub(super) fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn ca(name: &str, path_length: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// What an authority may sign for: this name and no other.
fn subtree(name: &ServerName<'_>) -> Option<GeneralSubtree> {
    Some(match name {
        ServerName::DnsName(name) => GeneralSubtree::DnsName(name.as_ref().to_owned()),
        ServerName::IpAddress(ip) => {
            let ip = IpAddr::from(*ip);
            let whole = if ip.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, whole))
        }
        _ => return None,
    })
}

/// Validity in seconds since 1970.
fn valid(params: &mut CertificateParams, from: i64, until: i64) {
    let time = |seconds: i64| {
        let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        (SystemTime::UNIX_EPOCH + since).into()
    };
    params.not_before = time(from);
    params.not_after = time(until);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn names(all: &[&str]) -> Vec<ServerName<'static>> {
        let name = |name: &&str| ServerName::try_from((*name).to_owned()).unwrap();
        all.iter().map(name).collect()
    }

    fn service() -> Vec<ServerName<'static>> {
        names(&[
            "multinic.system.svc",
            "multinic.system.svc.cluster.local",
            "127.0.0.1",
        ])
    }

    fn mint(names: &[ServerName<'static>], now: i64) -> Authority {
        Authority::mint(names, &Terms::new(0), now).unwrap()
    }

    fn leaf(by: &Authority, predecessor: Option<&Authority>) -> Vec<CertificateDer<'static>> {
        let leaf = by.leaf(predecessor, &service(), (NOW - BACKDATE, NOW + 1000));
        leaf.unwrap().key.cert.clone()
    }

    #[test]
    fn a_leaf_is_trusted_for_its_names_and_no_others() {
        let one = mint(&service(), NOW);
        let chain = leaf(&one, None);
        one.trusts(&chain, NOW).unwrap();
        for name in service() {
            crypto::names(&chain[0], &name).unwrap();
        }
        let other = names(&["other.system.svc"]);
        let error = crypto::names(&chain[0], &other[0]).unwrap_err();
        assert_eq!(error.to_string(), "is not valid for this name");
        assert!(mint(&service(), NOW).trusts(&chain, NOW).is_err());
        // Other clocks are a day behind.
        one.trusts(&chain, NOW - BACKDATE + 1).unwrap();
        let error = one.trusts(&chain, NOW + 1001).unwrap_err();
        assert_eq!(error.to_string(), "has expired");
        // An authority that leaks is of no use for other servers.
        let foreign = one.leaf(None, &other, (NOW - 1, NOW + 1)).unwrap();
        one.trusts(&foreign.key.cert, NOW).unwrap_err();
    }

    #[test]
    fn the_bridge_is_trusted_by_clients_of_both_authorities() {
        let (old, new) = (mint(&service(), NOW - 1000), mint(&service(), NOW));
        let chain = leaf(&new, Some(&old));
        assert_eq!(chain.len(), 2);
        old.trusts(&chain, NOW).unwrap();
        new.trusts(&chain, NOW).unwrap();
        old.trusts(&chain[..1], NOW).unwrap_err();
    }

    #[test]
    fn what_is_stored_is_read_again_and_garbage_is_not() {
        let one = mint(&service(), NOW);
        let (certificate, key) = one.pem();
        let read = |certificate: &str, key: &str, names: &[_]| {
            let read = Authority::read(certificate.as_bytes(), key.as_bytes(), names);
            read.map(|one| one.facts).map_err(|error| error.to_string())
        };
        assert_eq!(read(&certificate, &key, &service()), Ok(one.facts));
        let (other, other_key) = mint(&service(), NOW).pem();
        let leaf = one.leaf(None, &service(), (NOW - 1, NOW + 1)).unwrap();
        let leaf = pem(&leaf.key.cert[0]);
        for (certificate, key, why) in [
            (&*certificate, &*other_key, "does not belong"),
            (&*other, &*key, "does not belong"),
            (&*leaf, &*key, "not that of a CA"),
            ("", &*key, "no certificate"),
            ("garbage", &*key, "no certificate"),
            (&*certificate, "garbage", "not a private key"),
            (&*certificate, "", "not a private key"),
        ] {
            let error = read(certificate, key, &service()).unwrap_err();
            assert!(error.contains(why), "{error}");
            let secret = key.lines().nth(1).unwrap_or("no key");
            assert!(!error.contains(secret), "{error}");
        }
        let error = read(&certificate, &key, &names(&["other.system.svc"])).unwrap_err();
        assert!(
            error.starts_with("it cannot sign for this server"),
            "{error}"
        );
        assert!(!format!("{one:?}").contains("PRIVATE"));
    }
}
