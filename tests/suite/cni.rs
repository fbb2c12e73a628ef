//! What `cni` makes of configurations, against what the real programs said.

mod corpus;
mod laws;
mod routes;
