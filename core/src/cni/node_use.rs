//! What a configuration uses of the node, beyond the Pod: for the rules to compare with what the
//! administrator allows.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::fault::Inside;

/// Something of the node, and where the configuration asks for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeUse {
    /// Where.
    pub at: Inside,
    /// What.
    pub used: Used,
}

/// Something of the node that a plugin uses as root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Used {
    /// Where addresses are kept: two networks with the same number share one store.
    AddressStore(u64),
    /// A port of the node, which leads to the Pod from then on.
    HostPort(i64),
    /// A link of this name; `None` if none is named, and the one of the default route is meant.
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

    /// A store: the name of the plugin, and what it makes the name of the store of.
    pub(super) fn store(of: impl Hash) -> Self {
        // Without a key, so that equal ones have the same number in every process.
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        Self::AddressStore(hasher.finish())
    }
}
