//! One search: DNS is asked for names, the hosts for what they are, and the answers are put into an order. Does I/O.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use rand_core::RngCore;
use tokio::task::JoinSet;

use super::dns::{Dns, SrvRecord};
use super::order::order;
use super::ping::{PingError, ping};
use super::{DomainController, LocateError, Located, Settings, Standing};
use crate::net::server::LdapServer;
use crate::netlogon::{DsFlags, NetlogonReply, Service};

/// Most domain controllers that are asked and told of.
const MAXIMUM_CONTROLLERS: usize = 16;
/// How many are asked at the same time.
const BATCH: usize = 4;
/// What a domain controller must offer.
const NEEDED: DsFlags = DsFlags::KDC.and(DsFlags::LDAP).and(DsFlags::DS);
/// Longest part of a DNS name.
const MAXIMUM_LABEL: usize = 63;

/// A host that DNS names as a domain controller.
#[derive(Clone, Debug)]
struct Candidate {
    host: String,
    ldap_port: u16,
    kdc_port: u16,
    /// Where DNS has it: in the list of the site, with this priority.
    rank: Rank,
    addresses: Vec<IpAddr>,
}

/// Where DNS has a host. The order is the order of preference.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Rank {
    /// Among those that serve the site.
    Site(u16),
    /// Among those of the domain.
    Domain(u16),
}

/// What became of a question to a domain controller.
type Asked = (Candidate, Result<NetlogonReply, PingError>);

/// Whether a text can be the name of a site in a DNS name.
pub(super) fn is_site(name: &str) -> bool {
    let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    (1..=MAXIMUM_LABEL).contains(&name.len()) && name.bytes().all(is_letter)
}

/// Searches once; gives the domain controllers, nearest first, and the site that was looked in.
pub(super) async fn look(
    settings: &Settings,
    dns: &impl Dns,
    before: Option<&Located>,
    rng: &mut (impl RngCore + Send),
) -> Result<(Vec<DomainController>, Option<String>), LocateError> {
    let mut site = settings.site.clone().or_else(|| before.and_then(|before| before.site.clone()));
    let mut named = candidates(settings, dns, site.as_deref(), rng).await?;
    let mut asked = ask_all(settings, dns, before, named.clone()).await;
    if settings.site.is_none() {
        let told = told_site(&asked);
        if told.is_some() && told != site {
            site = told;
            named = candidates(settings, dns, site.as_deref(), rng).await?;
            let is_new = |candidate: &Candidate| !asked.iter().any(|(other, _)| other.host == candidate.host);
            let new = named.iter().filter(|candidate| is_new(candidate)).cloned().collect();
            asked.extend(ask_all(settings, dns, before, new).await);
        }
    }
    let controllers = in_order(settings, site.as_deref(), before, &named, asked);
    if controllers.is_empty() {
        return Err(LocateError::None { domain: settings.domain.clone(), asked: named.len() });
    }
    Ok((controllers, site))
}

/// The hosts that DNS names both for the directory and for tickets, those of the site first.
async fn candidates(
    settings: &Settings,
    dns: &impl Dns,
    site: Option<&str>,
    rng: &mut (impl RngCore + Send),
) -> Result<Vec<Candidate>, LocateError> {
    let Settings { domain, .. } = settings;
    let (mut ldap, mut kerberos) = (Vec::new(), Vec::new());
    if let Some(site) = site {
        let zone = format!("{site}._sites.dc._msdcs.{domain}");
        for (service, records) in [("_ldap", &mut ldap), ("_kerberos", &mut kerberos)] {
            // A site need not have any of its own, and those of the domain are asked for in any case.
            let found = srv(dns, &format!("{service}._tcp.{zone}.")).await.unwrap_or_default();
            records.extend(order(found, rng).into_iter().map(|record| (Rank::Site(record.priority), record)));
        }
    }
    for (service, records) in [("_ldap", &mut ldap), ("_kerberos", &mut kerberos)] {
        let found = srv(dns, &format!("{service}._tcp.dc._msdcs.{domain}.")).await?;
        records.extend(order(found, rng).into_iter().map(|record| (Rank::Domain(record.priority), record)));
    }
    let mut found: Vec<Candidate> = Vec::new();
    for (rank, SrvRecord { target: host, port, .. }) in ldap {
        let kdc = kerberos.iter().find(|(_, record)| record.target == host);
        let is_known = found.iter().any(|candidate| candidate.host == host);
        let Some((_, kdc)) = kdc.filter(|_| !is_known && lies_within(settings, &host)) else { continue };
        if found.len() < MAXIMUM_CONTROLLERS && port != 0 && kdc.port != 0 {
            let (ldap_port, kdc_port) = (port, kdc.port);
            found.push(Candidate { host, ldap_port, kdc_port, rank, addresses: Vec::new() });
        }
    }
    Ok(found)
}

async fn srv(dns: &impl Dns, name: &str) -> Result<Vec<SrvRecord>, LocateError> {
    let failed = |error| LocateError::Dns { name: name.to_owned(), error };
    dns.srv(name).await.map_err(failed)
}

/// DNS is not trusted: a name beyond the configured domains is of no use to anybody but who forged it.
fn lies_within(settings: &Settings, host: &str) -> bool {
    let is_below = |domain: &String| {
        let below = host.strip_suffix(&domain.to_ascii_lowercase()).and_then(|rest| rest.strip_suffix('.'));
        below.is_some_and(|rest| !rest.is_empty())
    };
    let lies = settings.host_domains.iter().any(is_below) && LdapServer::new(host, 636).is_ok();
    if !lies {
        tracing::warn!(
            host,
            "dns names a domain controller outside of the configured domains; it is not used"
        );
    }
    lies
}

