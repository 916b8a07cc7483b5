//! Certificate facts to exactly one Active Directory account.
//!
//! Everything outside `net` is deterministic: no network, no clock, no random source. The order of use is
//! the order of the line that the broker runs:
//!
//! 1. [`certificate`]: the facts a certificate states (it is trusted or not elsewhere);
//! 2. [`mapping::Sought`]: every name that the facts give;
//! 3. `net::directory`: the one account of these names, over LDAPS;
//! 4. [`account::Account::check_usable`]: may this account be used at all, now;
//! 5. [`mapping::confirm()`]: how strongly certificate and account belong together, and [`mapping::enforce()`]: whether
//!    that is enough.
//!
//! Every name that is unparsable or ambiguous is a typed refusal, never a guess.

pub mod account;
pub mod alt_security_identities;
pub mod cache;
pub mod certificate;
pub mod computer;
pub mod delegation;
pub mod entry;
pub mod filter;
pub mod groups;
pub mod mapping;
pub mod message;
pub mod netlogon;

pub mod dn;
pub mod guid;
pub mod logon_hours;
pub mod schema;
pub mod security_descriptor;
pub mod sid;
pub mod time;
pub mod trust;
pub mod upn;
pub mod x500_name;

#[cfg(feature = "net")]
pub mod net;

mod tlv;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(test, fuzzing, feature = "testing"))]
pub mod testing;
