//! Patterns of paths on the nodes.

use super::pattern::matches;
use crate::node_path::normalize;

/// An absolute path, in which `*` may stand for a part of a folder's or a file's name and `**` at
/// the end for the folder itself and everything below it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathPattern(Box<str>);

impl PathPattern {
    /// Reads a pattern; `None` if it is not valid.
    pub fn new(text: &str) -> Option<Self> {
        let normal = normalize(text).ok()?;
        let ends = normal.strip_suffix("/**").unwrap_or(&normal);
        let is_pattern = !ends.contains("**") && !normal.contains(char::is_control);
        is_pattern.then(|| Self(normal.as_ref().into()))
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a path that [`normalize`] returned matches.
    pub fn matches(&self, path: &str) -> bool {
        let (pattern, has_subfolders) = match self.0.strip_suffix("/**") {
            Some(folder) => (folder, true),
            None => (&*self.0, false),
        };
        let mut names = path.split('/');
        for pattern in pattern.split('/') {
            if !names.next().is_some_and(|name| matches(pattern, name)) {
                return false;
            }
        }
        has_subfolders || names.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_paths() {
        for (pattern, path, wanted) in [
            ("/var/lib/cni/**", "/var/lib/cni", true),
            ("/var/lib/cni/**", "/var/lib/cni/a/b", true),
            ("/var/lib/cni/**", "/var/lib/cnix", false),
            ("/var/lib/cni/**", "/var/lib", false),
            ("/var/log/*.log", "/var/log/a.log", true),
            ("/var/log/*.log", "/var/log/a/b.log", false),
            ("/var/log/*.log", "/var/log/a.txt", false),
            ("/etc/resolv.conf", "/etc/resolv.conf", true),
            ("/etc/resolv.conf", "/etc/resolv.conf/x", false),
            ("/**", "/anything", true),
            ("/run/*/x/**", "/run/a/x/y", true),
        ] {
            let pattern = PathPattern::new(pattern).unwrap();
            assert_eq!(pattern.matches(path), wanted, "{} {path}", pattern.as_str());
        }
        for text in ["", "etc", "/a/**/b", "/a**", "/a/../b", "/a\n"] {
            assert_eq!(PathPattern::new(text), None, "{text}");
        }
    }
}
