//! From what is written to what is used: files are read and every part is built, short of opening a socket.
//!
//! This file reads files, at start and on reload only.

mod directory;
mod directory_cache;
mod discovery;
mod fetch;
mod identity;
mod kdc_proxy;
mod kerberos;
mod listeners;
mod mapping;
mod policy;
mod policy_candidate;
mod policy_files;
mod policy_targets;
mod realms;
mod revocation;
mod secret;
mod strong_mapping;
mod terminators;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls_pki_types::CertificateDer;

use self::kdc_proxy::Beside;
use super::{
    Config, Log, Summary, Warning,
    document::{Located, Problems},
    file::MAX_CONFIGURATION,
    problem::{FileFault, Place, Problem},
    raw::{self, Raw, RevocationMode},
    secret::Places,
    warning,
};
use crate::{handoff, recheck};

/// Reads the file and everything it names; all problems, or everything.
pub(super) fn load(
    path: &Path,
    credentials: Option<PathBuf>,
    now: SystemTime,
) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let beside = Places { base: PathBuf::new(), credentials: None };
    let whole = Place::new("", None);
    let Some(text) = problems.keep(&whole, beside.text(path, MAX_CONFIGURATION)) else {
        return Err(problems.into_sorted());
    };
    let raw = Raw::read(&text, &problems);
    let base = path.parent().map(Path::to_owned).unwrap_or_default();
    let places = Places { base, credentials };
    let config = Loader { places: &places, problems: &problems, now }.config(raw);
    let found = problems.into_sorted();
    if found.is_empty() { Ok(config.expect("whatever is left out has been noted")) } else { Err(found) }
}

/// What every table is loaded with.
struct Loader<'a> {
    places: &'a Places,
    problems: &'a Problems,
    now: SystemTime,
}

