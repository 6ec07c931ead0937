//! The scenarios, by what goes wrong. Each does something, and says what is then true because of what it did.
mod auth;
mod cluster;
mod filter;
mod golang;
mod healthy;
mod jwt;
mod links;
mod nginx;
mod normal;
mod path;
mod protocol;
mod proxy;
mod refuse;
mod rust;
mod slow;
mod stale;
mod stop;
pub mod tls;

use super::Scenario;

/// All of them.
#[must_use]
pub fn all() -> Vec<&'static Scenario> {
    let lists = [
        normal::LIST,
        stop::LIST,
        slow::LIST,
        stale::LIST,
        refuse::LIST,
        filter::LIST,
        path::LIST,
        proxy::LIST,
        nginx::LIST,
        cluster::LIST,
        protocol::LIST,
        auth::LIST,
        jwt::LIST,
        healthy::LIST,
        golang::LIST,
        rust::LIST,
        tls::LIST,
        links::LIST,
    ];
    lists.into_iter().flatten().collect()
}
