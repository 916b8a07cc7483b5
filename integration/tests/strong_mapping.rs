//! Which account a card is tied to, and how firmly: a domain controller that enforces strong mappings is the judge, and an
//! administrator is told the cause.

mod agreement;
mod cases;
mod court;
mod explained;
mod judged;
mod samba_cases;
mod several_accounts;

pub(crate) use several_accounts::{add_value, issuer_serial, modify};
