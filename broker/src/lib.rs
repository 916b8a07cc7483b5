//! The service kerbridge: from a smart card's certificate to a delegated Kerberos session.

// In path order.
pub mod app;
pub mod clock;
pub mod config;
pub mod directory;
pub mod entropy;
pub mod error;
pub mod exit;
pub mod frontend;
pub mod handoff;
pub mod health;
pub mod identity;
pub mod logging;
pub mod pipeline;
pub mod policy;
pub mod reload;
pub mod service;
pub mod tickets;
