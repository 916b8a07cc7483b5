//! The programs that a person's session needs, run at the gateway with one credential cache and nothing else.

use super::{Gateway, GatewayError};
use crate::process::Finished;

/// What a web server answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// Whom the server took the caller for: its `X-Remote-User`.
    pub remote_user: String,
    /// The body.
    pub body: String,
}

/// A picture of a remote screen.
#[derive(Clone)]
pub struct Picture {
    /// The PNG file.
    pub png: Vec<u8>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// How many different colours it has.
    pub colours: u32,
    /// The colour of the background near its upper left corner: red, green, blue.
    pub background: [u8; 3],
}

/// Options of ssh: GSSAPI and nothing else, no file of the user's, the host key taken as it is.
const SSH: [&str; 19] = [
    "ssh",
    "-F",
    "none",
    "-n",
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "PreferredAuthentications=gssapi-with-mic",
    "-o",
    "GSSAPIAuthentication=yes",
    "-o",
    "GSSAPIDelegateCredentials=no",
    "--",
];

/// Runs a command that takes a picture into the file named last; writes the picture's facts, then the picture.
const PICTURE: &str = r#"
file=$(mktemp --suffix=.png) && trap 'rm -f "$file"' EXIT
"$@" "$file" >&2 && convert "$file" -depth 8 -format '%w %h %k %[hex:p{8,8}]\n' info: && cat "$file"
"#;

/// What curl appends to the body: a line with the status and one with the name the server gave the caller.
const CURL_FORMAT: &str = r"\n%{http_code}\n%header{x-remote-user}";

impl Gateway {
    /// Runs a command on a host by ssh as `user`; returns its output.
    ///
    /// # Errors
    /// Where the host does not let the ticket's owner in, or the command fails.
    pub fn ssh(&self, ccache: &str, user: &str, host: &str, command: &str) -> Result<String, GatewayError> {
        let who = format!("{user}@{host}");
        let words = [SSH.as_slice(), &[&who, command]].concat();
        Ok(self.client("ssh", ccache, &words)?.text())
    }

    /// Gets a page by Negotiate.
    ///
    /// # Errors
    /// Where no answer comes; a refusal is an answer.
    pub fn http(&self, ccache: &str, url: &str) -> Result<HttpAnswer, GatewayError> {
        let words = ["curl", "--silent", "--show-error", "--negotiate", "-u", ":", "-w", CURL_FORMAT, url];
        http_answer(&self.client("curl", ccache, &words)?)
    }

    /// Gets a page with a ready-made SPNEGO token from a file, and no credential cache.
    ///
    /// # Errors
    /// Where no answer comes; a refusal is an answer.
    pub fn http_with_token(&self, token: &str, url: &str) -> Result<HttpAnswer, GatewayError> {
        let script = r#"printf 'Authorization: Negotiate %s' "$(base64 -w0 "$0")" \
            | curl --silent --show-error -H @- -w "$1" "$2""#;
        http_answer(&self.client("curl", "/nonexistent", &["sh", "-c", script, token, CURL_FORMAT, url])?)
    }

    /// Opens a host's VNC screen and takes a picture.
    ///
    /// # Errors
    /// Where the host does not let the ticket's owner in.
    pub fn vnc_screenshot(&self, ccache: &str, host: &str) -> Result<Picture, GatewayError> {
        picture(&self.client("gvnccapture", ccache, &["bash", "-c", PICTURE, "-", "vnc-screenshot", host])?)
    }

    /// Opens a host's desktop by RDP and takes a picture.
    ///
    /// # Errors
    /// Where the host does not let the ticket's owner in.
    pub fn rdp_screenshot(
        &self,
        ccache: &str,
        host: &str,
        user: &str,
        realm: &str,
    ) -> Result<Picture, GatewayError> {
        let words = ["bash", "-c", PICTURE, "-", "rdp-screenshot", host, user, realm];
        picture(&self.client("xfreerdp3", ccache, &words)?)
    }

    /// What MIT's klist reads in a credential cache: principals, times, flags, encryption types.
    ///
    /// # Errors
    /// Where klist cannot read it.
    pub fn klist(&self, ccache: &str) -> Result<String, GatewayError> {
        Ok(self.client("klist", ccache, &["klist", "-f", "-e"])?.text())
    }

    /// What Heimdal's klist reads in a credential cache.
    ///
    /// # Errors
    /// Where it cannot read it.
    pub fn heimdal_klist(&self, ccache: &str) -> Result<String, GatewayError> {
        // Debian's klist.heimdal is a link to this program, which does not know itself under that name.
        Ok(self.client("heimtools", ccache, &["heimtools", "klist", "-v"])?.text())
    }

