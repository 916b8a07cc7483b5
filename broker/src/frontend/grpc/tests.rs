mod presentation;

use std::sync::Mutex;
use std::time::SystemTime;

use http::Request as HttpRequest;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::{Code as GrpcCode, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use super::v1::gateway_client::GatewayClient;
use super::v1::{EndSessionRequest, Form, IssueTicketRequest, RedeemRequest, Session};
use super::*;
use crate::error::{Code, Step};
use crate::frontend::gateways::{CertificateNames, GatewayCertificate, GatewayIdentity, Gateways, Standing};
use crate::handoff::Handoff;
use crate::handoff::testing::{HTTP, SETTINGS, Source, TERMSRV, Told, UNSAFE_KEY, open};
use crate::identity::PeerCertificates;
use crate::logging::testing::Log;
use crate::metrics::Metrics;
use crate::pipeline::LoginRequest;
use tokio::sync::watch;

impl From<IssueTicketError<Told>> for Refusal {
    fn from(error: IssueTicketError<Told>) -> Self {
        match error {
            IssueTicketError::Session(error) => Self::from_session(error, Step::IssueTicket),
            IssueTicketError::NotGranted => Self::new(Code::ServiceNotGranted, Step::IssueTicket),
            IssueTicketError::FormNotAllowed { .. } => Self::new(Code::PolicyDenied, Step::IssueTicket),
            IssueTicketError::Ticket(error) => {
                Self::because(Code::DelegationRefused, Step::IssueTicket, error)
            }
            IssueTicketError::Form(error) => Self::because(Code::Internal, Step::IssueTicket, error),
            IssueTicketError::Context(error) => Self::because(Code::Internal, Step::IssueTicket, error),
        }
    }
}

fn now() -> SystemTime {
    crate::clock::now()
}

const LIMITS: Limits = Limits {
    deadline: Duration::from_millis(200),
    max_contexts: 2,
    context_idle_timeout: Duration::from_millis(500),
    max_challenges: 8,
    challenge_lifetime: Duration::from_secs(60),
    max_logins: 4,
};

/// What was presented, the card's own certificate, and for which login.
type Asked = Arc<Mutex<Vec<(Vec<u8>, LoginRequest)>>>;

/// Opens a session of alice for whatever is presented.
struct Opens {
    desk: Arc<Desk<Source>>,
    asked: Asked,
}

impl Present for Opens {
    async fn log_in(&self, card: PeerCertificates, request: LoginRequest) -> Result<Handoff, Refusal> {
        self.asked.lock().expect("nobody panicked").push((card.card().to_vec(), request));
        Ok(open(&self.desk, now() + Duration::from_secs(900), now()))
    }
}

/// The interface around a desk of its own, with one code for `gw1` waiting.
pub(super) struct Bench {
    router: axum::Router,
    code: String,
    certificate: CertificateNames,
    pub(super) known: watch::Sender<Arc<Gateways>>,
    pub(super) drain: CancellationToken,
    asked: Asked,
    metrics: Metrics,
}

impl Bench {
    pub(super) async fn new(source: Source) -> Self {
        Self::with_limits(source, LIMITS).await
    }

    async fn with_limits(source: Source, limits: Limits) -> Self {
        let desk = Arc::new(Desk::new(SETTINGS, Arc::new(source)));
        let code = open(&desk, now() + Duration::from_secs(900), now()).code().as_str().to_owned();
        let drain = CancellationToken::new();
        let (asked, metrics) = (Asked::default(), Metrics::new());
        let present = Arc::new(Opens { desk: Arc::clone(&desk), asked: Arc::clone(&asked) });
        let router = routes(desk, present, limits, metrics.presentation(), drain.clone()).await.router;
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["gw1.corp.example".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).and_then(|asked| asked.self_signed(&key));
        let certificate = CertificateNames::read(certificate.expect("a certificate").der());
        let known = [(GatewayCertificate::DnsName("gw1.corp.example".into()), "gw1".into())];
        let (known, _) = watch::channel(Arc::new(Gateways::new(known)));
        Self { router, code, certificate: certificate.expect("its names"), known, drain, asked, metrics }
    }

    /// The connection of a gateway, as the listener would mark it.
    pub(super) fn connection(
        &self,
        gateway: &str,
    ) -> impl GrpcService<Body, ResponseBody = axum::body::Body> + Clone + use<> {
        let identity = GatewayIdentity::new(gateway);
        let known = self.known.subscribe();
        let standing = Standing::new(known, self.certificate.clone(), identity.clone());
        self.router.clone().map_request(move |mut request: HttpRequest<Body>| {
            request.extensions_mut().insert(identity.clone());
            request.extensions_mut().insert(standing.clone());
            request
        })
    }

    pub(super) async fn redeem(&self, gateway: &str) -> Result<Session, Status> {
        let request = RedeemRequest { code: self.code.clone() };
        GatewayClient::new(self.connection(gateway)).redeem(request).await.map(tonic::Response::into_inner)
    }

    async fn issue(&self, request: IssueTicketRequest) -> Result<v1::Ticket, Status> {
        GatewayClient::new(self.connection("gw1"))
            .issue_ticket(request)
            .await
            .map(tonic::Response::into_inner)
    }

    pub(super) async fn end(&self, gateway: &str, session: &Session) -> Result<(), Status> {
        let request = EndSessionRequest { session_id: session.session_id.clone() };
        GatewayClient::new(self.connection(gateway)).end_session(request).await.map(|_| ())
    }
}

fn asked(session: &Session, spn: &str, form: Form) -> IssueTicketRequest {
    IssueTicketRequest {
        session_id: session.session_id.clone(),
        spn: spn.to_owned(),
        form: form.into(),
        ..IssueTicketRequest::default()
    }
}

pub(super) fn reason(status: &Status) -> String {
    status.get_details_error_info().expect("every refusal carries error info").reason
}

#[tokio::test]
async fn a_redeemed_session_tells_who_what_and_until_when() {
    let session = Bench::new(Source::default()).await.redeem("gw1").await.expect("the code is good");
    let subject = session.subject.expect("a session has a subject");
    assert_eq!(subject.upn, "alice@corp.example");
    assert_eq!(subject.sam_account_name, "alice");
    assert_eq!(subject.realm, "CORP.EXAMPLE");
    assert_eq!(subject.sid, "S-1-5-21-1-2-3-1103");
    assert_eq!(subject.certificate_sha256, "0f".repeat(32));
    assert_eq!(session.session_id.len(), 22);
    assert_eq!(session.target, "desk1.corp.example");
    assert_eq!(session.granted_spns, [TERMSRV, HTTP]);
    assert_eq!(session.rule, "desktop-users");
    assert_eq!(session.login_id, "0123456789abcdef");
    let expires_at = SystemTime::try_from(session.expires_at.expect("a session ends")).expect("a time");
    assert!(expires_at > now() && expires_at < now() + Duration::from_secs(901));
}

#[tokio::test]
async fn a_used_and_a_foreign_code_look_unknown() {
    let bench = Bench::new(Source::default()).await;
    let foreign = bench.redeem("gw2").await.expect_err("the code is of another gateway");
    bench.redeem("gw1").await.expect("the code is good");
    let used = bench.redeem("gw1").await.expect_err("the code is used");
    for status in [foreign, used] {
        assert_eq!((status.code(), reason(&status)), (GrpcCode::NotFound, "CODE_UNKNOWN".to_owned()));
    }
}

#[tokio::test]
async fn every_form_is_given() {
    let bench = Bench::new(Source::default()).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    for (form, first_octet) in [(Form::SpnegoToken, 0x60), (Form::Ccache, 0x05), (Form::KrbCred, 0x76)] {
        let ticket = bench.issue(asked(&session, HTTP, form)).await.expect("the service is granted");
        assert_eq!((ticket.form(), ticket.spn.as_str(), ticket.ticket[0]), (form, HTTP, first_octet));
    }
}

#[tokio::test]
async fn an_ended_session_is_unknown() {
    let bench = Bench::new(Source::default()).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    let foreign = bench.end("gw2", &session).await.expect_err("the session is of another gateway");
    assert_eq!(reason(&foreign), "SESSION_UNKNOWN");
    bench.end("gw1", &session).await.expect("the session is alive");
    let refused =
        bench.issue(asked(&session, TERMSRV, Form::Ccache)).await.expect_err("the session has ended");
    assert_eq!((refused.code(), reason(&refused)), (GrpcCode::NotFound, "SESSION_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn malformed_requests_are_refused_by_field() {
    let bench = Bench::new(Source::default()).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    let good = || asked(&session, TERMSRV, Form::Ccache);
    let binding = || b"tls-exporter:0123456789abcdef0123456789abcdef".to_vec();
    let malformed = [
        IssueTicketRequest { session_id: String::new(), ..good() },
        IssueTicketRequest { spn: String::new(), ..good() },
        IssueTicketRequest { form: 0, ..good() },
        IssueTicketRequest { form: 99, ..good() },
        IssueTicketRequest { channel_bindings: binding(), ..good() },
        IssueTicketRequest { form: Form::KrbCred.into(), freerdp_placeholder: true, ..good() },
        IssueTicketRequest { krb_cred_key: vec![1; 32], ..good() },
        IssueTicketRequest { form: Form::KrbCred.into(), krb_cred_key: vec![1; 31], ..good() },
        IssueTicketRequest { spn: "x".repeat(16 * 1024), ..good() },
        IssueTicketRequest { form: Form::SpnegoToken.into(), channel_bindings: b"x".to_vec(), ..good() },
    ];
    for request in malformed {
        let shown = format!("{request:?}");
        let refused = bench.issue(request).await.expect_err("the request is malformed");
        let seen = (refused.code(), reason(&refused));
        assert_eq!(seen, (GrpcCode::InvalidArgument, "REQUEST_INVALID".to_owned()), "{shown}");
    }
    let bound = IssueTicketRequest { form: Form::SpnegoToken.into(), channel_bindings: binding(), ..good() };
    bench.issue(bound).await.expect("a well-formed binding is taken");
}

#[tokio::test]
async fn a_krb_cred_is_encrypted_where_a_key_is_given() {
    let bench = Bench::new(Source::default()).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    for (key, shown) in [(Vec::new(), true), (vec![1; 32], false)] {
        let request = IssueTicketRequest { krb_cred_key: key, ..asked(&session, HTTP, Form::KrbCred) };
        let ticket = bench.issue(request).await.expect("the service is granted");
        let session_key = ticket.ticket.windows(32).any(|octets| octets == UNSAFE_KEY);
        assert_eq!((ticket.ticket[0], session_key), (0x76, shown));
    }
}

#[tokio::test]
async fn a_domain_controller_that_does_not_answer_ends_in_the_deadline() {
    let silent = Source { permits: tokio::sync::Semaphore::new(0), ..Source::default() };
    let bench = Bench::new(silent).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    let refused = bench.issue(asked(&session, HTTP, Form::Ccache)).await.expect_err("nobody answers");
    assert_eq!(
        (refused.code(), reason(&refused)),
        (GrpcCode::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn services_that_are_not_granted_or_not_delegated_are_told_apart() {
    let bench = Bench::new(Source { refuses: true, ..Source::default() }).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    let foreign = bench.issue(asked(&session, "cifs/desk1.corp.example", Form::Ccache)).await;
    assert_eq!(reason(&foreign.expect_err("the service is not granted")), "SERVICE_NOT_GRANTED");
    let refused = bench.issue(asked(&session, HTTP, Form::Ccache)).await.expect_err("the source refuses");
    assert_eq!(
        (refused.code(), reason(&refused)),
        (GrpcCode::FailedPrecondition, "DELEGATION_REFUSED".to_owned())
    );
}

/// The login that the one refusal in the log belongs to.
pub(super) fn login_of_refusal(log: &Log) -> String {
    let lines = log.lines();
    let [refusal] = &lines.iter().filter(|line| line["message"] == "refused").collect::<Vec<_>>()[..] else {
        panic!("not one refusal: {lines:?}");
    };
    refusal["span"]["login_id"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_refused_ticket_is_logged_with_the_login_it_belongs_to() {
    let bench = Bench::new(Source { refuses: true, ..Source::default() }).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    for spn in [HTTP, "cifs/desk1.corp.example"] {
        let log = Log::default();
        let _capturing = log.capture();
        bench.issue(asked(&session, spn, Form::Ccache)).await.expect_err("there is no ticket");
        assert_eq!(login_of_refusal(&log), session.login_id, "{spn}");
    }
}

#[tokio::test]
async fn a_connection_without_a_gateway_is_served_nothing() {
    let bench = Bench::new(Source::default()).await;
    let request = RedeemRequest { code: bench.code.clone() };
    let refused =
        GatewayClient::new(bench.router.clone()).redeem(request).await.expect_err("nobody is calling");
    assert_eq!(
        (refused.code(), reason(&refused)),
        (GrpcCode::PermissionDenied, "GATEWAY_UNKNOWN".to_owned())
    );
}

#[tokio::test]
async fn health_reports_the_interface_and_the_whole() {
    let bench = Bench::new(Source::default()).await;
    for service in ["", SERVICE_NAME] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let answer =
            HealthClient::new(bench.connection("gw1")).check(request).await.expect("health is served");
        assert_eq!(answer.into_inner().status, 1, "SERVING");
    }
}

#[tokio::test]
async fn reflection_knows_the_interface() {
    let bench = Bench::new(Source::default()).await;
    let asked = MessageRequest::FileContainingSymbol("kerbridge.v1.Gateway.IssueTicket".to_owned());
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(asked),
    };
    let mut client = ServerReflectionClient::new(bench.connection("gw1"));
    let stream =
        client.server_reflection_info(tokio_stream::once(request)).await.expect("reflection is served");
    let answer = stream.into_inner().message().await.expect("the stream is sound").expect("one answer");
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
        panic!("the symbol is known");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}