impl Loader<'_> {
    fn config(&self, raw: Raw) -> Option<Config> {
        let fixed = fixed(&raw);
        let mut summary = summary(&raw);
        let mut warnings = self.warnings(&raw);
        let gateways = summary.gateways.clone();
        // Every table is loaded before the first `?`, so that every problem is noted.
        let secret = self.service_secret(&raw);
        warnings.extend(secret.as_ref().and_then(|(secret, _)| secret.warning()));
        let domains = self.domains(
            &raw.directory,
            raw.kerberos.domain_sid.clone(),
            secret.as_ref().map(|(secret, _)| secret),
            &raw.realms,
        );
        let fetcher = Arc::new(fetch::fetcher(&raw.identity.fetch, domains.as_ref()));
        let validator = self.identity(&raw.identity, &fetcher, &mut warnings);
        let terminators = self.terminators(raw.terminators, &mut warnings);
        let max_logins = raw.frontend.max_logins.clone();
        let cards = self.cards(raw.frontend, validator.as_ref(), terminators, &mut warnings);
        let gateway_api = self.gateway_api(raw.gateway_api, raw.gateways, max_logins, &mut warnings);
        let locators = self.locators(&raw.directory, raw.kerberos.realm.as_ref(), &raw.realms);
        let targets = self.targets(&raw.policy.targets, raw.policy.targets_in_directory.as_ref());
        let settings = self.policy_settings(&raw.policy, gateways, &raw.realms, &raw.kerberos);
        let policy = settings.as_ref().and_then(|settings| self.policy(&raw.policy, settings));
        let candidate = self.candidate(&raw.policy, settings.as_ref(), &mut warnings);
        let kerberos = self.kerberos(&raw.kerberos, secret.clone(), &raw.handoff, &raw.policy, &raw.realms);
        let known = kerberos.as_ref().map(|(_, tickets)| tickets);
        let discovery = raw.directory.discovery.is_some();
        let beside = Beside { own: known, discovery, realms: &raw.realms, validator: validator.as_ref() };
        let kdc_proxy = raw.kdc_proxy.map(|raw| self.kdc_proxy(raw, &beside, &mut warnings));
        let status = raw.health.as_ref().map(|health| self.status(health));
        let validator = validator?;
        let lists = validator.crls();
        summary.revocation_lists = lists.len();
        warnings.extend(self.ended_lists(&lists));
        let policy = policy?;
        warnings.extend(policy::warnings_of_files(&policy));
        summary.policies = policy.ids().count();
        let (cards, drain_timeout) = cards?;
        let (kerberos, tickets) = kerberos?;
        let recheck = recheck(&raw.handoff, &mut warnings)?;
        let (domains, kerberos) = (Arc::new(domains?), Arc::new(kerberos));
        Some(Config {
            controllers: discovery::controllers(
                &domains,
                &kerberos,
                &tickets.realm,
                &raw.realms,
                locators?,
                kdc_proxy.as_ref().and_then(Option::as_ref),
            )?,
            cards,
            gateway_api: gateway_api?,
            validator: Arc::new(validator),
            fetcher,
            domains,
            policy: Arc::new(policy),
            targets: Arc::new(targets?),
            candidate,
            kerberos,
            service_secret: secret?.0,
            tickets,
            handoff: desk(raw.handoff)?,
            recheck,
            log: Log { format: raw.log.format?.value, level: raw.log.level?.value },
            check_interval: match raw.health {
                Some(health) => health.interval?.value,
                None => raw::DEFAULT_CHECK_INTERVAL,
            },
            status: match status {
                Some(status) => Some(status?),
                None => None,
            },
            kdc_proxy: match kdc_proxy {
                Some(proxy) => Some(proxy?),
                None => None,
            },
            drain_timeout,
            warnings,
            summary,
            fixed,
        })
    }

    fn certificates(&self, path: Option<&Located<PathBuf>>) -> Option<Vec<CertificateDer<'static>>> {
        self.file(path, |places, path| places.certificates(path))
    }

    /// The revocation lists of all files; every broken file is noted.
    fn revocation_lists(&self, paths: &[Located<PathBuf>]) -> Option<Vec<Located<Vec<u8>>>> {
        let files = paths.iter().map(|path| {
            let lists = self.file(Some(path), |places, path| places.revocation_lists(path))?;
            let located = |value| Located { value, place: path.place.clone() };
            Some(lists.into_iter().map(located).collect::<Vec<_>>())
        });
        let files: Vec<_> = files.collect();
        files.into_iter().collect::<Option<Vec<_>>>().map(|files| files.concat())
    }

    /// Reads the file a key names, and notes at that key why it could not.
    fn file<S, T>(
        &self,
        named: Option<&Located<S>>,
        read: impl FnOnce(&Places, &S) -> Result<T, FileFault>,
    ) -> Option<T> {
        let named = named?;
        self.problems.keep(&named.place, read(self.places, &named.value))
    }

    /// The warnings that can be told from what is written, and from certificates that are only named here.
    fn warnings(&self, raw: &Raw) -> Vec<Warning> {
        let mut warnings = revocation::warnings(raw.identity.revocation.as_ref());
        if raw.kerberos.allow_rc4.as_ref().is_some_and(|allow| allow.value) {
            warnings.push(Warning::Rc4Allowed);
        }
        let directories =
            || std::iter::once(&raw.directory).chain(raw.realms.iter().map(|realm| &realm.directory));
        warnings.extend(strong_mapping::warnings(
            &directories().collect::<Vec<_>>(),
            raw.identity.issuers.is_some(),
        ));
        if directories()
            .filter_map(|directory| directory.discovery.as_ref()?.certificates_name_domain.as_ref())
            .any(|needed| !needed.value)
        {
            warnings.push(Warning::AnyMachineIsController);
        }
        if let Some(raw::Health { listen: Some(listen), .. }) = &raw.health
            && !listen.value.ip().is_loopback()
        {
            warnings.push(Warning::StatusNotLoopback);
        }
        warnings.extend(mapping::warnings(&raw.directory.mappings));
        warnings.extend(kerberos::late_renewal(&raw.kerberos, &raw.handoff, &raw.policy));
        warnings.extend(policy::warnings(&raw.policy.rules));
        let named = [
            ("identity.roots", &raw.identity.roots),
            ("identity.intermediates", &raw.identity.intermediates),
            ("gateway_api.client_ca", &raw.gateway_api.client_ca),
        ];
        let of_directories = directories().flat_map(|directory| {
            [("directory.ca", &directory.ca), ("directory.bind_certificate", &directory.bind_certificate)]
        });
        for (key, path) in named.into_iter().chain(of_directories) {
            let certificates = path.as_ref().and_then(|path| self.places.certificates(&path.value).ok());
            warnings.extend(warning::about_ends(key, certificates.as_deref().unwrap_or_default(), self.now));
        }
        warnings
    }

    fn ended_lists(&self, lists: &[crate::identity::CrlSummary]) -> Vec<Warning> {
        let now = jiff::Timestamp::try_from(self.now);
        let ends = lists.iter().filter_map(|list| list.next_update);
        let ended = ends.filter(|end| now.as_ref().is_ok_and(|now| end < now));
        ended.map(|next_update| Warning::RevocationListEnded { next_update }).collect()
    }
}

