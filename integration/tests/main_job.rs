//! The main job: alice logs in with her card, and with nothing but what the broker handed out a gateway opens real backends as
//! her. What the backends refuse is shown in `backends`.

use integration::gateway::GatewayError;
use integration::gateway::redeem::{Form, Redeemed};
use integration::scene::Scene;

use crate::bench::scene;

const HOST: &str = "desk1.corp.example";
const PAGE: &str = "http://desk1.corp.example/";

/// Alice logs in, the gateway redeems her code for these tickets.
fn redeemed(scene: &Scene, target: &str, tickets: &[(&str, Form)]) -> Redeemed {
    let answer = scene.log_in(target).unwrap();
    let broker = scene.broker().gateway_address();
    scene.gateway().redeem(&broker, answer.code().unwrap(), tickets).unwrap()
}

#[test]
fn a_card_opens_four_real_backends() {
    let scene = scene();
    let gateway = scene.gateway();
    let redeemed = redeemed(&scene, HOST, &[]);
    assert_eq!(redeemed.upn, "alice@corp.example");
    assert_eq!((redeemed.sam_account_name.as_str(), redeemed.realm.as_str()), ("alice", "CORP.EXAMPLE"));
    assert_eq!(redeemed.sid, scene.lab().controller().sid("alice").unwrap());
    assert_eq!(redeemed.rule, "desktop-users");
    let file = |class: &str| redeemed.file(class).unwrap();

    assert_eq!(gateway.ssh(file("host"), "alice", HOST, "id -un").unwrap(), "alice\n");
    let page = gateway.http(file("HTTP"), PAGE).unwrap();
    assert_eq!((page.status, page.remote_user.as_str()), (200, "alice"));
    let screen = gateway.vnc_screenshot(file("vnc"), HOST).unwrap();
    assert_eq!((screen.width, screen.height, screen.background), (640, 480, [0x00, 0x00, 0xa8]));
    let desktop = gateway.rdp_screenshot(file("TERMSRV"), HOST, "alice", "CORP.EXAMPLE").unwrap();
    assert_eq!((desktop.width, desktop.height), (1024, 768));
    // The window manager's background, but for what the picture's compression makes of it.
    let near = desktop.background.iter().zip([0x2e_u8, 0x5c, 0x6e]).all(|(is, be)| is.abs_diff(be) < 8);
    assert!(near && desktop.colours > 16, "{desktop:?}");
}

#[test]
fn klist_reads_a_cache_with_one_service_ticket_and_nothing_that_opens_more() {
    let scene = scene();
    let redeemed = redeemed(&scene, HOST, &[("HTTP/desk1.corp.example", Form::Ccache)]);
    let listed = scene.gateway().klist(redeemed.file("HTTP").unwrap()).unwrap();
    assert!(listed.contains("Default principal: alice@CORP.EXAMPLE"), "{listed}");
    assert!(listed.contains("HTTP/desk1.corp.example@CORP.EXAMPLE"), "{listed}");
    assert_eq!(
        listed.matches("Etype (skey, tkt): aes256-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96").count(),
        1
    );
    assert_eq!(listed.matches("Etype").count(), 1, "{listed}");
    assert!(!listed.contains("krbtgt"), "{listed}");
}

#[test]
fn a_krb_cred_message_read_by_impacket_opens_ssh() {
    let scene = scene();
    let redeemed = redeemed(&scene, HOST, &[("host/desk1.corp.example", Form::KrbCred)]);
    let cache = scene.gateway().convert_kirbi(redeemed.file("host").unwrap()).unwrap();
    assert_eq!(scene.gateway().ssh(&cache, "alice", HOST, "id -un").unwrap(), "alice\n");
}

#[test]
fn a_spnego_token_opens_the_page_once() {
    let scene = scene();
    let redeemed = redeemed(&scene, HOST, &[("HTTP/desk1.corp.example", Form::SpnegoToken)]);
    let token = redeemed.file("HTTP").unwrap();
    let first = scene.gateway().http_with_token(token, PAGE).unwrap();
    assert_eq!((first.status, first.remote_user.as_str()), (200, "alice"));
    assert_eq!(scene.gateway().http_with_token(token, PAGE).unwrap().status, 401);
}

#[test]
fn the_example_tells_the_refusals_of_the_broker_from_its_silence() {
    let scene = scene();
    let broker = scene.broker().gateway_address();
    let answer = scene.log_in(HOST).unwrap();
    let code = answer.code().unwrap();
    let redeem = |code: &str, tickets: &[(&str, Form)]| scene.gateway().redeem(&broker, code, tickets);

    let not_granted = redeem(code, &[("HTTP/desk2.corp.example", Form::Ccache)]).unwrap_err();
    assert_eq!(not_granted.reason(), Some("SERVICE_NOT_GRANTED"), "{not_granted}");
    let again = redeem(code, &[]).unwrap_err();
    assert_eq!(again.reason(), Some("CODE_UNKNOWN"), "{again}");
    let nobody = scene.gateway().redeem("broker.corp.example:9", "x", &[]).unwrap_err();
    assert!(matches!(nobody, GatewayError::Unreachable { .. }), "{nobody}");
}
