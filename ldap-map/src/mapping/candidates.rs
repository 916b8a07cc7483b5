//! The one name by which the account is looked up.

use super::MappingError;
use crate::certificate::CertificateFacts;
use crate::upn::Upn;

/// The name that the certificate gives: its single user principal name.
///
/// # Errors
/// [`MappingError`] when there is none, when there are several (even equal ones), or when the certificate
/// contradicts itself by two different SIDs.
pub fn candidates(facts: &CertificateFacts) -> Result<Upn, MappingError> {
    refuse_several_sids(facts)?;
    match facts.upns() {
        [] => Err(MappingError::UpnMissing),
        [upn] => Ok(upn.clone()),
        several => Err(MappingError::SeveralUpns { count: several.len() }),
    }
}

pub(super) fn refuse_several_sids(facts: &CertificateFacts) -> Result<(), MappingError> {
    match facts.sids().len() {
        0 | 1 => Ok(()),
        count => Err(MappingError::SeveralSids { count }),
    }
}
