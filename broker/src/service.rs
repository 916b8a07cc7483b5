//! The life of the process: start, signals, the words to systemd, the end.
//!
//! Does I/O. SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reads the configuration again.

use std::{io, net::SocketAddr};

use rustix::process::DumpableBehavior;
use sd_notify::NotifyState;
use tokio::{
    pin,
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, interval},
};

use crate::{
    app::{Addresses, App, Drained},
    config::Config,
    exit,
    frontend::listener::BindError,
    reload::Source,
};

/// Why the service ended, or did not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system does not deliver signals.
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    /// The system gives no threads.
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    /// A second signal came while the service was draining.
    #[error("ended by a second signal before the drain was over")]
    Interrupted,
}

impl ServiceError {
    /// The exit code of the process.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Bind(_) => exit::UNAVAILABLE,
            Self::Signals(_) | Self::Runtime(_) => exit::SYSTEM,
            Self::Interrupted => exit::INTERRUPTED,
        }
    }
}

/// What came of [`keep_memory_private`], to be told once there is a log.
#[derive(Debug)]
#[must_use]
pub struct KeptPrivate(io::Result<()>);

impl KeptPrivate {
    /// Says in the log where it did not succeed.
    pub fn log(self) {
        if let Err(error) = self.0 {
            tracing::warn!(%error, "core files cannot be forbidden");
        }
    }
}

/// Keeps keys and tickets out of core files and away from debuggers of the same user. To be called before the first secret
/// is read, which is before the configuration.
pub fn keep_memory_private() -> KeptPrivate {
    let kept = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    KeptPrivate(kept.map_err(io::Error::from))
}

/// Makes the runtime, serves, and leaves nothing running.
///
/// # Errors
/// As [`run`].
pub fn run_to_the_end(
    config: Config,
    source: &Source,
    kept_private: KeptPrivate,
) -> Result<(), ServiceError> {
    kept_private.log();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServiceError::Runtime)?;
    let ended = runtime.block_on(run(config, source));
    // What is still running after a drain has had its time.
    runtime.shutdown_background();
    ended
}

/// Serves until a signal ends it, and then lets running logins finish.
///
/// # Errors
/// [`ServiceError`]; without one the service has drained, or its deadline for that has passed.
pub async fn run(config: Config, source: &Source) -> Result<(), ServiceError> {
    let mut signals = Signals::new().map_err(ServiceError::Signals)?;
    config.log();
    let fixed = config.fixed().to_owned();
    let app = App::start(config).await?;
    announce(app.addresses());
    tell(&[NotifyState::Ready]);
    let mut watchdog = Watchdog::new();
    loop {
        tokio::select! {
            () = watchdog.due() => tell(&[NotifyState::Watchdog]),
            asked = signals.next() => match asked {
                Asked::End => break,
                Asked::Reload => reload(&app, source, &fixed).await,
            }
        }
    }
    tracing::info!("draining: no new connections, running logins finish");
    tell(&[NotifyState::Stopping]);
    let drained = app.drain();
    pin!(drained);
    loop {
        tokio::select! {
            () = watchdog.due() => tell(&[NotifyState::Watchdog]),
            asked = signals.next() => match asked {
                Asked::End => return Err(ServiceError::Interrupted),
                Asked::Reload => {}
            },
            drained = drained.as_mut() => {
                match drained {
                    Drained::Completely => tracing::info!("drained"),
                    Drained::CutOff => tracing::warn!("drain took too long, running logins are cut off"),
                }
                return Ok(());
            }
        }
    }
}

async fn reload(app: &App, source: &Source, fixed: &str) {
    let began = NotifyState::monotonic_usec_now();
    tell(&[NotifyState::Reloading, began.unwrap_or(NotifyState::Status("reloading"))]);
    if let Some(config) = source.read_again(fixed).await {
        app.replace(&config);
    }
    tell(&[NotifyState::Ready]);
}

/// The one line that says where the service is to be found, also when it chose the port itself.
fn announce(addresses: &Addresses) {
    let list = |addresses: &[SocketAddr]| {
        let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        texts.join(",")
    };
    tracing::info!(
        card_address = list(&addresses.cards),
        gateway_address = list(&addresses.gateways),
        status_address = list(&addresses.status),
        kdc_proxy_address = list(&addresses.kdc_proxy),
        "listening"
    );
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// What a signal asks for.
enum Asked {
    End,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }
}

/// Says often enough that the process lives, if systemd wants to know (`WatchdogSec=`).
struct Watchdog(Option<Interval>);

impl Watchdog {
    fn new() -> Self {
        Self(sd_notify::watchdog_enabled().filter(|every| !every.is_zero()).map(|every| interval(every / 2)))
    }

    async fn due(&mut self) {
        match &mut self.0 {
            Some(interval) => {
                interval.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_memory_is_in_no_core_file() {
        keep_memory_private().0.expect("any process may do so");
        let behaviour = rustix::process::dumpable_behavior().expect("the system tells");
        assert_eq!(behaviour, DumpableBehavior::NotDumpable);
    }
}
