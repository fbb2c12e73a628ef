//! Which Pods use which networks, if the Pods are watched.

use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeSetSync};

use crate::view::networks::Networks;

/// The Pods that use a network, as `namespace/name`, in the order of their names.
pub type Users = RedBlackTreeSetSync<Arc<str>>;

/// A network, as namespace and name.
pub type Name = (Arc<str>, Arc<str>);

/// The networks that Pods use at one moment.
///
/// Nested maps that share what did not change, like [`crate::network::Snapshot`]: adding or
/// removing a Pod costs the depth of a few tries.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    namespaces: HashTrieMapSync<Arc<str>, HashTrieMapSync<Arc<str>, Users>>,
    together: HashTrieMapSync<Arc<[Name]>, usize>,
}

impl Usage {
    /// The Pods that use the network `namespace`/`name`; `None` if there is none.
    pub fn users(&self, namespace: &str, name: &str) -> Option<&Users> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// Lists of networks that are used together, with the number of Pods that use exactly these.
    pub fn together(&self) -> impl Iterator<Item = (&[Name], usize)> {
        self.together.iter().map(|(names, pods)| (&**names, *pods))
    }

    /// Notes that the Pod `namespace/name` uses some networks, at least one, and returns them as
    /// they are stored here.
    pub fn insert(&mut self, pod: &Arc<str>, networks: &[(String, String)]) -> Arc<[Name]> {
        let names = networks.iter();
        let names: Arc<[Name]> = names
            .map(|(namespace, name)| self.insert_one(namespace, name, pod))
            .collect();
        let (names, count) = match self.together.get_key_value(&*names) {
            Some((known, count)) => (Arc::clone(known), count + 1),
            None => (names, 1),
        };
        self.together.insert_mut(Arc::clone(&names), count);
        names
    }

    /// Notes that a Pod no longer uses the networks that [`Self::insert`] returned.
    pub fn remove(&mut self, pod: &str, networks: &Arc<[Name]>) {
        for (namespace, name) in &**networks {
            self.remove_one(namespace, name, pod);
        }
        match self.together.get(&**networks).copied() {
            Some(count @ 2..) => self.together.insert_mut(Arc::clone(networks), count - 1),
            _ => {
                self.together.remove_mut(&**networks);
            }
        }
    }

    fn insert_one(&mut self, namespace: &str, name: &str, pod: &Arc<str>) -> Name {
        let known = self.namespaces.get_key_value(namespace);
        let (namespace, mut names) = match known {
            Some((namespace, names)) => (Arc::clone(namespace), names.clone()),
            None => (namespace.into(), HashTrieMapSync::default()),
        };
        let (name, mut users) = match names.get_key_value(name) {
            Some((name, users)) => (Arc::clone(name), users.clone()),
            None => (name.into(), Users::default()),
        };
        users.insert_mut(Arc::clone(pod));
        names.insert_mut(Arc::clone(&name), users);
        self.namespaces.insert_mut(Arc::clone(&namespace), names);
        (namespace, name)
    }

    fn remove_one(&mut self, namespace: &Arc<str>, name: &Arc<str>, pod: &str) {
        let Some(mut names) = self.namespaces.get(namespace).cloned() else {
            return;
        };
        let Some(mut users) = names.get(name).cloned() else {
            return;
        };
        users.remove_mut(pod);
        if users.is_empty() {
            names.remove_mut(name);
        } else {
            names.insert_mut(Arc::clone(name), users);
        }
        if names.is_empty() {
            self.namespaces.remove_mut(namespace);
        } else {
            self.namespaces.insert_mut(Arc::clone(namespace), names);
        }
    }
}

/// The networks, as namespace and name, that a Pod of the namespace `own` requests with its two
/// annotations, each once. `home` is the namespace in which Multus looks up a default network that
/// names none.
pub fn asked(
    networks: Option<&str>,
    default_network: Option<&str>,
    own: &str,
    home: &str,
) -> Vec<(String, String)> {
    let read = |text: Option<&str>, namespace| {
        let networks = text.map(|text| Networks::parse(text, namespace));
        networks.unwrap_or_default().selections
    };
    let all = read(networks.filter(|text| !text.is_empty()), own)
        .into_iter()
        .chain(read(default_network, home));
    let mut asked: Vec<_> = all
        .map(|selection| (selection.namespace, selection.name))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(usage: &Usage, namespace: &str, name: &str) -> Vec<String> {
        let users = usage.users(namespace, name).into_iter().flatten();
        users.map(ToString::to_string).collect()
    }

    #[test]
    fn pods_come_and_go() {
        let pair = |name: &str| ("default".to_owned(), name.to_owned());
        let mut usage = Usage::default();
        let [one, two, three] = ["a/1", "a/2", "b/1"].map(Arc::from);
        let both = usage.insert(&two, &[pair("net"), pair("other")]);
        let net = usage.insert(&one, &[pair("net")]);
        assert!(Arc::ptr_eq(&net, &usage.insert(&three, &[pair("net")])));
        let before = usage.clone();
        usage.remove("a/2", &both);
        assert_eq!(users(&usage, "default", "net"), ["a/1", "b/1"]);
        assert!(users(&usage, "default", "other").is_empty());
        assert_eq!(users(&before, "default", "net"), ["a/1", "a/2", "b/1"]);
        let counts = |usage: &Usage| -> usize { usage.together().map(|(_, pods)| pods).sum() };
        assert_eq!((counts(&before), counts(&usage)), (3, 2));
        usage.remove("a/1", &net);
        usage.remove("b/1", &net);
        assert!(usage.users("default", "net").is_none());
        assert!(usage.namespaces.is_empty() && usage.together.is_empty());
    }

    #[test]
    fn a_pod_requests_each_network_once() {
        let pair = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        assert_eq!(
            asked(Some("b,a/b,b"), Some("c"), "own", "home"),
            [pair("a", "b"), pair("home", "c"), pair("own", "b")]
        );
        assert_eq!(asked(Some(""), None, "own", "home"), []);
        assert_eq!(asked(Some("[{"), Some(""), "own", "home"), []);
    }
}
