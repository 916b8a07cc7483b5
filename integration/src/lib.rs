//! The lab: a real Samba AD, a test PKI, real clients and backends, and the end-to-end tests.
//!
//! Everything runs in containers of one [`container::Run`]: it has a name and a subnet of its own, so that two runs
//! at once do not meet, and all that it started is removed when its process ends, however it ends.
//!
//! The modules, from the ground up:
//!
//! - [`process`] runs a command with a deadline, [`wait`] waits for a condition with one;
//! - [`container`] has the engine (Podman or Docker), images cached by their content, networks and containers;
//! - [`pki`] makes authorities, servers' certificates, and cards right and wrong;
//! - [`samba_ad`] describes a domain and starts its controller;
//! - [`lab`] puts these together;
//! - [`mit_kdc`] is a KDC of another make, [`kdcproxy`] a KDC proxy of another make;
//! - [`desktop`] is a host with sshd, Apache, VNC and RDP that take Kerberos tickets, [`gateway`] opens them with what
//!   the broker handed out;
//! - [`broker_process`] runs the broker itself, [`card`] is a person's workstation that logs in there;
//! - [`ocsp`] has a responder, and servers that fail to be one;
//! - [`publication`] is where authorities publish: a web server and a directory;
//! - [`forwarder`] stands before a server and loses what it is told to lose;
//! - [`load`] is many people who log in there at once;
//! - [`scene`] is all of it at once, ready for a login.

pub mod broker_process;
pub mod card;
pub mod container;
pub mod desktop;
pub mod forwarder;
pub mod gateway;
pub mod kdcproxy;
pub mod lab;
pub mod load;
pub mod mit_kdc;
pub mod ocsp;
pub mod pki;
pub mod process;
pub mod publication;
pub mod samba_ad;
pub mod scene;
pub mod terminator;
pub mod wait;
