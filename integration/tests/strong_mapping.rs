//! Which account a card is tied to, and how firmly: a domain controller that enforces strong mappings is the judge, and an
//! administrator is told the cause.

mod explained;
mod judged;
mod several_accounts;
