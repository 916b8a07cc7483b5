//! Sockets, the system's clock and its randomness: everything of this crate that does I/O. Behind the feature `net`.

pub mod client;
mod kdc_list;
pub mod kkdcp;
pub mod locate;
pub mod relay;
mod system;
mod tcp;
pub mod transport;
