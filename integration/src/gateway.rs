//! A gateway of the lab: it redeems codes at the broker with the example program of `deploy/gateway/`, and opens
//! sessions on desktop hosts with the tickets it got. It knows no domain controller and holds no key of the domain.
//!
//! - [`redeem`] is its conversation with the broker;
//! - [`presentation`] is how it presents certificates of its own clients;
//! - [`contexts`] are conversations with services in which the broker plays the initiator;
//! - [`held`] are sessions that stay open while a test changes the world around them;
//! - [`clients`] are the programs a person's session needs: ssh, curl, a VNC and an RDP client, klist.

pub mod clients;
pub mod contexts;
pub mod held;
pub mod presentation;
pub mod redeem;

use std::net::Ipv4Addr;

use crate::container::{Container, ContainerError, ContainerSpec, ImageSource};
use crate::lab::Lab;
use crate::pki::PkiError;
use crate::process::Finished;

const INTERFACE: &str = include_str!("../../broker/proto/kerbridge/v1/gateway.proto");
const REDEEM: &str = include_str!("../../deploy/gateway/redeem.py");
const PRESENT: &str = include_str!("../../deploy/gateway/present.py");
const SECURITY_CONTEXT: &str = include_str!("../../deploy/gateway/security_context.py");
const GENERATE_STUBS: &str = include_str!("../../deploy/gateway/generate-stubs");

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    container: Container,
}

/// Why something did not work at a gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The engine could not run the container or the command.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Its certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A client was not let in, or could not work with its ticket.
    #[error("{client} failed with {code:?}: {output}")]
    Client {
        /// The client's name.
        client: &'static str,
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// What it wrote, the last lines.
        output: String,
    },
    /// The broker refused.
    #[error("the broker refused at step {step} with {reason}: {message}")]
    Refused {
        /// The stable code, upper case.
        reason: String,
        /// The step that refused.
        step: String,
        /// The words for a person.
        message: String,
        /// What an administrator can mend: the cause's identifier and the advice.
        causes: Vec<(String, String)>,
    },
    /// No answer of the broker came.
    #[error("the broker did not answer: {message}")]
    Unreachable {
        /// What gRPC says.
        message: String,
    },
    /// A program's output is not of the form it should have.
    #[error("{client} answered something else: {output}")]
    Answer {
        /// The program's name.
        client: &'static str,
        /// What it wrote.
        output: String,
    },
}

impl Gateway {
    /// Starts a gateway of a short name, such as `gw1`, that knows the hosts given by their names. Its certificate is for
    /// that name in the lab's domain.
    ///
    /// # Errors
    /// Where the container cannot be started or the interface's modules cannot be made.
    pub fn start(lab: &Lab, name: &str, hosts: &[(&str, Ipv4Addr)]) -> Result<Self, GatewayError> {
        let image = ImageSource::named("gateway").build()?;
        let full_name = format!("{name}.{}", lab.controller().domain().dns_name());
        let own = lab.pki().gateway(&full_name)?;
        let spec = ContainerSpec::new(name, &image, lab.network(), lab.network().next_address());
        let container = hosts
            .iter()
            .fold(spec, |spec, (host, address)| spec.host(host, *address))
            .hostname(&full_name)
            .file("/opt/kerbridge/proto/kerbridge/v1/gateway.proto", INTERFACE, 0o644)
            .file("/opt/kerbridge/redeem.py", REDEEM, 0o755)
            .file("/opt/kerbridge/present.py", PRESENT, 0o755)
            .file("/opt/kerbridge/security_context.py", SECURITY_CONTEXT, 0o755)
            .file("/opt/kerbridge/generate-stubs", GENERATE_STUBS, 0o755)
            .file("/opt/kerbridge/ca.pem", lab.pki().machine_root_pem(), 0o644)
            .file("/opt/kerbridge/gateway.pem", own.chain_pem(), 0o644)
            .file("/opt/kerbridge/gateway.key", own.key_pem(), 0o600)
            .start()?;
        container.run(&["/opt/kerbridge/generate-stubs", "/opt/kerbridge/proto", redeem::STUBS])?;
        Ok(Self { container })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.container.address()
    }

    /// The container it runs in.
    #[must_use]
    pub fn container(&self) -> &Container {
        &self.container
    }
}

impl GatewayError {
    /// The stable code of a refusal of the broker.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The error of a client that ended with another code than 0.
    fn client(client: &'static str, finished: &Finished) -> Self {
        let both = finished.text() + &finished.error_text();
        let lines: Vec<&str> = both.trim().lines().collect();
        let tail = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default();
        Self::Client { client, code: finished.code, output: tail.join("\n") }
    }
}
