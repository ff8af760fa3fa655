//! The file: a page, the data that it was made of, and a digest of both in the last line.
//! Does not know what the page or the data say.

use sha2::{Digest as _, Sha256};

use super::FORMAT_VERSION;
use super::verdict::{BundleDamage, BundleDefect, BundleDoubt, BundleVerdict};
use crate::event::to_hex;

/// How every file of every version begins; the version and [`MARK_END`] follow.
const MARK: &str = "<!DOCTYPE html>\n<!-- order-ledger evidence ";
const MARK_END: &str = " -->\n";
const DATA_BEGIN: &str = "\n<script type=\"application/json\" id=\"order-ledger-evidence\">\n";
const DATA_END: &str = "\n</script>\n</body>\n</html>\n";
/// Bytes of the last line.
const DIGEST_LINE_LEN: usize = 81;

/// The whole file.
pub(super) fn write(page: &str, data: &str) -> Vec<u8> {
    debug_assert!(!data.contains('<'), "the data ends with its element");
    let above = format!("{MARK}{FORMAT_VERSION}{MARK_END}{page}{DATA_BEGIN}{data}{DATA_END}");
    let digest = digest_line(above.as_bytes());
    [above.into_bytes(), digest.into_bytes()].concat()
}

/// The last line of a file.
pub(super) fn digest_line(above: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(above).into();
    format!("<!-- sha256 {} -->\n", to_hex(&digest))
}

/// What a file is made of.
pub(super) struct Parts<'a> {
    pub(super) page: &'a str,
    pub(super) data: &'a str,
}

/// The parts of a file that is as it was made.
pub(super) fn read(bytes: &[u8]) -> Result<Parts<'_>, BundleVerdict> {
    if !bytes.starts_with(MARK.as_bytes()) {
        return Err(BundleVerdict::Unreadable(BundleDamage::NotEvidence));
    }
    let (above, last) = bytes.split_at(bytes.len().saturating_sub(DIGEST_LINE_LEN));
    if last != digest_line(above).as_bytes() {
        return Err(BundleVerdict::Unreadable(BundleDamage::Digest));
    }
    let form = |what: &str| BundleVerdict::Tampered(vec![BundleDefect::Form(what.to_owned())]);
    let text = std::str::from_utf8(above).map_err(|_| form("it is not UTF-8"))?;
    let version = text.strip_prefix(MARK).and_then(|rest| rest.split_once(MARK_END));
    let (version, rest) = version.ok_or_else(|| form("it names no version"))?;
    if version != FORMAT_VERSION.to_string() {
        return Err(match version.parse() {
            Ok(newer) if newer > FORMAT_VERSION => {
                BundleVerdict::Inconclusive(vec![BundleDoubt::NewerFormat(newer)])
            }
            _ => form("its version is none"),
        });
    }
    let (page, data) = rest.split_once(DATA_BEGIN).ok_or_else(|| form("it has no data"))?;
    let data = data.strip_suffix(DATA_END).ok_or_else(|| form("its data has no end"))?;
    if data.contains('<') {
        return Err(form("something stands between the data and the end"));
    }
    Ok(Parts { page, data })
}