fn desk(raw: raw::Handoff) -> Option<handoff::Settings> {
    Some(handoff::Settings {
        code_lifetime: raw.code_lifetime?.value,
        session_lifetime: raw.session_lifetime?.value,
        max_codes: raw.max_codes?.value,
        max_codes_per_person: raw.max_codes_per_person?.value,
        max_sessions: raw.max_sessions?.value,
    })
}

fn recheck(raw: &raw::Handoff, warnings: &mut Vec<Warning>) -> Option<recheck::Settings> {
    let (interval, grace) = (raw.recheck_interval.as_ref()?.value, raw.recheck_grace.as_ref()?.value);
    if !grace.is_zero() && grace <= interval {
        warnings.push(Warning::GraceOverBeforeNextTry);
    }
    Some(recheck::Settings { interval, grace })
}

/// What only a restart can change: the addresses, the directory, the realm, the desk, the log and the status page.
fn fixed(raw: &Raw) -> String {
    let Raw { frontend, gateway_api, directory, kerberos, realms, handoff, log, health, kdc_proxy, .. } = raw;
    let Raw { terminators, .. } = raw;
    let addresses = (&frontend.listen, &gateway_api.listen);
    let bounds = (
        terminators.is_some(),
        &frontend.max_connections,
        &frontend.max_connections_per_address,
        &frontend.max_logins,
        &gateway_api.max_connections,
        &gateway_api.max_contexts,
        &gateway_api.max_challenges,
    );
    let times = (
        &frontend.handshake_timeout,
        &frontend.header_timeout,
        &frontend.request_timeout,
        &frontend.connection_lifetime,
        &frontend.drain_timeout,
        &gateway_api.handshake_timeout,
        &gateway_api.request_timeout,
        &gateway_api.context_idle_timeout,
        &gateway_api.challenge_lifetime,
    );
    format!(
        "{addresses:?} {bounds:?} {times:?} {directory:?} {kerberos:?} {realms:?} {handoff:?} {log:?} {health:?} {kdc_proxy:?}"
    )
}

fn summary(raw: &Raw) -> Summary {
    let texts = |list: &Option<Vec<Located<String>>>| -> Vec<String> {
        list.iter().flatten().map(|entry| entry.value.clone()).collect()
    };
    Summary {
        gateways: raw
            .gateways
            .iter()
            .filter_map(|gateway| Some(gateway.name.as_ref()?.value.clone()))
            .collect(),
        revocation: match raw.identity.revocation.as_ref().and_then(|revocation| revocation.mode.as_ref()) {
            Some(Located { value: RevocationMode::Crl, .. }) => "crl",
            Some(Located { value: RevocationMode::Ordered, .. }) => "ordered",
            Some(Located { value: RevocationMode::Off, .. }) => "off",
            None => "none",
        },
        revocation_lists: 0,
        directory_servers: texts(&raw.directory.servers),
        realm: raw.kerberos.realm.as_ref().map(|realm| realm.value.clone()).unwrap_or_default(),
        kdcs: texts(&raw.kerberos.kdcs),
        discovered: {
            let directories =
                std::iter::once(&raw.directory).chain(raw.realms.iter().map(|realm| &realm.directory));
            let domains = directories.filter_map(|directory| directory.discovery.as_ref()?.domain.as_ref());
            domains.map(|domain| domain.value.clone()).collect()
        },
        realms: raw.realms.iter().filter_map(|realm| Some(realm.name.as_ref()?.value.clone())).collect(),
        rules: raw.policy.rules.len(),
        policies: 0,
    }
}
