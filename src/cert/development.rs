//! A CA and a certificate for a server that runs on a developer's machine.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::{Certificate, Error, fault, now};
use crate::crypto;

/// File of the CA's certificate in the folder.
pub const CA: &str = "ca.crt";
/// File of the server's certificate in the folder.
pub const CERT: &str = "tls.crt";
/// File of the server's key in the folder.
pub const KEY: &str = "tls.key";

/// File of the CA's key in the folder.
pub const CA_KEY: &str = "ca.key";
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const DAY: i64 = 24 * 3600;
/// A certificate with less than this left, in seconds, is made anew.
const LEFT: i64 = 7 * DAY;

/// Makes what the folder lacks: a CA, and a certificate for this machine that the CA signed. What
/// is there and lasts is kept. Whether something was made.
///
/// # Errors
/// Where the folder cannot be written, or holds a certificate and not the CA's key: then somebody
/// else made it, and it is not overwritten.
pub fn ensure(folder: &Path) -> Result<bool, Error> {
    let load = |cert: &str, key: &str| {
        let certificate = Certificate::read(&folder.join(cert), &folder.join(key));
        certificate.ok().filter(lasts)
    };
    let ca = load(CA, CA_KEY);
    if let (Some(ca), Some(leaf)) = (&ca, load(CERT, KEY))
        && signed(&ca.key.cert, &leaf.key.cert)
    {
        return Ok(false);
    }
    let there = |name: &&str| folder.join(name).exists();
    if !there(&CA_KEY) && [CA, CERT, KEY].iter().any(there) {
        return Err(Error::Foreign(folder.display().to_string()));
    }
    fs::create_dir_all(folder).map_err(|error| fault(folder, error.to_string()))?;
    let leaf_ends = now() + 90 * DAY;
    let (issuer, ends) = match ca {
        // The same name and key make the same issuer: its certificate need not be parsed.
        Some(ca) => {
            let key = super::read(&folder.join(CA_KEY))?;
            let key = KeyPair::from_pem(&String::from_utf8_lossy(&key))?;
            (Issuer::new(ca_params()?, key), ca.not_after.min(leaf_ends))
        }
        None => (make_ca(folder)?, leaf_ends),
    };
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params
        .distinguished_name
        .push(DnType::CommonName, "multinic");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    valid_until(&mut params, ends);
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, &issuer)?;
    write(&folder.join(KEY), &key.serialize_pem(), 0o600)?;
    write(&folder.join(CERT), &cert.pem(), 0o644)?;
    Ok(true)
}

/// Whether a certificate is far enough from its end to be kept.
pub(super) fn lasts(certificate: &Certificate) -> bool {
    certificate.not_after - now() > LEFT
}

/// Whether the CA signed the certificate, both as they are now.
fn signed(ca: &[CertificateDer<'static>], leaf: &[CertificateDer<'static>]) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(ca.iter().cloned());
    crypto::verify(leaf, &roots, now()).is_ok()
}

fn ca_params() -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "multinic development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_until(&mut params, now() + 365 * DAY);
    Ok(params)
}

fn make_ca(folder: &Path) -> Result<Issuer<'static, KeyPair>, Error> {
    let params = ca_params()?;
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    write(&folder.join(CA_KEY), &key.serialize_pem(), 0o600)?;
    write(&folder.join(CA), &cert.pem(), 0o644)?;
    Ok(Issuer::new(params, key))
}

/// From an hour ago, for clocks differ, until then, in seconds since 1970.
fn valid_until(params: &mut CertificateParams, ends: i64) {
    params.not_before = (SystemTime::now() - Duration::from_hours(1)).into();
    let ends = Duration::from_secs(ends.unsigned_abs());
    params.not_after = (SystemTime::UNIX_EPOCH + ends).into();
}

/// Writes beside and renames, so that a reader never sees half a file, and the mode is right from
/// the first byte on.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|error| fault(path, error.to_string()))
}
