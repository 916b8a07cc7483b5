//! The keys whose values are words of a closed list.

use toml::de::DeValue;
use tracing::Level;

use crate::{
    config::{document::Value, problem::Fault, value::choice},
    frontend::tls::Version,
    logging::Format,
};

impl Value for Version {
    const EXAMPLE: &'static str = "\"1.2\", \"1.3\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["1.2", "1.3"], &[Self::Tls12, Self::Tls13])
    }
}

/// Whether the clients of the KDC proxy are asked for certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum ClientCertificates {
    None,
    Optional,
    Required,
}

impl Value for ClientCertificates {
    const EXAMPLE: &'static str = "\"none\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["none", "optional", "required"], &[Self::None, Self::Optional, Self::Required])
    }
}

/// How many of the configured policies a card's path must be valid for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum PolicyMatch {
    Any,
    All,
}

impl Value for PolicyMatch {
    const EXAMPLE: &'static str = "\"any\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["any", "all"], &[Self::Any, Self::All])
    }
}

impl Value for Format {
    const EXAMPLE: &'static str = "\"json\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["text", "json"], &[Self::Text, Self::Json])
    }
}

impl Value for Level {
    const EXAMPLE: &'static str = "\"info\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let levels = [Self::ERROR, Self::WARN, Self::INFO, Self::DEBUG, Self::TRACE];
        choice(value, &["error", "warn", "info", "debug", "trace"], &levels)
    }
}
