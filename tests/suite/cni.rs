//! What `cni` makes of configurations, against what the real programs said.

mod corpus;
mod kernel;
mod laws;
mod routes;
