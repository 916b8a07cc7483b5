//! Wires everything together: from a [`Config`] to a running service.
//!
//! Does I/O. What a reload can replace lives in `watch` channels, of which every connection or request takes the
//! newest value: the TLS settings, the gateways, and the line with its validator and its policy. Everything else is
//! made once.

mod lists;
mod sessions;

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use kdc_proxy::net::client::{Client, ReplaceError};
use ldap_map::net::directory::Directory;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, KdcProxy, ServiceSecret, Stamp},
    controllers::{self, RealmControllers},
    directory::{ResolveError, Witness},
    error::{Refusal, Step},
    frontend::{
        admission::admit,
        gateways::Gateways,
        grpc::{self, challenges::Challenges},
        kkdcp::{self, Admission, JudgeCards},
        listener::{self, BindError, Listener, TlsGeneration, Transport},
        status,
        terminators::{Presented, Terminators},
        web::{self, Door, LoginRequest, Welcome},
    },
    handoff::{Desk, Handoff, ProxyTokens},
    health::{Failure, Monitor, Probe},
    identity::PeerCertificates,
    metrics::{Metrics, identity::IdentityMetrics},
    pipeline::{self, Line},
    policy::Shadow,
    tickets::{Issuer, TicketError},
};

/// A running service.
pub struct App {
    line: watch::Sender<Arc<Line>>,
    authorities: IdentityMetrics,
    card_tls: watch::Sender<TlsGeneration>,
    gateway_tls: watch::Sender<TlsGeneration>,
    /// Used only where there is a KDC proxy.
    kdc_proxy_tls: watch::Sender<TlsGeneration>,
    gateways: watch::Sender<Arc<Gateways>>,
    terminators: watch::Sender<Arc<Terminators>>,
    kerberos: Arc<Client>,
    service_secret: ServiceSecret,
    addresses: Addresses,
    drain: CancellationToken,
    drain_timeout: Duration,
    tasks: TaskTracker,
}

/// What the service listens on, with the ports that were really opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// The card listener.
    pub cards: Vec<SocketAddr>,
    /// The gateways' listener.
    pub gateways: Vec<SocketAddr>,
    /// The status page.
    pub status: Vec<SocketAddr>,
    /// The KDC proxy.
    pub kdc_proxy: Vec<SocketAddr>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Drained {
    /// All that was running has finished.
    Completely,
    /// The deadline came first; what was still running is cut off.
    CutOff,
}

