//! What is proven, in the order in which it is run.

mod disruption;
mod installation;
mod mistakes;
mod shapes;

use crate::Scenario;

pub(crate) fn all() -> Vec<Scenario> {
    [
        // Before multinic is installed.
        mistakes::BEFORE,
        installation::ALL,
        mistakes::AFTER,
        shapes::ALL,
        disruption::ALL,
        installation::LAST,
    ]
    .concat()
}
