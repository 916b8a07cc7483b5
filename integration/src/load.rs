//! Logins at a fixed rate, as many people at many workstations make them: each a TLS connection of its own with a card's certificate.
//!
//! The load is open-loop: the next login begins when its time has come, however long the ones before it take. So a broker that hangs
//! is met by all the logins that come meanwhile, as in life, and their waiting is counted.

mod figures;
mod login;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

pub use figures::{Figures, percentile};
pub use login::Answer;

use crate::broker_process::BrokerProcess;
use crate::lab::Lab;
use crate::pki::{Credential, PkiError};
use crate::wait;
use login::Card;

/// A card that cannot be used, or a lab without its owner.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The card could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The lab has no such person.
    #[error(transparent)]
    Domain(#[from] crate::samba_ad::DomainError),
    /// TLS does not take what the lab's PKI made.
    #[error("TLS cannot use the card")]
    Tls(#[from] rustls::Error),
    /// The lab's PKI made no PEM.
    #[error("a certificate or key of the lab cannot be read")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// The system gives no thread.
    #[error("the load cannot be started")]
    Start(#[from] std::io::Error),
}

/// People with their cards, and where they log in.
#[derive(Clone, Debug)]
pub struct Crowd {
    cards: Arc<[Card]>,
    broker: SocketAddr,
}

/// Logins that go on until [`Load::stop`].
#[derive(Debug)]
pub struct Load {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    made: Arc<Mutex<Vec<Made>>>,
}

/// A login that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// When it was due.
    pub began: Instant,
    /// From then to its answer.
    pub took: Duration,
    /// What became of it.
    pub answer: Answer,
}

impl Crowd {
    /// Gives each of these people of the lab a right card, with which they log in at a broker for a desktop.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn new(
        lab: &Lab,
        people: &[String],
        broker: &BrokerProcess,
        target: &str,
    ) -> Result<Self, LoadError> {
        let card = |name: &String| {
            let upn = format!("{name}@{}", lab.controller().domain().dns_name());
            let credential: Credential = lab.pki().card(&upn).sid(lab.controller().sid(name)?).issue()?;
            Card::new(lab.pki().machine_root_der(), &credential, target)
        };
        let cards = people.iter().map(card).collect::<Result<_, _>>()?;
        Ok(Self { cards, broker: broker.card_socket() })
    }

    /// Begins to log in, `rate` times a second, one person after the other, and at most `limit` times.
    ///
    /// # Errors
    /// [`LoadError::Start`].
    pub fn begin(&self, rate: u32, limit: usize) -> Result<Load, LoadError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let made = Arc::new(Mutex::new(Vec::with_capacity(limit)));
        let (crowd, kept) = (self.clone(), Arc::clone(&made));
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || runtime.block_on(log_in_until(crowd, rate, limit, stopped, kept)))?;
        Ok(Load { stop, thread, made })
    }
}

impl Load {
    /// The logins that were answered so far.
    #[must_use]
    pub fn answered(&self) -> Vec<Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins no further login, waits for those that are under way (each has a deadline of its own) and returns all.
    #[must_use]
    pub fn stop(self) -> Vec<Made> {
        // The thread may have reached its limit before.
        let _: Result<(), ()> = self.stop.send(());
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
        std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn log_in_until(
    crowd: Crowd,
    rate: u32,
    limit: usize,
    mut stopped: oneshot::Receiver<()>,
    made: Arc<Mutex<Vec<Made>>>,
) {
    let mut due = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut running = JoinSet::new();
    for card in crowd.cards.iter().cycle().take(limit) {
        tokio::select! {
            _ = &mut stopped => break,
            tick = due.tick() => {
                let (card, made, broker) = (card.clone(), Arc::clone(&made), crowd.broker);
                running.spawn(async move {
                    let began = tick.into_std();
                    let answer = card.log_in(broker).await;
                    let took = wait::monotonic().saturating_duration_since(began);
                    made.lock().unwrap_or_else(PoisonError::into_inner).push(Made { began, took, answer });
                });
            }
        }
    }
    running.join_all().await;
}
