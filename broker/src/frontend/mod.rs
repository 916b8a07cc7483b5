//! What listens: the card listener, the gateways' interface, the status page.

pub mod gateways;
pub mod grpc;
pub mod listener;
mod problem;
mod shed;
pub mod status;
pub mod tls;
pub mod web;