impl App {
    /// Opens the listeners and serves. The directory, the KDC and the DNS that names them need not be there; until they are,
    /// logins are refused and the status page says why.
    ///
    /// # Errors
    /// An address cannot be listened on. Nothing is left running then.
    pub async fn start(mut config: Config) -> Result<Self, BindError> {
        let witness = Witness::new(Arc::clone(config.domains.own().directory()));
        let issuer = Arc::new(Issuer::new(Arc::clone(&config.kerberos), config.tickets.clone(), witness));
        let kdc_proxy = config.kdc_proxy.take();
        let tokens = proxy_tokens(kdc_proxy.as_ref(), config.handoff.max_sessions);
        let (controllers, domains) = (config.controllers.clone(), Arc::clone(&config.domains));
        let metrics = Arc::new(Metrics::watching(controllers, config.validator.memory(), domains));
        let desk = Desk::new(config.handoff, Arc::clone(&issuer)).with_proxy_tokens(tokens.clone());
        let desk = Arc::new(desk.telling(Arc::new(metrics.sessions())));
        let (card_tls, card_settings) = watch::channel(generation(Arc::clone(&config.cards.tls)));
        let (gateway_tls, gateway_settings) = watch::channel(generation(Arc::clone(&config.gateway_api.tls)));
        let (gateways, known) = watch::channel(Arc::clone(&config.gateway_api.gateways));
        let (terminators, in_front) = watch::channel(Arc::clone(&config.cards.terminators));
        let (line, current) = watch::channel(Arc::new(first_line(&config, issuer, &desk, &metrics)));

        let Config { cards, gateway_api, status, .. } = &config;
        let card_listener =
            bind("card", &cards.listen, Transport::Tls(card_settings), &cards.connections).await?;
        let transport = Transport::TlsHttp2(gateway_settings);
        let gateway_listener =
            bind("gateway", &gateway_api.listen, transport, &gateway_api.connections).await?;
        let status_listener = match status {
            Some(page) => Some(bind("status", &[page.listen], Transport::Plain, &page.connections).await?),
            None => None,
        };
        let proxy_tls = kdc_proxy.as_ref().map_or(&config.gateway_api.tls, |proxy| &proxy.tls);
        let (kdc_proxy_tls, settings) = watch::channel(generation(Arc::clone(proxy_tls)));
        let kdc_proxy = match kdc_proxy {
            Some(proxy) => {
                let transport = Transport::Tls(settings);
                let listener = bind("kdc proxy", &proxy.listen, transport, &proxy.connections).await?;
                let admission = admission(&proxy, tokens, current.clone());
                Some((listener, proxy.relay, proxy.settings, admission))
            }
            None => None,
        };
        let addresses = Addresses {
            kdc_proxy: kdc_proxy.as_ref().map(|(listener, ..)| listener.addresses()).unwrap_or_default(),
            cards: card_listener.addresses(),
            gateways: gateway_listener.addresses(),
            status: status_listener.as_ref().map(Listener::addresses).unwrap_or_default(),
        };

        let (drain, tasks) = (CancellationToken::new(), TaskTracker::new());
        find_controllers(&config.controllers, &drain, &tasks).await;
        let authorities = metrics.identity().showing(&config.validator.authorities());
        if let Some((listener, relay, allowed, admission)) = kdc_proxy {
            let router = kkdcp::router(relay, allowed, admission, metrics.kdc_proxy());
            listener.serve(&router, &drain, &tasks);
        }
        let portal = Arc::new(Portal { line: current });
        let (present, counters) = (Arc::clone(&portal), metrics.presentation());
        let interface =
            grpc::routes(Arc::clone(&desk), present, gateway_api.calls, counters, drain.clone()).await;
        let monitor =
            Monitor::new(probes(&config, line.subscribe()), config.check_interval, interface.health);
        if let Some(listener) = status_listener {
            let page = status::router(monitor.report(), Arc::clone(&metrics), config.controllers.clone());
            listener.serve(&page, &drain, &tasks);
        }
        let backstop = gateway_api.calls.deadline.saturating_add(BACKSTOP);
        let calls = admit(interface.router, known, backstop, metrics.presentation());
        gateway_listener.serve(&calls, &drain, &tasks);
        let door = Door { terminators: in_front, metrics: metrics.presentation() };
        let logins = web::router(portal, cards.logins, door);
        card_listener.serve(&logins, &drain, &tasks);
        tasks.spawn(renew_answers(line.subscribe(), drain.clone()));
        tasks.spawn(lists::watch(line.subscribe(), metrics.identity(), drain.clone()));
        tasks.spawn(monitor.run(drain.clone()));
        sessions::watch(&desk, config.recheck, &line, &metrics.sessions(), (&drain, &tasks));
        tasks.spawn(sweep(interface.challenges, drain.clone()));
        tend(&config, &drain, &tasks);
        let Config { kerberos, service_secret, drain_timeout, .. } = config;
        Ok(Self {
            line,
            authorities,
            card_tls,
            gateway_tls,
            kdc_proxy_tls,
            gateways,
            terminators,
            kerberos,
            service_secret,
            addresses,
            drain,
            drain_timeout,
            tasks,
        })
    }

