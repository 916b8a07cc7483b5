//! Reading the configuration again while the service runs (SIGHUP).
//!
//! Certificates, revocation lists, policy and gateways are taken over all together or not at all: where the new
//! configuration has a problem, the old one stays and every problem is logged. The content of the service's own keytab or
//! password is taken over too, once a KDC accepts it.

use std::path::PathBuf;

use tokio::task::spawn_blocking;

use crate::config::{Config, Problem};

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The configuration file.
    pub path: PathBuf,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
}

impl Source {
    /// Reads everything. Blocks.
    ///
    /// # Errors
    /// Every problem there is.
    pub fn read(&self) -> Result<Config, Vec<Problem>> {
        Config::load(&self.path, self.credentials.clone(), crate::clock::now())
    }

    /// Reads everything again, away from the tasks that serve. Says in the log what is wrong, or that a part of it needs
    /// a restart; `running` is what the service started with.
    pub async fn read_again(&self, running: &str) -> Option<Config> {
        let source = self.clone();
        let read = spawn_blocking(move || source.read()).await;
        match read {
            Ok(Ok(config)) => {
                if config.fixed() != running {
                    tracing::warn!(
                        "addresses, limits, directory, kerberos, handoff, log and health change only by a restart"
                    );
                }
                config.log();
                tracing::info!("configuration taken over");
                Some(config)
            }
            Ok(Err(problems)) => {
                for problem in &problems {
                    let (place, fault) = (problem.place(), problem.fault());
                    tracing::error!(%place, %fault, mend = fault.mend(), "problem in the configuration");
                }
                tracing::error!(count = problems.len(), "configuration refused, the old one stays");
                None
            }
            Err(error) => {
                tracing::error!(%error, "configuration could not be read, the old one stays");
                None
            }
        }
    }
}
