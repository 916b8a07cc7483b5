//! How strongly a certificate and the account found by its name belong together.

use super::MappingError;
use super::candidates::{candidates, refuse_several_sids};
use crate::account::Account;
use crate::certificate::CertificateFacts;

/// The strength of a mapping in the sense of KB5014754.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Strength {
    /// By the name alone, which whoever can rename accounts or order certificates can move to another account.
    Weak,
    /// By the name and by the account's SID.
    Strong,
}

/// Compares the certificate with the account.
///
/// A SID that is there and equal makes the mapping strong; without a SID it is weak.
///
/// # Errors
/// [`MappingError`] when the account is not the one of the certificate's name, when the SIDs differ, or when the
/// certificate names two.
pub fn confirm(facts: &CertificateFacts, account: &Account) -> Result<Strength, MappingError> {
    refuse_several_sids(facts)?;
    let upn = candidates(facts)?;
    if !account.answers_to(&upn) {
        return Err(MappingError::NameDiffers { upn });
    }
    match facts.sid() {
        None => Ok(Strength::Weak),
        Some(sid) if *sid == account.object_sid => Ok(Strength::Strong),
        Some(sid) => {
            Err(MappingError::SidDiffers { certificate: sid.clone(), account: account.object_sid.clone() })
        }
    }
}

/// What a weak mapping must also fulfil where one is accepted: the certificate is not older than the account.
///
/// # Errors
/// [`MappingError::OlderThanAccount`].
pub fn confirm_weak(facts: &CertificateFacts, account: &Account) -> Result<(), MappingError> {
    let (not_before, when_created) = (facts.not_before(), account.when_created);
    if not_before < when_created {
        return Err(MappingError::OlderThanAccount { not_before, when_created });
    }
    Ok(())
}
