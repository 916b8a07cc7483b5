//! What listens: the card listener, the gateways' interface, the status page.

pub mod gateways;
pub mod grpc;
