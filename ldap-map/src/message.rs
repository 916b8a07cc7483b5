//! LDAP messages (RFC 4511): the few requests that are sent, and every answer they can have.
//!
//! Reading does not recurse, is bounded in counts and never panics; what has no place in the conversation is an
//! error, after which the connection is of no use.

pub mod request;
pub mod response;

#[cfg(test)]
mod tests;
