//! The networks of a cluster: from its API server, or from the files of a folder.

pub mod folder;
mod contact;
pub mod lookup;
mod object;
pub mod usage;
pub mod watch;
