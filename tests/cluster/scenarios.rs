//! What is proven, in the order in which it is run.

mod dead;

use crate::Scenario;

pub(crate) fn all() -> Vec<Scenario> {
    [dead::ALL].concat()
}