    /// What it listens on.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Takes certificates, revocation lists, policy and gateways from a new configuration, and looks whether the files
    /// of the service's own secret have another one, which is taken over once a KDC accepts it.
    ///
    /// Sessions that rest on certificates which the new one no longer believes end. Logins that are running finish under
    /// the old one. Connections finish what they are doing and close, so that their clients come back under the new one.
    pub fn replace(&self, config: &Config) {
        let old = Arc::clone(&self.line.borrow());
        // The one that is in use knows the controllers that were found.
        config.fetcher.look_in(Arc::clone(old.domains.own().directory()));
        self.line.send_replace(Arc::new(Line {
            gateways: names(&config.gateway_api.gateways),
            validator: Arc::new(config.validator.remembering(&old.validator)),
            domains: Arc::clone(&old.domains),
            policy: Arc::clone(&config.policy),
            targets: Arc::clone(&config.targets),
            shadow: old.shadow.trying(config.candidate.clone()),
            is_controller: Arc::clone(&old.is_controller),
            issuer: Arc::clone(&old.issuer),
            desk: Arc::clone(&old.desk),
        }));
        self.authorities.replace(&config.validator.authorities());
        self.gateways.send_replace(Arc::clone(&config.gateway_api.gateways));
        self.terminators.send_replace(Arc::clone(&config.cards.terminators));
        let proxy = config.kdc_proxy.as_ref().map(|proxy| (&self.kdc_proxy_tls, &proxy.tls));
        let listeners = [(&self.card_tls, &config.cards.tls), (&self.gateway_tls, &config.gateway_api.tls)];
        for (sender, tls) in listeners.into_iter().chain(proxy) {
            sender.send_replace(generation(Arc::clone(tls))).retired.cancel();
        }
        let (drain, kerberos) = (self.drain.clone(), Arc::clone(&self.kerberos));
        let renewal = renew_secret(kerberos, self.service_secret.clone());
        self.tasks.spawn(async move { drain.run_until_cancelled(renewal).await });
    }

    /// Stops accepting, and lets what is running finish until the deadline.
    pub async fn drain(self) -> Drained {
        self.drain.cancel();
        self.tasks.close();
        match timeout(self.drain_timeout, self.tasks.wait()).await {
            Ok(()) => Drained::Completely,
            Err(_) => Drained::CutOff,
        }
    }
}

/// The pipeline as the listeners see it.
struct Portal {
    line: watch::Receiver<Arc<Line>>,
}

impl web::Login for Portal {
    async fn login(&self, presented: Presented, asked: LoginRequest) -> Result<Welcome, Refusal> {
        let LoginRequest { gateway, target, user, login_id, answer_by } = asked;
        let Presented { certificates, origin } = presented;
        let request = pipeline::LoginRequest { gateway, target, user, origin, login_id, answer_by };
        let handoff = self.go(certificates, &request).await?;
        Ok(Welcome {
            code: handoff.code(),
            expires_in: handoff.expires_in(),
            gateway: handoff.gateway().to_owned(),
            subject: handoff.subject().upn.clone(),
        })
    }
}

/// The tokens that sessions get where their clients may use the KDC proxy.
fn proxy_tokens(proxy: Option<&KdcProxy>, limit: usize) -> Option<Arc<ProxyTokens>> {
    Some(Arc::new(ProxyTokens::new(proxy?.session_url.clone()?, limit)))
}

/// The line of the configuration that the service starts with.
fn first_line(config: &Config, issuer: Arc<Issuer>, desk: &Arc<Desk<Issuer>>, metrics: &Metrics) -> Line {
    Line {
        gateways: names(&config.gateway_api.gateways),
        validator: Arc::clone(&config.validator),
        domains: Arc::clone(&config.domains),
        policy: Arc::clone(&config.policy),
        targets: Arc::clone(&config.targets),
        shadow: Shadow::new(metrics.policy().tally()).trying(config.candidate.clone()),
        is_controller: {
            let controllers = config.controllers.clone();
            Arc::new(move |host| controllers.iter().any(|realm| realm.are_at(host)))
        },
        issuer,
        desk: Arc::clone(desk),
    }
}

impl grpc::Present for Portal {
    async fn log_in(
        &self,
        card: PeerCertificates,
        request: pipeline::LoginRequest,
    ) -> Result<Handoff, Refusal> {
        self.go(Some(card), &request).await
    }
}

impl Portal {
    /// Goes through the line that was loaded last.
    async fn go(
        &self,
        card: Option<PeerCertificates>,
        request: &pipeline::LoginRequest,
    ) -> Result<Handoff, Refusal> {
        let (now, began) = (crate::clock::now(), crate::clock::instant());
        let elapsed = move || crate::clock::instant().saturating_duration_since(began);
        let line = Arc::clone(&self.line.borrow());
        line.login(card, request, now, elapsed, &mut crate::entropy::system()).await
    }
}

