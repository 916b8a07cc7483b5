//! Kerberos messages of real clients, taken off the line between them and the domain controller.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use kdc_proxy::exchange::kpasswd::Form;
use zeroize::Zeroizing;

use super::judges::Judges;

/// What requests are made of. The AS-REQs and the TGS-REQ are MIT's.
#[derive(Clone)]
pub(super) struct Material {
    /// alice's first AS-REQ, without a proof of her password.
    pub(super) as_req: Vec<u8>,
    /// The second, with a proof.
    pub(super) as_req_with_proof: Vec<u8>,
    /// One with the proof of a wrong password.
    pub(super) as_req_with_wrong_proof: Vec<u8>,
    /// One in the armour of RFC 6113.
    pub(super) as_req_in_armor: Vec<u8>,
    /// alice's request for a ticket to a service, with all pre-authentication data MIT sends.
    pub(super) tgs_req: Vec<u8>,
    /// The domain controller's answers.
    pub(super) krb_error: Vec<u8>,
    pub(super) as_rep: Vec<u8>,
    pub(super) tgs_rep: Vec<u8>,
    /// A change of carol's password, in the password protocol's frame; used up by being sent.
    pub(super) change: Vec<u8>,
    /// The same by the other version of the protocol.
    pub(super) set: Vec<u8>,
}

/// A request and the reply to it.
type Exchange = (Vec<u8>, Vec<u8>);

/// A listener that writes down what goes through it.
struct Tap {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Tap {
    /// Forwards to a KDC; without one it takes each request and closes. It listens as long as the process lives.
    fn new(host: Ipv4Addr, kdc: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that has its answer closes in the middle of nothing.
                while let Some((request, reply)) = exchange(&stream, kdc) {
                    let more = kdc.is_some();
                    written.lock().unwrap_or_else(PoisonError::into_inner).push((request, reply));
                    if !more {
                        break;
                    }
                }
            }
        });
        Self { address, seen }
    }

    /// What went through since it was last asked.
    fn taken(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn exchange(mut client: &TcpStream, kdc: Option<SocketAddr>) -> Option<Exchange> {
    let request = read(client)?;
    let Some(kdc) = kdc else { return Some((request, Vec::new())) };
    let mut kdc = TcpStream::connect(kdc).ok()?;
    kdc.write_all(&framed(&request)).ok()?;
    let reply = read(&kdc)?;
    client.write_all(&framed(&reply)).ok()?;
    Some((request, reply))
}

fn read(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// The frame of RFC 4120 section 7.2.2.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

impl Material {
    /// Two of them, alike but for the changes of passwords.
    pub(super) async fn gather(judges: &Judges) -> [Self; 2] {
        let host = judges.lab.network().host_address();
        let tap = Tap::new(host, Some((judges.lab.controller().address(), 88).into()));
        let client = judges.workstation.container();
        let configuration = format!(
            "[libdefaults]\n default_realm = CORP.EXAMPLE\n dns_lookup_kdc = false\n rdns = false\n\
             dns_canonicalize_hostname = false\n udp_preference_limit = 1\n[realms]\n CORP.EXAMPLE = {{\n  \
             kdc = {}\n }}\n",
            tap.address
        );
        client.write("/lab/tap.conf", configuration.as_bytes(), "644").unwrap();
        let run = |command: &[&str], input: &str| {
            let environment = [("KRB5_CONFIG", "/lab/tap.conf"), ("KRB5CCNAME", "FILE:/lab/tap.cc")];
            client.exec_with(command, &environment, input.as_bytes()).unwrap();
            tap.taken()
        };
        let login = run(&["kinit", "alice"], "alice-Passw0rd\n");
        let [(as_req, krb_error), with_proof] = <[_; 2]>::try_from(login).unwrap();
        let for_service = run(&["kvno", "HTTP/desk1.corp.example"], "").remove(0);
        let (as_req_in_armor, _) = run(
            &["kinit", "-T", "FILE:/lab/tap.cc", "-c", "FILE:/lab/armored.cc", "carol"],
            "carol-Passw0rd\n",
        )
        .remove(0);
        let (as_req_with_wrong_proof, _) = run(&["kinit", "bob"], "wrong\n").remove(1);

        let nowhere = Tap::new(host, None);
        let carol = super::client_of(&judges.lab, "carol", tap.address.to_string().parse().unwrap());
        let password_change = async |form| {
            let password = Zeroizing::new("carol-Passw0rd2".to_owned());
            carol.change_password(&password, form, nowhere.address.port()).await.unwrap_err();
            nowhere.taken().remove(0).0
        };
        let ours = Self {
            as_req,
            as_req_with_proof: with_proof.0,
            as_req_with_wrong_proof,
            as_req_in_armor,
            tgs_req: for_service.0,
            krb_error,
            as_rep: with_proof.1,
            tgs_rep: for_service.1,
            change: password_change(Form::Change).await,
            set: password_change(Form::Set { target: None }).await,
        };
        let theirs = Self {
            change: password_change(Form::Change).await,
            set: password_change(Form::Set { target: None }).await,
            ..ours.clone()
        };
        [ours, theirs]
    }
}
