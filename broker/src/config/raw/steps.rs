//! The tables of the steps: identity, directory, kerberos and policy.

use std::{path::PathBuf, time::Duration};

use super::{
    HOUR, MILLISECOND, MINUTE, SECOND,
    directory_cache::DirectoryCache,
    discovery::{Discovery, listed_unless},
    fetch::{Aia, Fetch},
    mapping::Mapping,
    revocation::Revocation,
    seconds,
    strong_mapping::StrongMapping,
    words::PolicyMatch,
};
use crate::config::{
    document::{Located, Section},
    problem::{Fault, Place},
    secret::SecretSource,
};

/// `[identity]`: which certificates of cards are accepted.
#[derive(Debug)]
pub(in crate::config) struct Identity {
    pub(in crate::config) place: Place,
    pub(in crate::config) roots: Option<Located<PathBuf>>,
    pub(in crate::config) intermediates: Option<Located<PathBuf>>,
    pub(in crate::config) extended_key_usage: Option<Vec<Located<String>>>,
    pub(in crate::config) accept_any_extended_key_usage: Option<Located<bool>>,
    pub(in crate::config) minimum_rsa_bits: Option<Located<usize>>,
    pub(in crate::config) minimum_curve_bits: Option<Located<usize>>,
    pub(in crate::config) minimum_hash_bits: Option<Located<usize>>,
    pub(in crate::config) maximum_validity_days: Option<Located<usize>>,
    pub(in crate::config) issuers: Option<Vec<Located<String>>>,
    pub(in crate::config) policies: Option<Vec<Located<String>>>,
    pub(in crate::config) policy_match: Option<Located<PolicyMatch>>,
    pub(in crate::config) revocation: Option<Revocation>,
    pub(in crate::config) fetch: Fetch,
    pub(in crate::config) aia: Option<Aia>,
}

impl Identity {
    pub(super) fn read(section: Section<'_>) -> Self {
        let revocation = section.section("revocation");
        let read = Self {
            place: section.place(),
            roots: section.required("roots"),
            intermediates: section.optional("intermediates"),
            extended_key_usage: section.list("extended_key_usage"),
            accept_any_extended_key_usage: section.or("accept_any_extended_key_usage", false),
            minimum_rsa_bits: section.within("minimum_rsa_bits", 2048, 2048..=8192),
            minimum_curve_bits: section.within("minimum_curve_bits", 256, 256..=521),
            minimum_hash_bits: section.within("minimum_hash_bits", 256, 256..=512),
            maximum_validity_days: section.optional("maximum_validity_days"),
            issuers: section.list("issuers"),
            policies: section.list("policies"),
            policy_match: section.or("policy_match", PolicyMatch::Any),
            revocation: section.has("revocation").then(|| Revocation::read(revocation)),
            fetch: Fetch::read(section.section("fetch")),
            aia: Aia::read(&section),
        };
        section.close();
        read
    }
}

/// `[directory]`: the directory that knows the accounts. `[realm.directory]` is one of another realm.
#[derive(Debug)]
pub(in crate::config) struct Directory {
    pub(in crate::config) place: Place,
    /// Empty where they are discovered.
    pub(in crate::config) servers: Option<Vec<Located<String>>>,
    pub(in crate::config) discovery: Option<Discovery>,
    pub(in crate::config) base_dn: Option<Located<String>>,
    pub(in crate::config) ca: Option<Located<PathBuf>>,
    pub(in crate::config) bind_name: Option<Located<String>>,
    pub(in crate::config) bind_password: Option<Located<SecretSource>>,
    pub(in crate::config) bind_certificate: Option<Located<PathBuf>>,
    pub(in crate::config) bind_key: Option<Located<SecretSource>>,
    pub(in crate::config) upn_suffixes: Option<Vec<Located<String>>>,
    pub(in crate::config) mappings: Vec<Mapping>,
    pub(in crate::config) accept_weak_mapping: Option<Located<bool>>,
    pub(in crate::config) strong_mapping: StrongMapping,
    pub(in crate::config) cache: Option<DirectoryCache>,
    pub(in crate::config) pool_size: Option<Located<usize>>,
    pub(in crate::config) connect_timeout: Option<Located<Duration>>,
    pub(in crate::config) operation_timeout: Option<Located<Duration>>,
}