/// Who may use the KDC proxy. Cards are judged as at the card listener, by what was loaded last.
fn admission(
    proxy: &KdcProxy,
    tokens: Option<Arc<ProxyTokens>>,
    line: watch::Receiver<Arc<Line>>,
) -> Admission {
    let judge_cards: JudgeCards = Box::new(move |chain, now| {
        let validator = Arc::clone(&line.borrow().validator);
        let chain = PeerCertificates::new(chain.to_vec());
        Box::pin(async move {
            validator.validate(&chain?, now, &mut crate::entropy::system()).await?;
            Ok(())
        })
    });
    Admission {
        open: proxy.open,
        certificates: proxy.certificates,
        judge_cards,
        tokens,
        session_kpasswd: proxy.session_kpasswd,
    }
}

/// What the status page asks: whether the directory answers, and whether there is a ticket-granting ticket.
fn probes(config: &Config, line: watch::Receiver<Arc<Line>>) -> Vec<Probe> {
    let (directory, kerberos) = (Arc::clone(config.domains.own().directory()), Arc::clone(&config.kerberos));
    let own = config.controllers.first();
    let [of_directory, of_kerberos] = [own.cloned(), own.cloned()];
    let directory = move || {
        let (directory, realm) = (Arc::clone(&directory), of_directory.clone());
        async move { searching_again(realm.as_deref(), check(&directory)).await }
    };
    let kerberos = move || {
        let (kerberos, realm) = (Arc::clone(&kerberos), of_kerberos.clone());
        async move { searching_again(realm.as_deref(), check_ticket(&kerberos)).await }
    };
    let mut probes = vec![Probe::new("directory", directory), Probe::new("kerberos", kerberos)];
    if !config.domains.trusted().is_empty() {
        let domains = Arc::clone(&config.domains);
        // Logins of our own accounts go on without them.
        probes.push(Probe::beside("trusted_directories", move || {
            let domains = Arc::clone(&domains);
            async move {
                for domain in domains.trusted() {
                    check(domain.directory()).await?;
                }
                Ok(())
            }
        }));
    }
    let discovered: Vec<_> =
        config.controllers.iter().filter(|realm| realm.are_discovered()).cloned().collect();
    if !discovered.is_empty() {
        // Logins go on with the controllers that were found last.
        probes.push(Probe::known("discovery", move || {
            let failing = discovered.iter().find_map(|realm| realm.check().err());
            failing.map_or(Ok(()), |error| {
                Err(Failure { code: controllers::code_of(&error), detail: error.to_string() })
            })
        }));
    }
    if config.validator.bundle().is_some() || !config.validator.crls().is_empty() {
        probes.push(Probe::known("revocation_lists", move || lists::check(&line.borrow().validator)));
    }
    probes
}

/// Begins what keeps the knowledge of the domain controllers, and the service's own secret, up to date.
fn tend(config: &Config, drain: &CancellationToken, tasks: &TaskTracker) {
    for domain in config.domains.all() {
        tasks.spawn(tend_directory(Arc::clone(domain.directory()), drain.clone()));
    }
    tasks.spawn(tend_kerberos(Arc::clone(&config.kerberos), drain.clone()));
    let follow = follow_secret(Arc::clone(&config.kerberos), config.service_secret.clone());
    let until = drain.clone();
    tasks.spawn(async move { until.run_until_cancelled(follow).await.unwrap_or_default() });
}

/// Has the realm's controllers searched again where what is asked of them fails: others may have taken their place.
async fn searching_again(
    realm: Option<&RealmControllers>,
    asked: impl Future<Output = Result<(), Refusal>>,
) -> Result<(), Refusal> {
    let outcome = asked.await;
    if outcome.is_err() {
        realm.into_iter().for_each(RealmControllers::hurry);
    }
    outcome
}

/// Begins to search the domain controllers that are not listed, and waits a while for the first ones.
async fn find_controllers(
    controllers: &[Arc<RealmControllers>],
    drain: &CancellationToken,
    tasks: &TaskTracker,
) {
    for realm in controllers {
        let (realm, drain) = (Arc::clone(realm), drain.clone());
        tasks.spawn(async move { drain.run_until_cancelled(realm.keep_up()).await });
    }
    let all = async {
        for realm in controllers {
            realm.first_search().await;
        }
    };
    if timeout(FIRST_SEARCH, all).await.is_err() {
        tracing::warn!("the search for domain controllers takes long and goes on while logins are refused");
    }
}

