//! What a configuration uses of the node, beyond the Pod: for the rules to compare with what the
//! administrator allows.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::fault::Inside;

/// A use of the node, with its place in the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeUse {
    /// The place.
    pub at: Inside,
    /// What is used.
    pub used: Used,
}

/// Something of the node that a plugin uses as root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Used {
    /// A store of addresses: two networks with the same number share one store.
    AddressStore(u64),
    /// A port of the node, which leads to the Pod from then on.
    HostPort(i64),
    /// The link of this name; `None` for the one of the default route, if none is named.
    Interface(Option<Box<str>>),
    /// A file or folder, as the configuration writes its path.
    Path {
        /// How it is opened.
        access: Access,
        /// Its path.
        path: Box<str>,
    },
}

/// How a file or folder is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// It is read.
    Read,
    /// Files are created in the folder that is joined with the name of the network.
    Store,
    /// By a plugin that is not known here.
    Unknown,
    /// It is created, written or appended to; a folder, or files in it, alike.
    Write,
}

impl Used {
    /// A link of the node.
    pub(super) fn interface(name: &str) -> Self {
        Self::Interface(Some(name.into()))
    }

    /// A file or folder.
    pub(super) fn path(access: Access, path: &str) -> Self {
        Self::Path {
            access,
            path: path.into(),
        }
    }

    /// A store: the name of the plugin, and the parts of the name of the store.
    pub(super) fn store(of: impl Hash) -> Self {
        // Without a key, so that equal ones have the same number in every process.
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        Self::AddressStore(hasher.finish())
    }
}