impl Directory {
    pub(super) fn read(section: Section<'_>) -> Self {
        let by_password = section.has("bind_name") || section.has("bind_password");
        let by_certificate = section.has("bind_certificate") || section.has("bind_key");
        if by_password == by_certificate {
            let fault =
                Fault::OneOf { one: "bind_name with bind_password", other: "bind_certificate with bind_key" };
            section.problems().note(&section.place(), fault);
        }
        if by_password != by_certificate {
            let pair =
                if by_password { ["bind_name", "bind_password"] } else { ["bind_certificate", "bind_key"] };
            for key in pair.into_iter().filter(|key| !section.has(key)) {
                section.missing(key, "\"...\"");
            }
        }
        let discovery = Discovery::read(&section);
        let strong_mapping = StrongMapping::read(&section);
        let cache = DirectoryCache::read(&section);
        let read = Self {
            place: section.place(),
            servers: listed_unless(discovery.is_some(), &section, "servers", "discovery"),
            discovery,
            base_dn: section.required("base_dn"),
            ca: section.required("ca"),
            bind_name: section.optional("bind_name"),
            bind_password: section.optional("bind_password"),
            bind_certificate: section.optional("bind_certificate"),
            bind_key: section.optional("bind_key"),
            upn_suffixes: section.list("upn_suffixes"),
            mappings: Mapping::all(&section),
            accept_weak_mapping: section.or("accept_weak_mapping", false),
            strong_mapping,
            cache,
            pool_size: section.within("pool_size", 4, 1..=64),
            connect_timeout: section.within("connect_timeout", seconds(3), 100 * MILLISECOND..=MINUTE),
            operation_timeout: section.within("operation_timeout", seconds(5), 100 * MILLISECOND..=MINUTE),
        };
        section.close();
        read
    }
}

/// `[kerberos]`: the realm, its KDCs and the service's own account.
#[derive(Debug)]
pub(in crate::config) struct Kerberos {
    pub(in crate::config) place: Place,
    pub(in crate::config) realm: Option<Located<String>>,
    pub(in crate::config) domain_sid: Option<Located<String>>,
    pub(in crate::config) service: Option<Located<String>>,
    pub(in crate::config) spn: Option<Located<String>>,
    pub(in crate::config) keytab: Option<Located<SecretSource>>,
    pub(in crate::config) password: Option<Located<SecretSource>>,
    pub(in crate::config) kdc_proxy_ca: Option<Located<PathBuf>>,
    /// Empty where they are discovered.
    pub(in crate::config) kdcs: Option<Vec<Located<String>>>,
    pub(in crate::config) allow_rc4: Option<Located<bool>>,
    pub(in crate::config) max_clock_offset: Option<Located<Duration>>,
    pub(in crate::config) connect_timeout: Option<Located<Duration>>,
    pub(in crate::config) exchange_timeout: Option<Located<Duration>>,
    pub(in crate::config) renew_before: Option<Located<Duration>>,
    pub(in crate::config) s4u_cache: Option<Located<Duration>>,
}

impl Kerberos {
    /// Reads the table; the KDCs are searched with the directory's servers where these are discovered.
    pub(super) fn read(section: Section<'_>, discovered: bool) -> Self {
        if section.has("keytab") == section.has("password") {
            section.problems().note(&section.place(), Fault::OneOf { one: "keytab", other: "password" });
        }
        let read = Self {
            place: section.place(),
            realm: section.required("realm"),
            domain_sid: section.optional("domain_sid"),
            service: section.required("service"),
            spn: section.required("spn"),
            keytab: section.optional("keytab"),
            password: section.optional("password"),
            kdc_proxy_ca: section.optional("kdc_proxy_ca"),
            kdcs: listed_unless(discovered, &section, "kdcs", "directory.discovery"),
            allow_rc4: section.or("allow_rc4", false),
            max_clock_offset: section.within("max_clock_offset", 5 * MINUTE, SECOND..=HOUR),
            connect_timeout: section.within("connect_timeout", seconds(2), 100 * MILLISECOND..=MINUTE),
            exchange_timeout: section.within("exchange_timeout", seconds(5), 100 * MILLISECOND..=MINUTE),
            // Its default depends on the rules.
            renew_before: if section.has("renew_before") {
                section.within("renew_before", HOUR, SECOND..=24 * HOUR)
            } else {
                None
            },
            s4u_cache: section.within("s4u_cache", Duration::ZERO, Duration::ZERO..=HOUR),
        };
        section.close();
        read
    }
}

/// `[[policy.rule]]`: who may reach what, with which services, for how long.
#[derive(Debug)]
pub(in crate::config) struct Rule {
    pub(in crate::config) place: Place,
    pub(in crate::config) id: Option<Located<String>>,
    pub(in crate::config) groups: Option<Vec<Located<String>>>,
    pub(in crate::config) targets: Option<Vec<Located<String>>>,
    pub(in crate::config) gateways: Option<Vec<Located<String>>>,
    pub(in crate::config) services: Option<Vec<Located<String>>>,
    pub(in crate::config) maximum_lifetime: Option<Located<Duration>>,
}

impl Rule {
    pub(super) fn read(section: Section<'_>) -> Self {
        let read = Self {
            place: section.place(),
            id: section.required("id"),
            groups: section.required_list("groups"),
            targets: section.required_list("targets"),
            gateways: section.list("gateways"),
            services: section.required_list("services"),
            maximum_lifetime: section.within("maximum_lifetime", HOUR, MINUTE..=24 * HOUR),
        };
        section.close();
        read
    }
}
