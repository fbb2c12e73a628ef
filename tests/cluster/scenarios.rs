//! What is proven, in the order in which it is run.

mod audit;
mod backstop;
mod carriers;
mod certificates;
mod chart;
mod dead;
mod disruption;
mod doctor;
mod isolation;
mod neighbours;
mod networks;
mod others;
mod pages;
mod placement;
mod release;
mod setup;
mod tools;
mod upgrades;
mod walk;
mod why;
mod workloads;

pub(crate) use networks::api_client;

use crate::Scenario;

pub(crate) fn all() -> Vec<Scenario> {
    let certificates = certificates::all();
    [
        setup::ALL,
        walk::ALL,
        isolation::ALL,
        placement::ALL,
        others::ALL,
        workloads::ALL,
        carriers::ALL,
        pages::ALL,
        networks::ALL,
        upgrades::ALL,
        why::ALL,
        &certificates,
        // From here on the cluster is broken, and put right again.
        dead::ALL,
        neighbours::LAST,
        networks::LAST,
        upgrades::LAST,
        doctor::LAST,
        audit::LAST,
        why::LAST,
        backstop::LAST,
        chart::LAST,
        release::LAST,
        disruption::LAST,
    ]
    .concat()
}