    /// Has MIT's kvno ask for a service's ticket, which it can only find in the cache: no KDC is known here.
    ///
    /// # Errors
    /// Where it does not find it.
    pub fn kvno(&self, ccache: &str, spn: &str) -> Result<String, GatewayError> {
        Ok(self.client("kvno", ccache, &["kvno", spn])?.text())
    }

    /// Has Heimdal's kgetcred ask for a service's ticket, which it can only find in the cache.
    ///
    /// # Errors
    /// Where it does not find it.
    pub fn kgetcred(&self, ccache: &str, principal: &str) -> Result<String, GatewayError> {
        Ok(self.client("kgetcred", ccache, &["kgetcred", principal])?.text())
    }

    /// Has MIT's library read a KRB-CRED message, encrypted under a key or in clear, into a credential cache; returns the cache's
    /// path and the lines `client server` of what it found.
    ///
    /// # Errors
    /// Where it cannot read it.
    pub fn read_krb_cred(&self, message: &str, key: Option<&[u8]>) -> Result<(String, String), GatewayError> {
        let ccache = format!("{message}.ccache");
        let key = key.map(hex::encode);
        let words: Vec<&str> =
            ["read-krb-cred", message, &ccache].into_iter().chain(key.as_deref()).collect();
        let found = self.client("krb5_rd_cred", "/nonexistent", &words)?.text();
        Ok((ccache, found))
    }

    /// Has impacket turn a KRB-CRED message into a credential cache; returns the cache's path.
    ///
    /// # Errors
    /// Where impacket cannot read it.
    pub fn convert_kirbi(&self, kirbi: &str) -> Result<String, GatewayError> {
        let ccache = format!("{kirbi}.ccache");
        self.client("impacket", "/nonexistent", &["convert-kirbi", kirbi, &ccache])?;
        Ok(ccache)
    }

    fn client(&self, client: &'static str, ccache: &str, words: &[&str]) -> Result<Finished, GatewayError> {
        let finished = self.container.exec_with(words, &[("KRB5CCNAME", ccache)], b"")?;
        if finished.succeeded() { Ok(finished) } else { Err(GatewayError::client(client, &finished)) }
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{} pixels, {} colours, {:02x?}", self.width, self.height, self.colours, self.background)
    }
}

fn http_answer(finished: &Finished) -> Result<HttpAnswer, GatewayError> {
    let output = finished.text();
    let mut parts = output.rsplitn(3, '\n');
    let (user, status, body) = (parts.next(), parts.next(), parts.next());
    match (user, status.and_then(|status| status.parse().ok()), body) {
        (Some(user), Some(status), Some(body)) => {
            Ok(HttpAnswer { status, remote_user: user.to_owned(), body: body.to_owned() })
        }
        _ => Err(GatewayError::Answer { client: "curl", output }),
    }
}

fn picture(finished: &Finished) -> Result<Picture, GatewayError> {
    let unexpected = || GatewayError::Answer { client: "the screenshot", output: finished.error_text() };
    let end = finished.stdout.iter().position(|&octet| octet == b'\n').ok_or_else(unexpected)?;
    let (facts, rest) = finished.stdout.split_at(end);
    let facts = String::from_utf8_lossy(facts).into_owned();
    let mut words = facts.split_whitespace();
    let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or_else(unexpected);
    let (width, height, colours) = (number()?, number()?, number()?);
    // Red, green, blue and, for a picture with transparency, a fourth octet.
    let pixel = hex::decode(words.next().unwrap_or_default()).map_err(|_| unexpected())?;
    let background = *pixel.first_chunk().ok_or_else(unexpected)?;
    let png = rest.get(1..).unwrap_or_default().to_vec();
    Ok(Picture { png, width, height, colours, background })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(stdout: &[u8]) -> Finished {
        Finished { code: Some(0), stdout: stdout.to_vec(), stderr: Vec::new() }
    }

    #[test]
    fn an_answer_is_told_from_the_lines_after_its_body() {
        let answer = http_answer(&finished(b"<h1>two\nlines</h1>\n\n200\nalice")).unwrap();
        assert_eq!(
            answer,
            HttpAnswer { status: 200, remote_user: "alice".into(), body: "<h1>two\nlines</h1>\n".into() }
        );
    }

    #[test]
    fn a_picture_comes_after_the_line_with_its_facts() {
        let picture = picture(&finished(b"640 480 2 0000A8FF\n\x89PNG\n...")).unwrap();
        assert_eq!((picture.width, picture.height, picture.colours), (640, 480, 2));
        assert_eq!(picture.background, [0, 0, 0xa8]);
        assert_eq!(picture.png, b"\x89PNG\n...");
    }

    #[test]
    fn an_output_without_a_picture_is_no_picture() {
        assert!(matches!(picture(&finished(b"")), Err(GatewayError::Answer { .. })));
        assert!(matches!(picture(&finished(b"640 480\n")), Err(GatewayError::Answer { .. })));
    }
}
