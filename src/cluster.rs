//! Where the networks of a cluster come from: the API server, or the files of a folder.

pub mod folder;
pub mod lookup;
mod object;
pub mod usage;
pub mod watch;
