//! The four backends, opened with the delegated tickets.

use std::io::Write;
use std::path::Path;

use integration::gateway::GatewayError;
use integration::gateway::clients::Picture;
use integration::gateway::redeem::Redeemed;
use integration::scene::{PERSON, Scene};
use integration::wait;

use crate::TryError;
use crate::table::{Table, milliseconds};

/// What a backend showed; or in words why it did not open.
type Opened = Result<String, String>;

/// Opens all four and shows a table; returns whether all of them opened.
pub(crate) fn open(
    out: &mut dyn Write,
    scene: &Scene,
    redeemed: &Redeemed,
    folder: &Path,
) -> Result<bool, TryError> {
    let mut table = Table::new(["backend", "client", "opened", "what it showed", "took"]);
    let mut passed = true;
    let mut attempt = |backend: &str, client: &str, open: &dyn Fn() -> Opened| {
        let started = wait::monotonic();
        let opened = open();
        let took = milliseconds(started.elapsed());
        passed &= opened.is_ok();
        let (answer, shown) = match opened {
            Ok(shown) => ("yes", shown),
            Err(words) => ("NO", words),
        };
        table.row([backend, client, answer, &shown, &took].map(str::to_owned));
    };
    attempt("sshd", "OpenSSH", &|| ssh(scene, redeemed));
    attempt("Apache", "curl --negotiate", &|| page(scene, redeemed));
    attempt("QEMU VNC", "gvnccapture", &|| vnc(scene, redeemed, folder));
    attempt("FreeRDP shadow", "xfreerdp3", &|| rdp(scene, redeemed, folder));
    table.write(out)?;
    Ok(passed)
}

fn ssh(scene: &Scene, redeemed: &Redeemed) -> Opened {
    let said = scene.gateway().ssh(cache(redeemed, "host")?, PERSON, scene.desktop().host(), "id; hostname");
    let said = said.map_err(words)?;
    if said.starts_with("uid=") && said.contains(&format!("({PERSON})")) {
        return Ok(said.trim().replace('\n', " on "));
    }
    Err(said)
}

fn page(scene: &Scene, redeemed: &Redeemed) -> Opened {
    let url = format!("http://{}/", scene.desktop().host());
    let answer = scene.gateway().http(cache(redeemed, "HTTP")?, &url).map_err(words)?;
    let shown = format!("{} for {:?}", answer.status, answer.remote_user);
    if answer.status == 200 && answer.remote_user == PERSON { Ok(shown) } else { Err(shown) }
}

fn vnc(scene: &Scene, redeemed: &Redeemed, folder: &Path) -> Opened {
    let picture = scene.gateway().vnc_screenshot(cache(redeemed, "vnc")?, scene.desktop().host());
    saved(&picture.map_err(words)?, &folder.join("vnc.png"))
}

fn rdp(scene: &Scene, redeemed: &Redeemed, folder: &Path) -> Opened {
    let ccache = cache(redeemed, "TERMSRV")?;
    let host = scene.desktop().host();
    let picture = scene.gateway().rdp_screenshot(ccache, host, PERSON, &redeemed.realm);
    saved(&picture.map_err(words)?, &folder.join("rdp.png"))
}

fn cache<'a>(redeemed: &'a Redeemed, class: &str) -> Result<&'a str, String> {
    redeemed.file(class).ok_or_else(|| format!("no ticket for {class}"))
}

/// A screen of one colour is no desktop.
fn saved(picture: &Picture, file: &Path) -> Opened {
    if picture.colours < 2 {
        return Err("an empty screen".to_owned());
    }
    std::fs::write(file, &picture.png).map_err(|error| error.to_string())?;
    Ok(format!("{}x{} in {}", picture.width, picture.height, file.display()))
}

/// The last line a client wrote says most.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn words(error: GatewayError) -> String {
    error.to_string().lines().last().unwrap_or_default().to_owned()
}
