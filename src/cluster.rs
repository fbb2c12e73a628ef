//! The networks of a cluster: from its API server, or from the files of a folder.

pub mod connect;
pub mod folder;
mod contact;
pub mod lookup;
pub mod inventory;
mod object;
pub mod reader;
pub mod usage;
pub mod watch;