async fn check_ticket(kerberos: &Client) -> Result<(), Refusal> {
    let ticket = kerberos.service_tgt().await;
    ticket.map(drop).map_err(|error| Refusal::from_ticket(TicketError::Client(error), Step::Issue))
}

async fn check(directory: &Directory) -> Result<(), Refusal> {
    directory.check().await.map(drop).map_err(|error| ResolveError::from(error).into())
}

/// Has answers about revocation renewed before they end, for cards that were seen lately.
async fn renew_answers(line: watch::Receiver<Arc<Line>>, drain: CancellationToken) {
    let mut ticks = interval(RENEW_ANSWERS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while drain.run_until_cancelled(ticks.tick()).await.is_some() {
        let validator = Arc::clone(&line.borrow().validator);
        let mut rng = crate::entropy::system();
        let renewing = validator.refresh(crate::clock::now(), &mut rng);
        let Some(cards) = drain.run_until_cancelled(renewing).await else { return };
        tracing::trace!(cards, "answers about revocation were renewed");
    }
}

/// Wipes the challenges that no card has answered in time.
async fn sweep(challenges: Arc<Challenges>, drain: CancellationToken) {
    let mut ticks = interval(SWEEP);
    loop {
        tokio::select! {
            biased;
            () = drain.cancelled() => return,
            _ = ticks.tick() => {
                let waiting = challenges.sweep(crate::clock::now());
                tracing::trace!(waiting, "challenges swept");
            }
        }
    }
}

/// Finds out which of the domain controllers that failed are back, so that no login has to.
async fn tend_directory(directory: Arc<Directory>, drain: CancellationToken) {
    drain.run_until_cancelled(Box::pin(directory.tend())).await.unwrap_or_default();
}

/// The same of the realms' KDCs.
async fn tend_kerberos(kerberos: Arc<Client>, drain: CancellationToken) {
    drain.run_until_cancelled(kerberos.tend()).await.unwrap_or_default();
}

/// Takes over what is new in the files of the service's own secret.
async fn renew_secret(kerberos: Arc<Client>, secret: ServiceSecret) -> Result<(), ReplaceError> {
    secret.renew_directories().await;
    let renewed = kerberos.renew_credential().await;
    if let Err(error) = &renewed {
        tracing::error!(%error, "the service's own new secret was not taken over, the old one stays");
    }
    renewed.map(drop)
}

/// Looks whether the files of the service's own secret have changed, so that a new secret is known before the old one is
/// refused.
async fn follow_secret(kerberos: Arc<Client>, secret: ServiceSecret) {
    let mut ticks = interval(LOOK_AT_SECRET);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: Option<Stamp> = None;
    loop {
        ticks.tick().await;
        let files = secret.clone();
        let Ok(present) = spawn_blocking(move || files.stamp()).await else { continue };
        if known.as_ref() == Some(&present) {
            continue;
        }
        known = match renew_secret(Arc::clone(&kerberos), secret.clone()).await {
            // Nobody could be asked: the same files are looked at again.
            Err(ReplaceError::Client(error)) if error.is_unavailable() => None,
            _ => Some(present),
        };
    }
}

async fn bind(
    name: &'static str,
    addresses: &[SocketAddr],
    transport: Transport,
    limits: &listener::Limits,
) -> Result<Listener, BindError> {
    Listener::bind(name, addresses, transport, limits.clone()).await
}

fn generation(config: Arc<rustls::ServerConfig>) -> TlsGeneration {
    TlsGeneration { config, retired: CancellationToken::new() }
}

fn names(gateways: &Gateways) -> BTreeSet<String> {
    gateways.names().map(str::to_owned).collect()
}

/// How often the files of the service's own secret are looked at; the README names it too.
const LOOK_AT_SECRET: Duration = Duration::from_secs(5);

/// How often it is looked whether answers about revocation are about to end.
const RENEW_ANSWERS: Duration = Duration::from_secs(5);

/// How often challenges that have expired are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// How long a start waits for the first domain controllers.
const FIRST_SEARCH: Duration = Duration::from_secs(5);

/// How much longer than its own deadline a gateway's call may take before it is cut off from outside.
const BACKSTOP: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
