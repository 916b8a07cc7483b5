//! How many questions are under way at once, to one host and altogether.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most questions to one host at a time: a slow one cannot take the place of the others.
const PER_HOST: usize = 4;
/// Most questions at a time.
const ALTOGETHER: usize = 64;

/// The way in to the network.
pub(super) struct Gates {
    all: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The right to ask one host, until it is dropped.
pub(super) struct Permit {
    _host: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Gates {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(ALTOGETHER)), hosts: Mutex::default() }
    }

    /// Waits for a turn; the host's first, so that whoever waits for a slow one keeps nobody else out.
    pub(super) async fn enter(&self, host: &str) -> Permit {
        let gate = self.gate(host);
        let host = gate.acquire_owned().await.expect("the semaphore is never closed");
        let all = Arc::clone(&self.all).acquire_owned().await.expect("the semaphore is never closed");
        Permit { _host: host, _all: all }
    }

    fn gate(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits or asks has a clone.
        hosts.retain(|_, gate| Arc::strong_count(gate) > 1);
        let gate = hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(PER_HOST)));
        Arc::clone(gate)
    }
}
