//! What is known of the KDCs, kept up to date beside the logins. Does network I/O.

use std::time::{Duration, SystemTime};

use super::error::AttemptFailure;
use super::settings::SettingsError;
use super::{Client, TGT_LIFETIME};
use crate::error::{ErrorCode, ExchangeError};
use crate::exchange::as_exchange::{AsAsk, AsExchange};
use crate::exchange::secret::Trials;
use crate::exchange::{Clock, Exchange};
use crate::net::kdc_list::PATIENCE;
use crate::net::system;
use crate::net::transport::{self, Deadlines, Endpoint};
use crate::principal::{Principal, Realm};
use crate::time::ClockOffset;

/// How often a KDC that failed is asked whether it is back.
const INTERVAL: Duration = Duration::from_secs(2);

/// What is known of a KDC.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KdcStatus {
    /// Its realm.
    pub realm: Realm,
    /// Where it is.
    pub kdc: Endpoint,
    /// Whether it answers.
    pub state: KdcState,
    /// Since when; for one that was never asked, since it is known.
    pub since: SystemTime,
}

/// Whether a KDC answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KdcState {
    /// It answered when it was last asked, or was not asked yet.
    Answering,
    /// It did not, and is passed over while others answer.
    PassedOver,
}

impl Client {
    /// Takes other KDCs, nearest first, for a realm of [`Settings::kdcs`](super::Settings::kdcs). What is known of those
    /// that stay is kept; exchanges that run finish with those they chose.
    ///
    /// # Errors
    ///
    /// [`SettingsError::NoKdcs`] when there are none, or the realm is not configured; nothing is changed then.
    pub fn set_kdcs(&self, realm: &Realm, kdcs: Vec<Endpoint>) -> Result<(), SettingsError> {
        self.kdcs.replace(realm, kdcs)
    }

    /// What is known of every KDC, by realm, nearest first.
    #[must_use]
    pub fn kdc_status(&self) -> Vec<KdcStatus> {
        self.kdcs.look(|realm, list| {
            let status = |(kdc, answers, since): (&Endpoint, bool, SystemTime)| KdcStatus {
                realm: realm.clone(),
                kdc: kdc.clone(),
                state: if answers { KdcState::Answering } else { KdcState::PassedOver },
                since,
            };
            list.states().map(status).collect()
        })
    }

    /// Asks the KDCs that failed whether they are back, so that no login has to find out. Ends only by being dropped.
    pub async fn tend(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let failing = self
                .kdcs
                .look(|realm, list| list.failing().into_iter().map(|kdc| (realm.clone(), kdc)).collect());
            for (realm, kdc) in failing {
                match self.ask_for_a_sign(&realm, &kdc).await {
                    Ok(()) => self.kdcs.answered(&realm, &kdc),
                    Err(failure) => self.kdcs.failed(&realm, &kdc, failure),
                }
            }
        }
    }

    /// Sends the first request of an AS exchange, which proves nothing and costs no attempt at our key. Any answer that
    /// a KDC gives to it will do.
    async fn ask_for_a_sign(&self, realm: &Realm, kdc: &Endpoint) -> Result<(), AttemptFailure> {
        let ask = AsAsk {
            client: Principal::new(self.settings.service.clone(), realm.clone()),
            secret: self.credential.secret(),
            trials: Trials::One,
            etypes: self.settings.etypes(),
            lifetime: TGT_LIFETIME,
            clock: Clock { offset: ClockOffset::NONE, max_offset: self.settings.max_clock_offset },
        };
        // Neither a clock before 1970 nor a missing key is the KDC's fault.
        let Ok((exchange, request)) = AsExchange::start(ask, system::now(), &mut system::random()) else {
            return Ok(());
        };
        let Deadlines { connect, exchange: patience } = self.kdcs.deadlines();
        let deadlines = Deadlines { connect: connect.min(PATIENCE), exchange: patience.min(PATIENCE) };
        let reply = transport::exchange(kdc, realm, &request.bytes, deadlines).await?;
        match exchange.step(&reply, system::now(), &mut system::random()) {
            Err(ExchangeError::Kdc(refusal)) if refusal.code == ErrorCode::KDC_ERR_SVC_UNAVAILABLE => {
                Err(AttemptFailure::ServiceUnavailable)
            }
            Err(ExchangeError::Reply(_)) => Err(AttemptFailure::NotAKdc),
            _ => Ok(()),
        }
    }
}
