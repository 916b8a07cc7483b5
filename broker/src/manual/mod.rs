//! The manual: what the service defends, against whom, and why it is built as it is.

#[doc = include_str!("threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("known_attacks.md")]
pub mod known_attacks {}

#[doc = include_str!("revocation.md")]
pub mod revocation {}

#[doc = include_str!("policy.md")]
pub mod policy {}

#[doc = include_str!("administrator_errors.md")]
pub mod administrator_errors {}

#[doc = include_str!("kdc_proxy_differences.md")]
pub mod kdc_proxy_differences {}

#[doc = include_str!("strong_mapping_differences.md")]
pub mod strong_mapping_differences {}

#[doc = include_str!("figures.md")]
pub mod figures {}

/// The decisions behind the design, a page each: what was decided, why, and what it costs.
pub mod decisions {
    #[doc = include_str!("decisions/0001-own-rasn-types.md")]
    pub mod d0001_own_rasn_types {}

    #[doc = include_str!("decisions/0002-kerberos-crypto-behind-key-rs.md")]
    pub mod d0002_kerberos_crypto_behind_key_rs {}

    #[doc = include_str!("decisions/0003-tcp-first.md")]
    pub mod d0003_tcp_first {}

    #[doc = include_str!("decisions/0004-readers-of-our-own.md")]
    pub mod d0004_readers_of_our_own {}

    #[doc = include_str!("decisions/0005-trust-after-the-handshake.md")]
    pub mod d0005_trust_after_the_handshake {}

    #[doc = include_str!("decisions/0006-path-validation-library.md")]
    pub mod d0006_path_validation_library {}

    #[doc = include_str!("decisions/0007-ldap-messages-of-our-own.md")]
    pub mod d0007_ldap_messages_of_our_own {}

    #[doc = include_str!("decisions/0008-reload-all-or-nothing.md")]
    pub mod d0008_reload_all_or_nothing {}

    #[doc = include_str!("decisions/0009-metrics-by-the-official-client.md")]
    pub mod d0009_metrics_by_the_official_client {}

    #[doc = include_str!("decisions/0010-domain-sid-pinned-or-learned.md")]
    pub mod d0010_domain_sid_pinned_or_learned {}

    #[doc = include_str!("decisions/0011-a-cause-for-every-refusal.md")]
    pub mod d0011_a_cause_for_every_refusal {}

    #[doc = include_str!("decisions/0012-what-a-trusted-realm-may-say.md")]
    pub mod d0012_what_a_trusted_realm_may_say {}

    #[doc = include_str!("decisions/0013-security-contexts-of-our-own.md")]
    pub mod d0013_security_contexts_of_our_own {}

    #[doc = include_str!("decisions/0014-domain-controllers-by-dns.md")]
    pub mod d0014_domain_controllers_by_dns {}

    #[doc = include_str!("decisions/0015-a-kdc-proxy-of-our-own.md")]
    pub mod d0015_a_kdc_proxy_of_our_own {}

    #[doc = include_str!("decisions/0016-rotation-while-serving.md")]
    pub mod d0016_rotation_while_serving {}

    #[doc = include_str!("decisions/0017-who-may-sign-a-revocation-list.md")]
    pub mod d0017_who_may_sign_a_revocation_list {}

    #[doc = include_str!("decisions/0018-revocation-in-a-declared-order.md")]
    pub mod d0018_revocation_in_a_declared_order {}

    #[doc = include_str!("decisions/0019-certificates-that-others-present.md")]
    pub mod d0019_certificates_that_others_present {}

    #[doc = include_str!("decisions/0020-how-a-card-is-tied-to-its-account.md")]
    pub mod d0020_how_a_card_is_tied_to_its_account {}

    #[doc = include_str!("decisions/0021-fetching-what-certificates-point-at.md")]
    pub mod d0021_fetching_what_certificates_point_at {}

    #[doc = include_str!("decisions/0022-names-of-accounts-in-certificates.md")]
    pub mod d0022_names_of_accounts_in_certificates {}

    #[doc = include_str!("decisions/0023-sessions-end-with-their-cards.md")]
    pub mod d0023_sessions_end_with_their_cards {}

    #[doc = include_str!("decisions/0024-policies-in-cedar.md")]
    pub mod d0024_policies_in_cedar {}

    #[doc = include_str!("decisions/0025-accounts-remembered-for-seconds.md")]
    pub mod d0025_accounts_remembered_for_seconds {}
}

#[cfg(test)]
mod tests;
