//! Everything one login needs, from the card to the desktop: a domain controller, the broker, a workstation with alice's
//! card in it, a desktop host and a gateway.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::broker_process::{BROKER_NAME, BrokerError, BrokerProcess};
use crate::card::{Answer, Presented, TokenKind, Workstation, WorkstationError};
use crate::desktop::{Desktop, DesktopError};
use crate::gateway::{Gateway, GatewayError};
use crate::lab::Lab;
use crate::samba_ad::DomainError;
use crate::wait;

/// The person.
pub const PERSON: &str = "alice";
/// Her user principal name.
pub const UPN: &str = "alice@corp.example";
/// The gateway's name in the broker's configuration.
pub const GATEWAY: &str = "gw1";
/// The desktop host's computer account.
pub const COMPUTER: &str = "desk1";

/// How often a line is shown to be alive.
const TICK: Duration = Duration::from_secs(2);

/// All parts, running; they are removed on drop.
#[derive(Debug)]
pub struct Scene {
    // In the order in which they are dropped: the lab's network outlives what is on it.
    broker: BrokerProcess,
    workstation: Workstation,
    gateway: Gateway,
    desktop: Desktop,
    lab: Arc<Lab>,
}

/// A part that did not come up, or a login that was not answered with a code.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The domain controller.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The workstation.
    #[error(transparent)]
    Workstation(#[from] WorkstationError),
    /// The desktop host.
    #[error(transparent)]
    Desktop(#[from] DesktopError),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The broker did not let alice in.
    #[error("the login was refused with {code} at {step}: {detail}")]
    Refused {
        /// The stable code.
        code: String,
        /// The step that refused.
        step: String,
        /// The words for a person.
        detail: String,
    },
}

/// Says what is being done, shows that it goes on, and says how long it took.
pub struct Progress<'a>(&'a mut dyn Write);

impl Scene {
    /// Brings up all parts in a lab, with the tests' domain and the broker's usual configuration.
    ///
    /// # Errors
    /// [`SceneError`] of the part that does not come up.
    pub fn start(lab: Arc<Lab>, progress: &mut Progress<'_>) -> Result<Self, SceneError> {
        let broker = progress.during("the broker", || BrokerProcess::start(&lab))?;
        let desktop =
            progress.during("a desktop host: ssh, web, VNC, RDP", || Desktop::start(&lab, COMPUTER))?;
        let hosts = [(desktop.host(), desktop.address()), (BROKER_NAME, lab.network().host_address())];
        let gateway = progress.during("a gateway", || Gateway::start(&lab, GATEWAY, &hosts))?;
        let workstation = progress.during("a workstation, with alice's card in its reader", || {
            let workstation = Workstation::start(&lab, "workstation")?;
            let card = lab.pki().card(UPN).sid(lab.controller().sid(PERSON)?);
            workstation.insert_token(&card, TokenKind::Rsa)?;
            Ok::<_, SceneError>(workstation)
        })?;
        Ok(Self { broker, workstation, gateway, desktop, lab })
    }

    /// The broker.
    #[must_use]
    pub fn broker(&self) -> &BrokerProcess {
        &self.broker
    }

    /// The workstation; alice's card is in its reader.
    #[must_use]
    pub fn workstation(&self) -> &Workstation {
        &self.workstation
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The desktop host.
    #[must_use]
    pub fn desktop(&self) -> &Desktop {
        &self.desktop
    }

    /// The lab they are in.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Logs alice in with her card, for a desktop named in full; the answer holds a code.
    ///
    /// # Errors
    /// [`SceneError::Refused`] where the broker does not let her in.
    pub fn log_in(&self, target: &str) -> Result<Answer, SceneError> {
        let answer = self.workstation.log_in(&self.broker, Presented::Token, GATEWAY, target)?;
        if answer.code().is_some() {
            return Ok(answer);
        }
        let field = |name| answer.field(name).unwrap_or_default().to_owned();
        Err(SceneError::Refused { code: field("code"), step: field("step"), detail: field("detail") })
    }
}

impl<'a> Progress<'a> {
    /// Writes to a terminal, a file or nowhere.
    pub fn new(to: &'a mut dyn Write) -> Self {
        Self(to)
    }

    /// Does a piece of work that may take long.
    pub fn during<T: Send>(&mut self, what: &str, work: impl FnOnce() -> T + Send) -> T {
        let started = wait::monotonic();
        self.show(format_args!("  {what} "));
        let done = std::thread::scope(|scope| {
            let (send, receive) = mpsc::channel::<()>();
            let worker = scope.spawn(move || {
                let done = work();
                drop(send);
                done
            });
            // The channel carries nothing: it closes when the work is done.
            while receive.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                self.show(format_args!("."));
            }
            worker.join()
        });
        self.show(format_args!(" {:.1} s\n", started.elapsed().as_secs_f64()));
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A terminal that has gone away does not stop the work.
    fn show(&mut self, text: fmt::Arguments<'_>) {
        drop(self.0.write_fmt(text).and_then(|()| self.0.flush()));
    }
}

impl fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_named_before_it_begins_and_timed_when_it_ends() {
        let mut shown = Vec::new();
        let answer = Progress::new(&mut shown).during("adding", || 3 + 4);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(answer, 7);
        assert!(shown.starts_with("  adding ") && shown.ends_with(" s\n"), "{shown}");
    }
}