/// Asks every host about itself. Those whose addresses are not to be had are left out; a name that is not resolved this time has
/// the addresses it had before.
async fn ask_all(
    settings: &Settings,
    dns: &impl Dns,
    before: Option<&Located>,
    candidates: Vec<Candidate>,
) -> Vec<Asked> {
    let known = |host: &str| {
        let controllers = before.map_or(&[][..], |before| before.controllers.as_slice());
        controllers.iter().find(|known| known.host == host).map(|known| known.addresses.clone())
    };
    // All at once: names whose addresses nobody tells must not take the time of the others.
    let found = together(candidates.iter().map(|candidate| dns.addresses(&candidate.host))).await;
    let mut reachable = Vec::new();
    for (candidate, addresses) in candidates.into_iter().zip(found) {
        match addresses.or_else(|error| known(&candidate.host).ok_or(error)) {
            Ok(addresses) => reachable.push(Candidate { addresses, ..candidate }),
            Err(error) => {
                tracing::warn!(host = candidate.host, %error, "the domain controller has no address");
            }
        }
    }
    let mut asked = Vec::new();
    while !reachable.is_empty() {
        let mut batch = JoinSet::new();
        for candidate in reachable.drain(..reachable.len().min(BATCH)) {
            batch.spawn(ask(candidate, settings.domain.clone(), settings.timeout));
        }
        asked.extend(batch.join_all().await);
    }
    asked
}

/// Waits for all of a few futures at once; what they give is in their order.
async fn together<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        for (future, output) in waiting.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        if waiting.iter().all(|(_, output)| output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, output)| output).collect()
}

async fn ask(mut candidate: Candidate, domain: String, limit: Duration) -> Asked {
    let port = candidate.ldap_port;
    let addresses: Vec<_> =
        candidate.addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
    let answer = ping(&addresses, &domain, limit).await.map(|(address, reply)| {
        // A host may have addresses that nobody reaches from here.
        candidate.addresses.sort_by_key(|other| *other != address.ip());
        reply
    });
    (candidate, answer)
}

/// The site that the domain controllers find us in, if it is one that can be asked for.
fn told_site(asked: &[Asked]) -> Option<String> {
    let mut sites = asked.iter().filter_map(|(_, answer)| answer.as_ref().ok()?.client_site.clone());
    sites.find(|site| is_site(site))
}

/// Those that can be used, in the order in which they should be.
fn in_order(
    settings: &Settings,
    site: Option<&str>,
    before: Option<&Located>,
    named: &[Candidate],
    asked: Vec<Asked>,
) -> Vec<DomainController> {
    // Among equals the order stays what it was, so that one broker keeps to one domain controller.
    let earlier = |host: &str| {
        let controllers = before.map_or(&[][..], |before| before.controllers.as_slice());
        controllers.iter().position(|controller| controller.host == host).unwrap_or(usize::MAX)
    };
    let mut found = Vec::new();
    for (candidate, answer) in asked {
        let Some(place) = named.iter().position(|other| other.host == candidate.host) else { continue };
        let rank = named.get(place).map_or(candidate.rank, |other| other.rank);
        let Some(standing) = standing(settings, site, &candidate, &answer) else { continue };
        let key = (standing, rank, earlier(&candidate.host), place);
        let Candidate { host, kdc_port, addresses, .. } = candidate;
        let site = answer.ok().map(|reply| reply.dc_site);
        found.push((key, DomainController { host, addresses, kdc_port, site, standing }));
    }
    found.sort_by_key(|(key, _)| *key);
    found.into_iter().map(|(_, controller)| controller).collect()
}

/// What a host's answer makes of it; nothing where it says that it is not what is looked for.
fn standing(
    settings: &Settings,
    site: Option<&str>,
    candidate: &Candidate,
    answer: &Result<NetlogonReply, PingError>,
) -> Option<Standing> {
    let host = &candidate.host;
    let reply = match answer {
        Ok(reply) => reply,
        Err(error @ PingError::UnknownDomain(_)) => {
            tracing::warn!(host, %error, "the host is no domain controller of the domain; it is not used");
            return None;
        }
        Err(error) => {
            tracing::debug!(host, %error, "the domain controller says nothing of itself");
            return Some(Standing::Silent);
        }
    };
    let is_it = reply.dns_domain.eq_ignore_ascii_case(&settings.domain)
        && reply.dns_host.trim_end_matches('.').eq_ignore_ascii_case(host);
    if !is_it || !reply.flags.has(NEEDED) || reply.service != Service::Running {
        let (named, flags) = (&reply.dns_host, reply.flags);
        tracing::warn!(host, named, %flags, "the host does not offer what is needed; it is not used");
        return None;
    }
    let in_site = site.is_some_and(|site| reply.dc_site.eq_ignore_ascii_case(site));
    let is_closest = in_site || (settings.site.is_none() && reply.flags.has(DsFlags::CLOSEST));
    Some(if !reply.flags.has(DsFlags::WRITABLE) {
        Standing::ReadOnly
    } else if is_closest {
        Standing::Closest
    } else {
        Standing::Elsewhere
    })
}

#[cfg(test)]
mod tests;
