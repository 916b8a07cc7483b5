//! The service kerbridge: from a smart card's certificate to a delegated Kerberos session.
//!
//! A person puts in a card; a remote desktop opens. This crate is the service in between, and this page is its
//! architecture, to be read before the code.
//!
//! # The line
//!
//! ```text
//!  a card's TLS connection                                       a gateway's gRPC call
//!        |                                                              |
//!  frontend::listener, frontend::web                      frontend::admission, frontend::grpc
//!        |                                                              |
//!        v                                                              v
//!  PeerCertificates -> ValidatedIdentity -> DirectoryAccount -> Grant -> DelegatedTicket -> Handoff
//!             validate             resolve           decide       issue            hand_off / redeem
//!             identity            directory          policy      tickets               handoff
//! ```
//!
//! [`pipeline`] is the file to read first: five calls, in this order. Each type has a private constructor in the step that
//! earns it, so that a step cannot be left out without a compile error.
//!
//! # Who may import whom
//!
//! ```text
//! main -> command -> service -> app -> frontend -> pipeline -> handoff -> tickets -> policy -> directory -> identity
//!                       \-> reload -> config                (a step may import what stands right of it here)
//! ```
//!
//! - **A step never imports** [`config`] or [`frontend`]. It defines its own `Settings` and errors; `config` fills the ones,
//!   [`error`] turns the others into refusals.
//! - **`tickets/subject.rs` alone** makes a Kerberos principal of a directory's account.
//! - The protocols are in two libraries that know neither each other nor this crate: `ldap_map` (certificate facts to one
//!   account) and `kdc_proxy` (the Kerberos client).
//!
//! # Rules that hold everywhere
//!
//! - **Time and randomness are arguments.** [`clock`] and [`entropy`] are the only places that make them.
//! - **Refuse, never guess.** What is ambiguous, unparsable or unknown is a typed refusal. Defaults fail closed.
//! - **Errors by blame.** Small enums per step; [`error::Refusal`] and its one table give each the stable code, the status on
//!   HTTP and gRPC, the words a person reads, and the detail an administrator reads in the log.
//! - **Secrets** live in types that wipe themselves and print only their kind. No message, ticket or configuration is
//!   logged whole.
//! - **A decision is a value**: a [`policy::Grant`] names its rule and carries its limits.
//!
//! # The life of a login
//!
//! 1. [`frontend::listener`] accepts within its limits and makes the TLS handshake in a task of the connection's own.
//!    Nothing is resumed. The handshake proves possession of the certificate's key and judges nothing more
//!    ([why](manual::decisions::d0005_trust_after_the_handshake)).
//! 2. [`frontend::web`] reads the one request there is, gives the login its identifier, and sets its deadline.
//! 3. [`pipeline::Line::login`] takes it through the steps. Each step that held is in the log with what it established
//!    and how long it took, under the login's identifier.
//! 4. The answer is a one-time code. The gateway redeems it over its own mutually authenticated connection
//!    ([`frontend::admission`] knows which gateway that is) and asks for the credentials its desktop needs.
//! 5. [`recheck`] judges the card's certificates again while the session lives, and ends it where they no longer hold.
//!
//! # The life of the process
//!
//! [`config::Config::load`] reads the file and builds every part that needs no socket, so that `kerbridge validate` finds all
//! that a start would. [`app::App`] opens the listeners and wires the parts; [`service`] handles signals and speaks to
//! systemd; [`reload`] reads everything again. [`health`] asks the directory and the KDC whether they work, and tells the
//! status page and `grpc.health.v1`; [`metrics`] is what it counts. A service whose domain is down starts, says so, and is ready when it comes back.
//!
//! # Further reading
//!
//! [`manual`]: the [threat model](manual::threat_model), the [known attacks](manual::known_attacks) with the tests that try
//! them, [revocation](manual::revocation) for the operator, the
//! [errors an administrator can act on](manual::administrator_errors), the [figures of validation](manual::figures), and the
//! [decisions](manual::decisions).

// In path order.
pub mod app;
pub mod clock;
pub mod command;
pub mod config;
pub mod controllers;
pub mod directory;
pub mod entropy;
pub mod error;
pub mod exit;
pub mod frontend;
pub mod handoff;
pub mod health;
pub mod identity;
pub mod logging;
pub mod manual;
pub mod metrics;
pub mod pipeline;
pub mod policy;
pub mod recheck;
pub mod reload;
pub mod rotation;
pub mod service;
pub mod tickets;
