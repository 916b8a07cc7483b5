//! Where a login comes from: how its certificate reached us, and who holds the card.

use std::fmt;
use std::net::IpAddr;

/// How the card's certificate reached us, and what proves that its bearer holds the key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Channel {
    /// The card's own TLS handshake with us.
    CardListener,
    /// A header of a configured TLS terminator, with which the card made its handshake.
    Terminator,
    /// A gateway presented it, and the card signed our challenge.
    GatewayWithProof,
    /// A gateway presented it, and its word alone stands for the card.
    GatewayWithoutProof,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::CardListener, Self::Terminator, Self::GatewayWithProof, Self::GatewayWithoutProof];

    /// The stable word in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CardListener => "card_listener",
            Self::Terminator => "terminator",
            Self::GatewayWithProof => "gateway_with_proof",
            Self::GatewayWithoutProof => "gateway_without_proof",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The channel of a login, and the client's address as far as it is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The channel.
    pub channel: Channel,
    /// The address of the person's client: of its connection with us, or by the word of the terminator or gateway it is
    /// connected with. `None` where a terminator does not say.
    pub client_address: Option<IpAddr>,
}

impl Origin {
    /// The origin of a login whose client is connected with us.
    #[must_use]
    pub const fn direct(client_address: IpAddr) -> Self {
        Self { channel: Channel::CardListener, client_address: Some(client_address) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.client_address {
            Some(address) => write!(f, "{address} by {}", self.channel),
            None => write!(f, "an unknown address by {}", self.channel),
        }
    }
}
