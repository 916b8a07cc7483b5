//! A card login to four real backends: the broker's main job, shown from end to end. `deploy/try` runs it.

mod backends;
mod line;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use integration::container::{ContainerError, Engine, ImageSource};
use integration::gateway::redeem::{Form, Redeemed};
use integration::lab::Lab;
use integration::samba_ad::DomainError;
use integration::scene::{GATEWAY, Progress, Scene, SceneError};
use table::Table;

type Shown = std::io::Result<()>;

/// The demonstration could not go on.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Domain(#[from] DomainError),
    #[error(transparent)]
    Scene(#[from] SceneError),
    #[error("the broker's log does not tell of the login's steps")]
    NoSteps,
    #[error("cannot write")]
    Write(#[from] std::io::Error),
}

fn main() -> ExitCode {
    let keep = std::env::args().nth(1).is_some_and(|argument| argument == "--keep");
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let exit_code = runtime.block_on(async {
        let tried = tokio::task::spawn_blocking(tried);
        let (scene, passed) = tokio::select! {
            tried = tried => match tried {
                Ok(Ok(tried)) => tried,
                Ok(Err(error)) => return failed(&error),
                Err(error) => return failed(&error),
            },
            _ = interrupted() => {
                drop(writeln!(std::io::stdout(), "\ninterrupted: what was started is being removed"));
                return ExitCode::FAILURE;
            }
        };
        if keep && by_hand(&scene).is_ok() {
            drop(interrupted().await);
        }
        drop(writeln!(std::io::stdout(), "\nremoving what was started"));
        drop(scene);
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    });
    // Work that was interrupted is not waited for; its containers are removed when this process has ended.
    runtime.shutdown_background();
    exit_code
}

/// Brings everything up, logs in, opens all backends. Whether all of them opened is told beside the running scene.
fn tried() -> Result<(Scene, bool), TryError> {
    let mut out = std::io::stdout();
    let scene = brought_up(&mut out)?;
    let host = scene.desktop().host().to_owned();

    writeln!(out, "\nalice logs in with her card, by curl, for {host}")?;
    let answer = scene.log_in(&host)?;
    line::show(&mut out, &scene, &answer)?;

    writeln!(out, "\nthe gateway redeems the code, by deploy/gateway/redeem.py")?;
    let code = answer.code().unwrap_or_default();
    let redeemed = scene.gateway().redeem(&scene.broker().gateway_address(), code, &[]);
    let redeemed = redeemed.map_err(SceneError::Gateway)?;
    tickets(&mut out, &redeemed)?;

    let folder = pictures()?;
    writeln!(out, "\nwith these tickets and nothing else the gateway opens {host}")?;
    let passed = backends::open(&mut out, &scene, &redeemed, &folder)?;
    writeln!(out, "  (each time includes the client's start in its container)")?;
    Ok((scene, passed))
}

fn brought_up(out: &mut dyn Write) -> Result<Scene, TryError> {
    writeln!(out, "bringing up, in containers (images are built the first time)")?;
    let mut progress = Progress::new(out);
    for (name, what) in [
        ("client", "the image of the workstation"),
        ("desktop", "the image of the desktop host"),
        ("gateway", "the image of the gateway"),
    ] {
        progress.during(what, || ImageSource::named(name).build())?;
    }
    let lab = progress.during("a Samba AD domain controller", || Lab::start("try"))?;
    Ok(Scene::start(Arc::new(lab), &mut progress)?)
}

/// What the gateway got.
fn tickets(out: &mut dyn Write, redeemed: &Redeemed) -> Shown {
    let Redeemed { upn, sam_account_name, realm, sid, rule, target, .. } = redeemed;
    writeln!(out, "  {upn} is {sam_account_name} of {realm}, {sid}; rule {rule} permits {target}")?;
    let mut table = Table::new(["ticket for", "form", "took"]);
    for ticket in &redeemed.tickets {
        table.row([ticket.spn.clone(), Form::Ccache.as_str().to_owned(), table::milliseconds(ticket.took)]);
    }
    table.write(out)
}

/// The folder for the pictures: `target/try` of this repository.
fn pictures() -> std::io::Result<PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/try");
    std::fs::create_dir_all(&folder)?;
    folder.canonicalize()
}

/// The commands to try by hand.
fn by_hand(scene: &Scene) -> Result<(), TryError> {
    let engine = Engine::get()?.command_line();
    let mut out = std::io::stdout();
    let workstation = scene.workstation().container().name();
    let gateway = scene.gateway().container().name();
    let host = scene.desktop().host();
    let (cards, codes) = (scene.broker().card_address(), scene.broker().gateway_address());
    let request = format!(r#"{{"gateway": "{GATEWAY}", "target": "{host}"}}"#);
    writeln!(
        out,
        "\neverything is running. In another terminal:\n
  # alice logs in with the card in her reader; the answer holds a code that is good for a minute
  {engine} exec --env OPENSSL_CONF=/lab/openssl.cnf {workstation} curl --silent --cacert /etc/ssl/lab/machine-ca.pem \\
    --cert 'pkcs11:token=card;object=card;type=cert' --key 'pkcs11:token=card;object=card;type=private?pin-value=123456' \\
    --json '{request}' https://{cards}/v1/login

  # the gateway redeems it for tickets
  echo CODE | {engine} exec -i --env PYTHONPATH=/opt/kerbridge/stubs {gateway} /opt/kerbridge/redeem.py \\
    --broker {codes} --ca /opt/kerbridge/ca.pem --certificate /opt/kerbridge/gateway.pem --key /opt/kerbridge/gateway.key \\
    --out /dev/shm/mine

  # and opens the desktop host with them
  {engine} exec -it --env KRB5CCNAME=/dev/shm/mine/host_{host}.ccache {gateway} ssh -o GSSAPIAuthentication=yes alice@{host}
  {engine} exec --env KRB5CCNAME=/dev/shm/mine/HTTP_{host}.ccache {gateway} curl -i --negotiate -u : http://{host}/
  {engine} exec --env KRB5CCNAME=/dev/shm/mine/vnc_{host}.ccache {gateway} vnc-screenshot {host} /tmp/vnc.png
  {engine} exec --env KRB5CCNAME=/dev/shm/mine/TERMSRV_{host}.ccache {gateway} rdp-screenshot {host} alice CORP.EXAMPLE /tmp/rdp.png
  {engine} cp {gateway}:/tmp/rdp.png .

Ctrl-C here ends it and removes everything."
    )?;
    Ok(out.flush()?)
}

/// The person at the terminal has had enough.
async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    drop(writeln!(std::io::stderr(), "\ntry: {text}"));
    ExitCode::FAILURE
}
