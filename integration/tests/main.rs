//! End-to-end tests, each behaviour in its module. They need a container engine and fail without one; `integration/setup`
//! installs what is missing.

#[cfg(test)]
mod account_cache;
#[cfg(test)]
mod advice;
#[cfg(test)]
mod aia;
#[cfg(test)]
mod backends;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod controllers;
#[cfg(test)]
mod crl_bundle;
#[cfg(test)]
mod crl_distribution;
#[cfg(test)]
mod cross_realm;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod directory_scripts;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod domain;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod identity_sources;
#[cfg(test)]
mod kdc_proxy;
#[cfg(test)]
mod kdc_proxy_sessions;
#[cfg(test)]
mod kerberos;
#[cfg(test)]
mod login;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod memberships;
#[cfg(test)]
mod mit_kdc;
#[cfg(test)]
mod names;
mod outage;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod policy_trials;
#[cfg(test)]
mod presentation;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod security_context;
#[cfg(test)]
mod session_recheck;
#[cfg(test)]
mod strong_mapping;
#[cfg(test)]
mod terminators;
#[cfg(test)]
mod units;
