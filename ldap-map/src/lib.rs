//! Certificate facts to exactly one Active Directory account.
