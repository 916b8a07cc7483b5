//! What the client asks beyond its own realm: tickets in its own name by referral, and delegation to services of other
//! realms. Does network I/O.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::{ClientError, Stage};
use super::own_ticket::OwnTicket;
use super::{Client, TGT_LIFETIME};
use crate::error::RequestError;
use crate::exchange::s4u2proxy::ProxyTicket;
use crate::exchange::s4u2proxy::across::{AcrossAsk, S4u2ProxyAcross};
use crate::exchange::tgs_exchange::{Obtained, TgsAsk, TgsExchange};
use crate::principal::{PrincipalName, Realm};
use crate::ticket::{ServiceTicket, TicketGrantingTicket};
use crate::ticket_cache::ServiceKey;

/// Ticket-granting tickets in our own name for other realms. They live no longer than the own ticket they belong to.
#[derive(Debug, Default)]
pub(super) struct CrossRealmTickets(Mutex<BTreeMap<Realm, TicketGrantingTicket>>);

impl CrossRealmTickets {
    fn get(&self, realm: &Realm) -> Option<TicketGrantingTicket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(realm).cloned()
    }

    fn keep(&self, tgt: TicketGrantingTicket) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(tgt.realm().clone(), tgt);
    }
}

impl Client {
    /// A ticket for `spn` in our own name, which ends `lifetime` from now at the latest; by way of other realms where our
    /// own KDC refers to them.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn service_ticket(
        &self,
        spn: &PrincipalName,
        lifetime: Duration,
    ) -> Result<ServiceTicket, ClientError> {
        let own = self.own_ticket().await?;
        match self.obtain(&own, spn, lifetime).await {
            Err(error) if error.is_about_stale_tickets() => {
                let own = self.replace(&own, &error).await?;
                Ok(self.obtain(&own, spn, lifetime).await?.ticket)
            }
            outcome => Ok(outcome?.ticket),
        }
    }

    async fn obtain(
        &self,
        own: &OwnTicket,
        server: &PrincipalName,
        lifetime: Duration,
    ) -> Result<Obtained, ClientError> {
        let exchange = self.kdcs.run(Stage::Tgs, |now, rng| {
            let ask = TgsAsk {
                tgt: own.authenticated.tgt.clone(),
                server: server.clone(),
                etypes: self.settings.etypes(),
                lifetime,
                clock: own.clock(self.settings.max_clock_offset),
                trusted: self.settings.trusted.clone(),
            };
            TgsExchange::start(ask, now, rng)
        });
        Ok(exchange.await?.0)
    }

    /// A ticket-granting ticket in our own name for `realm`: our own, or one for another configured realm.
    pub(super) async fn tgt_for(
        &self,
        own: &OwnTicket,
        realm: &Realm,
    ) -> Result<TicketGrantingTicket, ClientError> {
        if realm.eq_ignoring_case(&self.settings.realm) {
            return Ok(own.authenticated.tgt.clone());
        }
        let Some(trusted) = self.settings.trusted.get(realm) else {
            return Err(ClientError::Request(RequestError::ForeignUser(realm.clone())));
        };
        let kept = own.cross_realm.get(&trusted.realm);
        if let Some(tgt) = kept.filter(|tgt| !own.sees_the_end_of(tgt.ticket())) {
            return Ok(tgt);
        }
        let obtained = self.obtain(own, &PrincipalName::krbtgt(&trusted.realm), TGT_LIFETIME).await?;
        let tgt = TicketGrantingTicket::taken_by(trusted.realm.clone(), obtained.ticket);
        tracing::info!(realm = %tgt.realm(), endtime = %tgt.ticket().times().endtime, "obtained a ticket for another realm");
        own.cross_realm.keep(tgt.clone());
        Ok(tgt)
    }

    /// Goes on where our own KDC has referred to another realm with the evidence.
    pub(super) async fn ask_across(
        &self,
        own: &OwnTicket,
        proxy: ProxyTicket,
        key: &ServiceKey,
    ) -> Result<ServiceTicket, ClientError> {
        let tgt = self.tgt_for(own, proxy.realm()).await?;
        let exchange = self.kdcs.run(Stage::S4u2Proxy, |now, rng| {
            let ask = AcrossAsk {
                tgt: tgt.clone(),
                server: key.service.clone(),
                etypes: self.settings.etypes(),
                lifetime: key.lifetime,
                clock: own.clock(self.settings.max_clock_offset),
                trusted: self.settings.trusted.clone(),
            };
            S4u2ProxyAcross::start(ask, proxy.clone(), now, rng)
        });
        Ok(exchange.await?.0)
    }
}
