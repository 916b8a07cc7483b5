//! Changing the password of the service's own account, so that at no moment a password is lost and no login fails.
//!
//! Does I/O: files beside the secret, and, through [`Domain`], domain controllers. Not a step of a login; the command
//! `kerbridge rotate-secret` does it, and the running service takes over what it leaves.
//!
//! ```text
//!  nothing pending            a password was made, and is on disk beside the secret      the secret has it
//!        |   prepare                         |            change, settle                      |   promote
//!        +------------------> pending -------+-------------------------------> in force ------+-------------> done
//!                                ^           | refused: what was pending is dropped, nothing else happened
//!                                +-----------+ unknown: it stays pending, and the next run asks which one is in force
//! ```
//!
//! Every arrow ends with something on disk, and each can be gone again: wherever the program or the machine stops, the next
//! run goes on from what it finds. While a password is pending the service knows both, and uses the one that the domain
//! controller accepts.

mod bind_name;
mod disk;
mod domain;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod keytab;
mod machine;
mod password;
mod pending;

pub use self::{
    disk::{DiskError, Lock, PENDING_SUFFIX, beside},
    domain::{Domain, Held, Kerberos, NewKeys, VersionSource},
    error::RotationError,
    machine::{DirectoryPassword, Done, Event, Observer, Plan, Secret, rotate},
    password::{LONGEST, SHORTEST},
    pending::{Pending, PendingError},
};

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads files")]
mod tests;
