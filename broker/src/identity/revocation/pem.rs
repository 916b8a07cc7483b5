//! Files of CRLs and OCSP responses: DER, or PEM with one or several blocks (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The CRLs of one file, DER each. Empty where a PEM file holds none or a block is broken.
pub(crate) fn split(file: Vec<u8>) -> Vec<Vec<u8>> {
    split_as("X509 CRL", file)
}

/// The OCSP responses of one file, likewise.
pub(crate) fn split_ocsp(file: Vec<u8>) -> Vec<Vec<u8>> {
    split_as("OCSP RESPONSE", file)
}

/// The CMS messages of one file, likewise.
pub(crate) fn split_signed_data(file: Vec<u8>) -> Vec<Vec<u8>> {
    split_as("PKCS7", file)
}

fn split_as(label: &str, file: Vec<u8>) -> Vec<Vec<u8>> {
    // A SEQUENCE; PEM may begin with any text.
    if file.first() == Some(&0x30) { vec![file] } else { blocks(label, &file).unwrap_or_default() }
}

/// What stands between the lines of a label; `None` where a block is broken. Read line by line: a list can be large, and
/// its text is not copied.
fn blocks(label: &str, text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.split(|octet| matches!(octet, b'\n' | b'\r')).map(<[u8]>::trim_ascii) {
        match &mut open {
            None if line == begin.as_bytes() => open = Some(Block::default()),
            None => {}
            Some(_) if line == end.as_bytes() => blocks.push(open.take()?.finish()?),
            Some(block) => block.line(line)?,
        }
    }
    if open.is_some() { None } else { Some(blocks) }
}

/// A block whose lines are being decoded.
#[derive(Default)]
struct Block {
    decoded: Vec<u8>,
    /// What does not yet make a whole group of four letters, or may be the last one.
    rest: Vec<u8>,
}

impl Block {
    /// Letters that are decoded at once; a multiple of four.
    const PIECE: usize = 4096;

    fn line(&mut self, line: &[u8]) -> Option<()> {
        for letters in line.chunks(Self::PIECE) {
            self.rest.extend(letters.iter().filter(|letter| !letter.is_ascii_whitespace()));
            if self.rest.len() > Self::PIECE {
                let after = self.rest.split_off(Self::PIECE);
                // Padding stands at the end only, which is never among these.
                if self.rest.contains(&b'=') {
                    return None;
                }
                self.decode()?;
                self.rest = after;
            }
        }
        Some(())
    }

    fn decode(&mut self) -> Option<()> {
        STANDARD.decode_vec(&self.rest, &mut self.decoded).ok()
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        self.decode()?;
        Some(self.decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(label: &str, der: &[u8], width: usize, line_end: &str) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(width).map(|line| str::from_utf8(line).expect("ASCII")).collect();
        let body = lines.join(line_end);
        format!("-----BEGIN {label}-----{line_end}{body}{line_end}-----END {label}-----{line_end}")
    }

    fn octets(count: usize) -> Vec<u8> {
        (0..count).map(|n| u8::try_from(n % 251).expect("small")).collect()
    }

    #[test]
    fn blocks_of_any_size_line_length_and_line_end_are_read() {
        for count in [1, 2, 3, 47, 3_071, 3_072, 3_073, 6_144, 10_000] {
            for width in [4, 64, 76, 4_096, 4_097, 100_000] {
                for line_end in ["\n", "\r\n"] {
                    let text = pem("X509 CRL", &octets(count), width, line_end);
                    assert_eq!(split(text.into_bytes()), [octets(count)], "{count} {width}");
                }
            }
        }
    }

    #[test]
    fn what_stands_beside_the_blocks_is_passed_over() {
        let (one, other) = (octets(100), octets(200));
        let mut file = b"liste r\xe9voqu\xe9e\n".to_vec();
        for block in
            [("CERTIFICATE", &other), ("X509 CRL", &one), ("OCSP RESPONSE", &one), ("X509 CRL", &other)]
        {
            file.extend(pem(block.0, block.1, 64, "\n").into_bytes());
        }
        assert_eq!(split(file.clone()), [one.clone(), other]);
        assert_eq!(split_ocsp(file), [one]);
    }

    #[test]
    fn a_file_with_a_broken_block_holds_nothing() {
        let good = pem("X509 CRL", &octets(5_000), 64, "\n");
        let broken = [
            good.replace("-----END", "----END"),
            good.replacen('A', "*", 1),
            good.replacen('A', "=", 1),
            good.replace("-----END", "A\n-----END"),
        ];
        for text in broken {
            assert!(split(format!("{good}{text}").into_bytes()).is_empty());
        }
    }
}
