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

use super::{Certificate, Error, fault, now, read};

/// File of the CA's certificate in the folder.
pub const CA: &str = "ca.crt";
/// File of the server's certificate in the folder.
pub const CERT: &str = "tls.crt";
/// File of the server's key in the folder.
pub const KEY: &str = "tls.key";

const CA_KEY: &str = "ca.key";
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const DAY: u64 = 24 * 3600;
/// A certificate with less than this left, in seconds, is made anew.
const LEFT: i64 = 7 * 24 * 3600;

/// Makes what the folder lacks: a CA, and a certificate for this machine that the CA signed. What
/// is there and still valid is kept. Whether something was made.
///
/// # Errors
/// Where the folder cannot be written.
pub fn ensure(folder: &Path) -> Result<bool, Error> {
    let lasts = |cert: &str, key: &str| {
        let pair = (
            read(&folder.join(cert)).ok()?,
            read(&folder.join(key)).ok()?,
        );
        let certificate = Certificate::read(&pair.0, &pair.1).ok()?;
        (certificate.not_after - now() > LEFT).then_some(pair)
    };
    let ca = lasts(CA, CA_KEY);
    if ca.is_some() && lasts(CERT, KEY).is_some() {
        return Ok(false);
    }
    fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    let issuer = match ca {
        // The same name and key make the same issuer: its certificate need not be parsed.
        Some((_, key)) => {
            let key = KeyPair::from_pem(&String::from_utf8_lossy(&key))?;
            Issuer::new(ca_params()?, key)
        }
        None => make_ca(folder)?,
    };
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params
        .distinguished_name
        .push(DnType::CommonName, "multinic");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    valid_for(&mut params, 90);
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, &issuer)?;
    write(&folder.join(KEY), &key.serialize_pem(), 0o600)?;
    write(&folder.join(CERT), &cert.pem(), 0o644)?;
    Ok(true)
}

fn ca_params() -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "multinic development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, 365);
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

/// From an hour ago: clocks differ.
fn valid_for(params: &mut CertificateParams, days: u64) {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + Duration::from_secs(days * DAY)).into();
}

/// Writes beside and renames, so that nobody reads half a file, and the mode is right from the first
/// byte on.
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
        .map_err(|error| fault(path, &error))
}
