//! The directory over the network: sockets, TLS, clocks. Nothing outside imports anything from here.

pub mod bind;
pub mod directory;
pub mod error;
pub mod locate;
pub mod published;
pub mod server;

mod clock;
mod group_names;
mod ldap;
mod pool;
mod server_list;
mod servers;
mod tls;

#[cfg(test)]
mod tests;
