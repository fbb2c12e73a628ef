//! The names that Kubernetes objects can have.

/// A DNS-1123 label of at most 63 bytes: the name of a namespace.
pub fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_unbounded_label(name)
}

/// A DNS-1123 subdomain of at most 253 bytes: the name of a NAD.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_unbounded_label)
}

fn is_unbounded_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    bytes.iter().all(inner)
        && bytes.first().is_some_and(|byte| *byte != b'-')
        && bytes.last().is_some_and(|byte| *byte != b'-')
}
