//! `kerbridge explain`: the whole line, dry.
//!
//! Does I/O: the directory is read. No domain controller is asked for a ticket, and no code is made.

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod report;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::Args;
use ldap_map::certificate::CertificateFacts;
use ldap_map::computer::Computer;
use ldap_map::net::locate::LocateError;

use self::report::{Report, Service};
use super::{Arguments, certificate::certificates};
use crate::{
    clock,
    config::Config,
    directory::{self, DirectoryAccount, UserHint, Witness},
    error::{Code, Refusal, Step},
    exit,
    identity::{PeerCertificates, ValidatedIdentity},
    policy::{Channel, Circumstances, Decision, Person, Request, Revocation, Target},
    tickets::Issuer,
};

/// Longest time that reading the directory about one service may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose login is explained.
#[derive(Args, Debug)]
pub struct ExplainArguments {
    #[command(flatten)]
    common: Arguments,
    /// The desktop; without one, policy and delegation are left out.
    #[arg(long, value_name = "HOST")]
    target: Option<String>,
    /// The gateway; without one, the first of the configuration.
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// The account, for a card with several: a user principal name, or a sAMAccountName.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// The card's certificate, PEM or DER. What stands behind it in its file helps to build a path.
    #[arg(value_name = "LEAF")]
    leaf: PathBuf,
}

/// The code of a login that would be refused.
const REFUSED: u8 = 1;

/// Says what a login with this certificate would come to, and why.
pub(super) fn explain(arguments: ExplainArguments) -> ExitCode {
    let ExplainArguments { common, target, gateway, user, json, leaf } = arguments;
    let config = match super::read(&common.source()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let asked = Asked { target, gateway, user };
    let explained = certificates(&leaf).map_err(|fault| (fault.to_string(), exit::USAGE)).and_then(|chain| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| (error.to_string(), exit::SYSTEM))?;
        let explained = runtime.block_on(asked.explain(&config, chain, clock::now()));
        explained
            .map_err(|error| (format!("the domain controllers are not found: {error}"), exit::UNAVAILABLE))
    });
    let report = match explained {
        Ok(report) => report,
        Err((words, code)) => {
            // Where not even this can be written, the exit code still says it.
            drop(writeln!(io::stderr(), "{words}"));
            return code.into();
        }
    };
    let written = super::say(&if json { report.json() } else { report.text() });
    if report.is_refused() && written == ExitCode::SUCCESS { REFUSED.into() } else { written }
}

/// What is asked for beside the certificate.
struct Asked {
    target: Option<String>,
    gateway: Option<String>,
    user: Option<String>,
}

impl Asked {
    /// Goes through the steps until one refuses.
    async fn explain(
        &self,
        config: &Config,
        chain: Vec<rustls_pki_types::CertificateDer<'static>>,
        now: SystemTime,
    ) -> Result<Report, LocateError> {
        let mut report = Report::new(now);
        if let Some(Ok(facts)) = chain.first().map(|leaf| CertificateFacts::parse(leaf)) {
            report.certificate(&facts, config.domains.own().settings());
        }
        let Some(identity) = validate(config, chain, now, &mut report) else { return Ok(report) };
        for controllers in &config.controllers {
            controllers.search_once().await?;
        }
        let Some(account) = self.resolve(config, &identity, now, &mut report).await else {
            return Ok(report);
        };
        if let Some(target) = &self.target {
            self.decide(config, (&identity, &account), target, now, &mut report).await;
        }
        Ok(report)
    }

    async fn resolve(
        &self,
        config: &Config,
        identity: &ValidatedIdentity,
        now: SystemTime,
        report: &mut Report,
    ) -> Option<DirectoryAccount> {
        let hint = match self.user.as_deref().map(UserHint::parse).transpose() {
            Ok(hint) => hint,
            Err(error) => {
                report.refuse(&Refusal::from(directory::ResolveError::from(error)));
                return None;
            }
        };
        let explained = directory::explain(&config.domains, identity, hint.as_ref(), now).await;
        report.account(&explained);
        match explained.verdict {
            Ok(account) => Some(account),
            Err(error) => {
                report.refuse(&Refusal::from(error));
                None
            }
        }
    }

    async fn decide(
        &self,
        config: &Config,
        (identity, account): (&ValidatedIdentity, &DirectoryAccount),
        target: &str,
        now: SystemTime,
        report: &mut Report,
    ) {
        let target = match Target::new(target) {
            Ok(target) => target,
            Err(error) => {
                report.refuse(&Refusal::because(Code::RequestInvalid, Step::Request, error));
                return;
            }
        };
        let first = config.summary.gateways.first();
        let gateway = self.gateway.as_ref().or(first).map(String::as_str).unwrap_or_default();
        let computer = if config.targets.are_in_directory() {
            match directory::computer(&config.domains, target.as_str()).await {
                Ok(computer) => computer,
                Err(error) => {
                    report.refuse(&Refusal::from(error));
                    return;
                }
            }
        } else {
            None
        };
        let asked = Request {
            person: Person::of(account, identity, config.policy.levels()),
            is_controller: computer.as_ref().is_some_and(Computer::is_domain_controller)
                || config.controllers.iter().any(|realm| realm.are_at(target.as_str())),
            services: config.targets.services(&target).to_vec(),
            no_others: false,
            target: config.targets.facts(target, computer.as_ref()),
            circumstances: Circumstances {
                gateway: gateway.to_owned(),
                client_address: None,
                time: now,
                channel: Channel::CardListener,
                revocation: Revocation::of(identity.revocation(), now),
            },
        };
        let grant = match config.policy.decide(asked) {
            Decision::Permit(grant) => grant,
            Decision::Deny(denial) => {
                report.refuse(&Refusal::from(denial));
                return;
            }
        };
        report.grant(&grant, gateway);
        let witness = Witness::new(Arc::clone(config.domains.own().directory()));
        let issuer = Issuer::new(Arc::clone(&config.kerberos), config.tickets.clone(), witness);
        for service in grant.services() {
            let spn = service.to_string();
            let outlook = issuer.outlook(account, &spn, clock::instant() + PATIENCE).await;
            report.service(Service::new(spn, &outlook));
        }
    }
}

/// The first step, by what is at hand: no responder is asked.
fn validate(
    config: &Config,
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    now: SystemTime,
    report: &mut Report,
) -> Option<ValidatedIdentity> {
    let peer = match PeerCertificates::new(chain) {
        Ok(peer) => peer,
        Err(error) => {
            report.refuse(&Refusal::because(Code::CertificateInvalid, Step::Validate, error));
            return None;
        }
    };
    let mut held = Vec::new();
    match config.validator.explain(&peer, now, &mut held) {
        Ok(identity) => {
            report.checks(identity.checks());
            Some(identity)
        }
        Err(error) => {
            report.checks(&held);
            report.refuse(&Refusal::from(error));
            None
        }
    }
}
