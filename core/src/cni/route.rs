//! A route that an IPAM plugin adds to an interface.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::json::Value;

/// One route (`cni/pkg/types/types.go`, `Route`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'d> {
    /// The destination.
    pub(super) dst: IpNet,
    /// The gateway; that of the address if there is none.
    pub(super) gw: Option<IpAddr>,
    /// The metric, 0 if none is given.
    pub(super) priority: i64,
    /// The routing table, 254 (main) if none is given.
    pub(super) table: i64,
    /// 0 (universe) if none is given; 253 is "on this link".
    pub(super) scope: u8,
    /// The value that requests the route.
    pub(super) at: Value<'d>,
    /// The value of the gateway, if it is written.
    pub(super) gw_at: Option<Value<'d>>,
}

/// `RT_SCOPE_LINK`: hosts on the link itself.
pub(super) const LINK: u8 = 253;

/// The number of the main table.
pub(super) const MAIN: i64 = 254;
