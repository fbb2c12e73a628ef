//! Paths on the nodes.

use std::borrow::Cow;

/// Why a path is not compared with patterns: it is not known where it leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PathFault {
    /// It contains `..`.
    Parent,
    /// It is relative to the folder in which the plugin happens to run.
    Relative,
}

/// Returns a path without `.`, repeated slashes and a slash at its end; `/var/run` becomes `/run`,
/// to which it is a link on every node that follows the Filesystem Hierarchy Standard (3.0, section
/// 5.13).
///
/// # Errors
/// If it is not known where the path leads.
pub fn normalize(path: &str) -> Result<Cow<'_, str>, PathFault> {
    let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
    if names.clone().any(|name| name == "..") {
        return Err(PathFault::Parent);
    }
    if !path.starts_with('/') {
        return Err(PathFault::Relative);
    }
    let mut normal = String::with_capacity(path.len());
    for name in names {
        normal.push('/');
        normal.push_str(name);
    }
    if let Some(rest) = normal.strip_prefix("/var/run")
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return Ok(Cow::Owned(format!("/run{rest}")));
    }
    Ok(if normal == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(normal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalized() {
        for (path, wanted) in [
            ("/a/b", Ok("/a/b")),
            ("//a/./b/", Ok("/a/b")),
            ("/", Ok("")),
            ("/var/run/cni", Ok("/run/cni")),
            ("/var/run", Ok("/run")),
            ("/var/runny", Ok("/var/runny")),
            ("/./var//run/x", Ok("/run/x")),
            ("a/b", Err(PathFault::Relative)),
            ("", Err(PathFault::Relative)),
            ("/a/../b", Err(PathFault::Parent)),
            ("/a/..", Err(PathFault::Parent)),
            ("/a/..b", Ok("/a/..b")),
        ] {
            assert_eq!(
                normalize(path).as_deref(),
                wanted.as_ref().copied(),
                "{path}"
            );
        }
    }
}
