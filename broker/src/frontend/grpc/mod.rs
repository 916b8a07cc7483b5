//! The gateways' interface, `kerbridge.v1.Gateway`, as defined in `broker/proto/kerbridge/v1/gateway.proto`.

pub mod v1;

/// The gateway behind a connection: the configured name that its client certificate stands for.
///
/// The listener puts it into every request's extensions; a certificate that stands for no gateway never gets that far.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewayIdentity(pub String);
