//! What listens: the card listener, the gateways' interface, the status page.

pub mod admission;
pub mod gateways;
pub mod grpc;
pub mod kkdcp;
pub mod listener;
mod problem;
mod room;
mod shed;
pub mod status;
pub mod terminators;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod web;
