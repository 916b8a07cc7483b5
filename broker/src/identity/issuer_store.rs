//! Certificates of issuers that a chain names but does not bring (authorityInfoAccess, id-ad-caIssuers, RFC 5280 section
//! 4.2.2.1). Does network I/O.
//!
//! This happens before anybody is believed: whoever can open a connection can have a URL asked. So only the hosts are asked that
//! the configuration names, each URL once for all who want it, and what came of it is kept, failures too. What comes is a hint,
//! as if the peer had sent it. It comes unsigned, by http: what led to no path is asked for again soon.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use tokio::sync::OnceCell;

use super::certificate::ParsedCertificate;
use super::fetch::{FetchError, Fetcher, Limits, Url};
use super::peer_certificates::MAX_CERTIFICATE_SIZE;
use super::signed_data::SignedData;

/// Most certificates that are taken from one URL.
const MAX_CERTIFICATES: usize = 8;
/// Most URLs that are remembered.
const MAX_URLS: usize = 512;
/// How long an answer counts, and how long a failure does.
const KEPT: Duration = Duration::from_secs(24 * 3600);
const KEPT_FAILURE: Duration = Duration::from_secs(60);

/// Whom an `IssuerStore` asks, and within which bounds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerFetchSettings {
    /// The hosts that are asked, as URLs name them.
    pub hosts: Vec<String>,
    /// Most octets of one answer.
    pub max_octets: usize,
    /// Longest time for one question.
    pub timeout: Duration,
    /// Most URLs that are asked for one chain.
    pub max_urls: usize,
}

impl IssuerFetchSettings {
    /// The usual bounds.
    #[must_use]
    pub fn new(hosts: Vec<String>) -> Self {
        let timeout = Duration::from_secs(3);
        Self { hosts, max_octets: 64 * 1024, timeout, max_urls: 4 }
    }
}

/// What is known of one URL.
struct Known {
    found: Arc<OnceCell<Vec<CertificateDer<'static>>>>,
    since: SystemTime,
    /// It led to no path, though it should have.
    doubted: bool,
}

impl Known {
    fn is_over(&self, now: SystemTime) -> bool {
        let counts = match self.found.get() {
            Some(found) if !found.is_empty() && !self.doubted => KEPT,
            _ => KEPT_FAILURE,
        };
        // What lies ahead is of a time before the clock was set back.
        now.duration_since(self.since).map_or(true, |age| age > counts)
    }

    /// Whether something was found; that is forgotten last.
    fn is_found(&self) -> bool {
        self.found.get().is_some_and(|found| !found.is_empty())
    }
}

/// The certificates that were fetched. Shared by all logins.
pub(super) struct IssuerStore {
    fetcher: Arc<Fetcher>,
    settings: IssuerFetchSettings,
    known: Mutex<HashMap<String, Known>>,
}

impl IssuerStore {
    pub(super) fn new(fetcher: Arc<Fetcher>, settings: IssuerFetchSettings) -> Self {
        Self { fetcher, settings, known: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &IssuerFetchSettings {
        &self.settings
    }

    /// What is at these URLs, of all that can be had; each is asked while the others are.
    pub(super) async fn obtain(
        self: &Arc<Self>,
        urls: &[String],
        now: SystemTime,
    ) -> Vec<CertificateDer<'static>> {
        let asking: Vec<_> = urls
            .iter()
            .map(|url| {
                let (store, url) = (Arc::clone(self), url.clone());
                tokio::spawn(async move { store.at(&url, now).await })
            })
            .collect();
        let mut all = Vec::new();
        for asked in asking {
            all.extend(asked.await.unwrap_or_default());
        }
        all
    }

    /// Says that what is at these URLs led to no path.
    pub(super) fn doubt(&self, urls: &[String]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for url in urls {
            if let Some(known) = known.get_mut(url) {
                known.doubted = true;
            }
        }
    }

    async fn at(&self, url: &str, now: SystemTime) -> Vec<CertificateDer<'static>> {
        let place = match self.place(url) {
            Ok(place) => place,
            Err(error) => {
                tracing::info!(url, %error, "no certificate of an issuer from here");
                return Vec::new();
            }
        };
        let found = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, known| !known.is_over(now));
            if known.len() >= MAX_URLS && !known.contains_key(url) {
                let first = |(_, known): &(&String, &Known)| (known.is_found(), known.since);
                let oldest = known.iter().min_by_key(first).map(|(url, _)| url.clone());
                oldest.map(|oldest| known.remove(&oldest));
            }
            let known = known.entry(url.to_owned());
            Arc::clone(
                &known.or_insert_with(|| Known { found: Arc::default(), since: now, doubted: false }).found,
            )
        };
        found.get_or_init(|| self.fetch(&place)).await.clone()
    }

    /// A URL of a host that is asked. No other one is remembered: it would push out what was found.
    fn place(&self, url: &str) -> Result<Url, FetchError> {
        let url: Url = url.parse()?;
        let host = url.host();
        let named = self.settings.hosts.iter().any(|named| named.eq_ignore_ascii_case(&host));
        if named { Ok(url) } else { Err(FetchError::Host) }
    }

    async fn fetch(&self, url: &Url) -> Vec<CertificateDer<'static>> {
        let limits = Limits { octets: self.settings.max_octets, time: self.settings.timeout };
        let found = match self.fetcher.get_for_stranger(url, limits).await {
            Ok(answer) => certificates(answer),
            Err(error) => {
                tracing::info!(%url, %error, "no certificate of an issuer from here");
                return Vec::new();
            }
        };
        tracing::debug!(%url, certificates = found.len(), "certificates of issuers fetched");
        found
    }
}

/// The certificates in an answer: one in DER, or those of a certs-only CMS message.
fn certificates(answer: Vec<u8>) -> Vec<CertificateDer<'static>> {
    let all = match SignedData::parse(&answer) {
        Some(message) => message.certificates,
        None => vec![answer],
    };
    let usable = all.into_iter().filter(|one| {
        one.len() <= MAX_CERTIFICATE_SIZE && ParsedCertificate::parse(one).is_ok_and(|one| one.is_ca())
    });
    usable.take(MAX_CERTIFICATES).map(CertificateDer::from).collect()
}

#[cfg(test)]
mod tests;
